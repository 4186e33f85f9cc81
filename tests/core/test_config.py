"""Configurations: JSON values, and the same thing made of them again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import shapely

import geopatcher as gp
from geopatcher.core.config import Configured, comparable, made, part_of, plain

AXES = [
    gp.SpatialRectangular((3, 5), "pad", -1.5),
    gp.SpatialSphericalCap(20),
    gp.SpatialKNNGraph(4, "haversine"),
    gp.SpatialRadiusGraph(2.5),
    gp.SpatialPolygonIntersection([shapely.box(0, 0, 2, 1)], crs="EPSG:4326"),
    gp.SpatialPolygonIntersection(shapely.box(0, 0, 2, 1 / 3)),
    gp.SpatialExplicit([4, 1]),
    gp.SpatialExplicit([{"lat": 4, "lon": 1}]),
    gp.SpatialRegularStride((2, 3), check_full_scan=True),
    gp.SpatialJitteredStride(4, 0.25, seed=3),
    gp.SpatialRandom(3, seed=4),
    gp.SpatialPoissonDisk(2.5, seed=1),
    gp.SpatialExplicit([(0, 4), (8, 1)]),
    gp.SpatialExplicitCoords([(0.5, 4)], "EPSG:4326"),
    gp.SpatialAlongTrack([(0, 4), (8, 1)], spacing=2),
    gp.SpatialBoxcar(),
    gp.SpatialHann(),
    gp.SpatialTukey(0.25),
    gp.SpatialGaussian(0.3),
    gp.SpatialOverlapAdd(chunks=(8, 16), normalize_by_window=False, dtype=np.dtype("u1")),
    gp.SpatialOverlapAdd(streaming=True, target_path="out", writer="cog", cog=gp.CogStorage(compress="ZSTD")),
    gp.SpatialSum(fill_value=-1),
    gp.SpatialMean(),
    gp.SpatialMax(),
    gp.SpatialMin(),
    gp.SpatialVariance(),
    gp.SpatialWeightedSum(),
    gp.SpatialInvVarWeightedMean(),
    gp.SpatialHardVote(4),
    gp.SpatialInstances(0.25),
    gp.SpatialSoftVote(4),
    gp.SpatialMedian(),
    gp.SpatialMode(),
    gp.SpatialByIndex(),
    gp.SpatialMeanStd(),
    gp.SpatialMinMax(),
    gp.SpatialApproxQuantile((0.1, 0.9), seed=4),
    gp.SpatialApproxQuantile(0.25),
    gp.SpatialApproxCardinality(),
    gp.SpatialApproxMode(),
    gp.SpatialStreamingHistogram(16),
    gp.SpatialReservoir(7),
    gp.ZarrStorage("blosc-lz4", shards=(1024, 2048)),
]


def through_json(value):
    return json.loads(json.dumps(value, allow_nan=False))


@pytest.mark.parametrize("thing", AXES, ids=lambda thing: type(thing).__name__)
def test_everything_goes_through_json_and_comes_back(thing):
    config = through_json(thing.get_config())
    assert config == thing.get_config()
    again = type(thing).from_config(config)
    assert again == thing
    assert again.get_config() == config
    assert type(thing).from_config({"type": type(thing).__name__, **config}) == thing, "as it was said before"
    part = through_json(part_of(thing))
    assert part == {"class": type(thing).__name__, "config": config}
    assert made(part) == thing


@pytest.mark.parametrize("thing", AXES, ids=lambda thing: type(thing).__name__)
def test_what_is_unknown_is_an_error(thing):
    with pytest.raises(TypeError, match=rf"{type(thing).__name__} has no parameter 'sise': it has "):
        type(thing).from_config({**thing.get_config(), "sise": 3})
    with pytest.raises(TypeError, match="has no parameter 'Other'"):
        type(thing).from_config({**thing.get_config(), "type": "Other"})


def test_what_is_left_out_is_as_in_a_call():
    assert gp.SpatialRectangular.from_config({"size": 8}) == gp.SpatialRectangular(8)
    with pytest.raises(TypeError, match="size"):
        gp.SpatialRectangular.from_config({})
    with pytest.raises(ValueError, match="boundary 'over' is none of"):
        gp.SpatialRectangular.from_config({"size": 8, "boundary": "over"})


HOLDERS = [
    gp.SpatialCustom(abs),
    gp.SpatialWeightedSum(abs),
    gp.SpatialLearned(model=abs),
]


@pytest.mark.parametrize("thing", HOLDERS, ids=lambda thing: type(thing).__name__)
def test_functions_are_named_and_not_made(thing):
    assert thing.forbid_in_yaml
    config = through_json(thing.get_config())
    assert "builtins:abs" in config.values()
    with pytest.raises(
        TypeError, match="was made with the function builtins:abs, which a configuration only"
    ):
        type(thing).from_config(config)
    assert type(thing).from_config({thing.function_parameter: abs}) == thing


def test_others_hold_none():
    assert not any(thing.forbid_in_yaml for thing in AXES if not isinstance(thing, gp.SpatialWeightedSum))


def test_classes_of_other_people_are_found_by_name():
    @dataclass(frozen=True)
    class Own(Configured):
        depth: int = 3
        inner: gp.SpatialHann | None = None
        hidden: ClassVar[int] = 4

    own = Own(4, gp.SpatialHann())
    assert made(through_json(part_of(own))) == own


@pytest.mark.parametrize(
    "part",
    [
        {},
        [],
        "SpatialHann",
        {"class": "SpatialHann"},
        {"class": "Nothing", "config": {}},
        {"class": 3, "config": {}},
        {"class": "SpatialHann", "config": []},
        {"class": "SpatialHann", "config": {}, "more": 1},
    ],
)
def test_what_is_no_part_is_refused(part):
    with pytest.raises(TypeError):
        made(part)


def test_values_of_python_become_those_of_json():
    given = {
        "path": Path("a/b"),
        "dtype": np.dtype("u1"),
        "type": np.float32,
        "number": np.int16(3),
        "array": np.arange(3),
        "share": Fraction(1, 4),
        "pairs": ((1, 2), [None, True]),
        4: "key",
    }
    assert plain(given) == {
        "path": "a/b",
        "dtype": "uint8",
        "type": "float32",
        "number": 3,
        "array": [0, 1, 2],
        "share": "1/4",
        "pairs": [[1, 2], [None, True]],
        "4": "key",
    }
    with pytest.raises(TypeError, match="cannot be told in a configuration"):
        plain(object())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.float32(np.inf)])
def test_numbers_that_are_not_finite_stay_numbers(value):
    """A class can be made with what `get_config` gives, ``cls(**config)``."""
    told = json.loads(json.dumps(plain(value)))
    assert isinstance(told, float)
    np.testing.assert_equal(told, float(value))


@pytest.mark.parametrize(
    ("make", "other"),
    [
        (lambda: float("nan"), 1.0),
        (lambda: np.float32("nan"), np.float32(1)),
        (lambda: np.array([1.0, np.nan]), np.array([1.0, 2.0])),
        (lambda: np.zeros(3), np.zeros(3, "float32")),
        (lambda: np.zeros((2, 3)), np.zeros((3, 2))),
        (lambda: np.array(["a", None, float("nan")], object), np.array(["a", None, 0.0], object)),
        (lambda: np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0])),
        (lambda: {"sum": np.zeros(2), "n": (1, [np.ones(1)])}, {"sum": np.zeros(2), "n": (1, [np.zeros(1)])}),
    ],
)
def test_the_same_values_are_equal_and_others_are_not(make, other):
    assert comparable(make()) == comparable(make())
    assert comparable(make()) != comparable(other)
