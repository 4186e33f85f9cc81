"""Streams in step with each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.matched import MatchedPatch
from geopatcher.patchers.matching import all_known, check_members, same_grid, time_axis_of, together


def stream(anchors, closed):
    try:
        for anchor in anchors:
            yield gp.TemporalPatch(None, anchor)
    finally:
        closed.append(True)


@given(st.lists(st.sets(st.integers(0, 9)), min_size=1, max_size=4))
def test_only_what_all_have_comes(sets):
    closed = []
    streams = {str(n): stream(sorted(some), closed) for n, some in enumerate(sets)}
    found = [{patch.anchor for patch in members.values()} for members in together(range(10), streams)]
    assert found == [{anchor} for anchor in sorted(set.intersection(*sets))]
    assert len(closed) <= len(sets)


def test_an_anchor_may_come_twice():
    anchors = [3, 3, 1]
    found = list(together(anchors, {"a": stream(anchors, []), "b": stream(anchors, [])}))
    assert [members["b"].anchor for members in found] == anchors


def test_streams_are_closed_when_one_stops():
    closed = []
    both = together(range(9), {"a": stream(range(9), closed), "b": stream(range(9), closed)})
    next(both)
    both.close()
    assert closed == [True, True]


def test_masks_are_reduced_to_the_axes_that_are_kept():
    bands = np.ones((2, 3, 4), bool)
    bands[1, 2, 3] = False
    flat = np.ones((3, 4), bool)
    flat[0, 0] = False
    wanted = np.ones((3, 4), bool)
    wanted[2, 3] = wanted[0, 0] = False
    assert np.array_equal(all_known([bands, flat], (-2, -1)), wanted)
    assert np.array_equal(all_known([bands], (-1,)), [True, True, True, False])


def test_data_of_another_extent_is_told_of():
    same_grid("dem", np.zeros((5, 3, 4)), np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"'dem' came back as \(2, 4\), and the patch .* is \(3, 4\)"):
        same_grid("dem", np.zeros((2, 4)), np.zeros((1, 3, 4)))


def test_members_are_those_of_the_field():
    patch = MatchedPatch((0, 0), {"primary": gp.Patch(1, (0, 0), None)})
    assert list(check_members([patch], {"primary": 0})) == [patch]
    with pytest.raises(ValueError, match="what is merged has no source 'primary': it has dem"):
        list(check_members([patch], {"dem": 0}))
    with pytest.raises(ValueError, match=r"the patch at \(0, 0\) has nothing of 'dem'"):
        list(check_members([patch], {"primary": 0, "dem": 0}))


def test_the_axis_of_time_has_a_number_or_a_name():
    xr = pytest.importorskip("xarray")
    labelled = xr.DataArray(np.zeros((2, 3, 4)), dims=("y", "time", "x"))
    assert time_axis_of(labelled, "time") == 1
    assert time_axis_of(labelled, -1) == 2
    assert time_axis_of(np.zeros((2, 3)), "time") == 0  # what an operator made of a DataArray
