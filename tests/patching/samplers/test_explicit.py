from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.axis import BOUNDARIES
from geopatcher.errors import IncompleteScanConfiguration
from geopatcher.patching.samplers import (
    SpatialExplicit,
)
from placing import anchors_of, lies_inside

shapes = st.tuples(st.integers(1, 60), st.integers(1, 60))

sizes = st.tuples(st.integers(1, 20), st.integers(1, 20))


@given(shapes, sizes, st.data(), st.sampled_from(BOUNDARIES))
def test_explicit_anchors_are_treated_as_the_boundary_says(shape, size, data, boundary):
    row = st.integers(1 - size[0], shape[0] - 1)
    col = st.integers(1 - size[1], shape[1] - 1)
    given_anchors = data.draw(st.lists(st.tuples(row, col), max_size=8))
    whole = [0 <= row <= shape[0] - size[0] and 0 <= col <= shape[1] - size[1] for row, col in given_anchors]
    sampler = SpatialExplicit(given_anchors)
    if boundary == "raise" and not all(whole):
        with pytest.raises(
            IncompleteScanConfiguration, match=f"{whole.count(False)} of {len(whole)} patches"
        ):
            anchors_of(sampler, shape, size, boundary)
        return
    anchors = anchors_of(sampler, shape, size, boundary)
    if boundary == "drop":
        assert anchors == [anchor for anchor, inside in zip(given_anchors, whole, strict=True) if inside]
    elif boundary == "cover":
        assert all(lies_inside(anchor, shape, size) for anchor in anchors)
        kept_as_given = zip(given_anchors, anchors, whole, strict=True)
        assert all(was == now for was, now, inside in kept_as_given if inside)
    else:
        assert anchors == given_anchors


def test_cover_moves_a_patch_to_zero_on_an_axis_too_short_for_it():
    sampler = SpatialExplicit([(-3, -3), (2, 2), (4, 19)])
    assert anchors_of(sampler, (5, 20), (8, 8)) == [(0, 0), (0, 2), (0, 12)]


@pytest.mark.parametrize("outside", [(20, 0), (0, 30), (-8, 0), (0, -8)])
def test_an_anchor_outside_the_raster_is_named(outside):
    sampler = SpatialExplicit([(0, 0), outside])
    with pytest.raises(
        ValueError, match=r"1 of 2 anchors lie outside the raster of 20x30 .* \(row -?\d+, column"
    ):
        anchors_of(sampler, (20, 30), (8, 8))


def test_explicit_takes_arrays_and_nothing():
    assert SpatialExplicit(np.array([[1, 2], [3, 4]], np.uint8)).anchors_ == ((1, 2), (3, 4))
    assert anchors_of(SpatialExplicit([]), (20, 30), (8, 8)) == []


@pytest.mark.parametrize("bad", [[(1, 2, 3)], [0.5, 1.0], [(0.5, 1.0)], [("a", "b")]])
def test_explicit_refuses_what_are_no_pixel_pairs(bad):
    with pytest.raises(ValueError, match=r"anchors_ are pairs \(row, col\) of whole numbers"):
        SpatialExplicit(bad)
