"""What the patchers of several sources share."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.matched import MatchedField
from geopatcher.patchers.matched_base import MatchedPatcher, members_of

KINDS = [gp.MatchedSpatialPatcher, gp.MatchedTemporalPatcher, gp.MatchedSpatioTemporalPatcher]


@pytest.mark.parametrize("kind", KINDS)
def test_all_are_made_and_merged_alike(kind):
    assert issubclass(kind, MatchedPatcher)
    assert list(inspect.signature(kind).parameters) == ["primary", "secondary_aggregators"]
    assert kind.merge is MatchedPatcher.merge
    one, other = kind("patcher", {"dem": 1}), kind("patcher", {"dem": 1})
    assert one == other != kind("patcher")
    assert repr(one) == f"{kind.__name__}(primary='patcher', secondary_aggregators={{'dem': 1}})"


def test_the_base_cuts_nothing():
    with pytest.raises(TypeError, match="abstract"):
        MatchedPatcher("patcher")


def test_members_are_brought_and_checked():
    field = MatchedField(np.zeros(3), {"a": None, "b": None}, coreg={"b": lambda raw, primary: raw + primary})
    checked = []
    members = members_of(
        field, gp.TemporalPatch(1, 0), {"a": 10, "b": 20}.__getitem__, lambda *told: checked.append(told)
    )
    assert {name: patch.data for name, patch in members.items()} == {"primary": 1, "a": 10, "b": 21}
    assert checked == [("b", 21, 1)]


@pytest.mark.parametrize("kind", [gp.MatchedSpatialPatcher, gp.MatchedTemporalPatcher])
def test_what_is_no_matched_field_is_refused(kind):
    patcher = kind("patcher")
    for call in (lambda: patcher.split(np.zeros((3, 4))), lambda: patcher.merge([], "path.tif")):
        with pytest.raises(TypeError, match=r"are a MatchedField\(primary, \{name: other\}\), not a"):
            call()


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_without_their_patches_are_refused(kind):
    with pytest.raises(TypeError, match="number 0 is a ndarray"):
        kind("patcher").merge([np.zeros(3)], MatchedField(np.zeros(3), {"a": np.zeros(3)}))
