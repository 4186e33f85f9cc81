from __future__ import annotations

import pytest

import geopatcher as gp
from geopatcher.aggregations.names import AGGREGATIONS, aggregation_from_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("overlap-add", gp.SpatialOverlapAdd()),
        ("sum", gp.SpatialSum()),
        ("mean", gp.SpatialMean()),
        ("max", gp.SpatialMax()),
        ("min", gp.SpatialMin()),
        ("variance", gp.SpatialVariance()),
        ("weighted-sum", gp.SpatialWeightedSum()),
        ("inv-var-weighted-mean", gp.SpatialInvVarWeightedMean()),
        ("median", gp.SpatialMedian()),
        ("mode", gp.SpatialMode()),
        ("hard-vote:5", gp.SpatialHardVote(5)),
        ("soft-vote:300", gp.SpatialSoftVote(300)),
        ("instances", gp.SpatialInstances()),
        ("instances:0", gp.SpatialInstances(0.0)),
        ("instances:.25", gp.SpatialInstances(0.25)),
    ],
)
def test_names(name, expected):
    assert aggregation_from_name(name) == expected


def test_all_of_them_are_tested():
    assert len(AGGREGATIONS) == 11


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Median",
        "hard-vote",
        "hard-vote:",
        "hard-vote:x",
        "hard-vote:-1",
        "median:3",
        "instances:",
        "instances:x",
    ],
)
def test_what_is_no_name(name):
    with pytest.raises(
        ValueError, match=rf"aggregation {name!r} is none of: overlap-add, .*, hard-vote:N \(N classes\)"
    ):
        aggregation_from_name(name)


def test_no_classes_at_all():
    with pytest.raises(ValueError, match="n_classes must be 1 or more, not 0"):
        aggregation_from_name("hard-vote:0")
