"""The carriers of several sources."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.matched import PRIMARY_KEY, MatchedPatch, MatchedSpatioTemporalPatch, MatchedTemporalPatch


def test_members_have_names_and_the_first_is_the_primary_one():
    members = {PRIMARY_KEY: gp.Patch(1, (0, 8), None), "dem": gp.Patch(2, (0, 8), None)}
    patch = MatchedPatch((0, 8), members, np.ones((2, 2), bool), np.ones((2, 2)))
    assert PRIMARY_KEY == "primary"
    assert patch.primary is members["primary"]
    assert patch.secondary_names == ("dem",)
    assert patch.data == {"primary": 1, "dem": 2}
    assert (patch.valid_mask.all(), patch.weights.shape) == (True, (2, 2))
    assert repr(patch) == "MatchedPatch(primary, dem at (0, 8))"


def test_some_of_the_data_is_replaced_and_unknown_names_are_refused():
    patch = MatchedTemporalPatch(3, {"primary": gp.TemporalPatch(1, 3), "rain": gp.TemporalPatch(2, 3)})
    other = patch.with_data({"rain": 7})
    assert other.data == {"primary": 1, "rain": 7}
    assert (other.anchor, type(other)) == (3, MatchedTemporalPatch)
    assert patch.data == {"primary": 1, "rain": 2}
    with pytest.raises(ValueError, match="the patch has no source 'snow': it has primary, rain"):
        patch.with_data({"snow": 1})


def test_one_over_space_and_time_says_both():
    patch = MatchedSpatioTemporalPatch(((0, 8), 3), {"primary": gp.SpatioTemporalPatch(1, (0, 8), 3)})
    assert (patch.space, patch.time, patch.secondary_names) == ((0, 8), 3, ())
