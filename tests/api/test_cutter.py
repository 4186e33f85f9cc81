"""Planning and cutting of fields by a patcher's axes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.api.cutter import PatchCutter

IMAGE = np.arange(2 * 20 * 30.0).reshape(2, 20, 30)


def cutter(boundary="cover", **policy):
    return PatchCutter(
        gp.SpatialRectangular(8, boundary),
        gp.SpatialRegularStride(4),
        gp.SpatialHann(),
        gp.SpatialOverlapAdd(),
        **policy,
    )


def test_anchors_are_where_the_patches_of_split_sit():
    anchors = list(cutter().anchors(IMAGE))
    assert anchors == [(row, col) for row in range(0, 13, 4) for col in (0, 4, 8, 12, 16, 20, 22)]
    assert [patch.anchor for patch in cutter().split(IMAGE)] == anchors
    assert cutter().n_anchors(IMAGE) == len(anchors) == cutter().plan(IMAGE).n_patches


@given(st.integers(0, 12), st.integers(0, 22))
def test_a_patch_may_be_asked_for_where_the_sampler_has_none(row, col):
    patch = cutter().patch_at(IMAGE, (row, col))
    np.testing.assert_array_equal(patch.data, IMAGE[:, row : row + 8, col : col + 8])
    np.testing.assert_array_equal(patch.weights, gp.SpatialHann().weights(gp.SpatialRectangular(8)))


@pytest.mark.parametrize("anchor", [(20, 0), (-8, 0), (0, 30)])
def test_one_without_a_pixel_of_the_field_is_refused(anchor):
    with pytest.raises(ValueError, match=r"8x8 at anchor .* has no pixel in the raster of 20x30"):
        cutter().patch_at(IMAGE, anchor)


def test_a_patch_that_is_cut_off_has_the_weights_that_are_left():
    patch = cutter("shrink").patch_at(IMAGE, (16, 26))
    np.testing.assert_array_equal(patch.data, IMAGE[:, 16:, 26:])
    whole = gp.SpatialHann().weights(gp.SpatialRectangular(8))
    np.testing.assert_array_equal(patch.weights, whole[:4, :4])


def test_options_of_a_plan_are_passed_on_and_others_named():
    assert cutter().plan(IMAGE, chunks=10).chunks == (10, 10)
    with pytest.raises(TypeError, match="chunk"):
        cutter().plan(IMAGE, chunk=10)


def test_an_impossible_policy_is_refused_when_it_is_made():
    with pytest.raises(ValueError, match="on_error"):
        cutter(on_error="ignore")


@pytest.mark.parametrize("anchor", [(2.7, 1.2), (1, 2, 3), 5, None])
def test_a_patch_is_at_whole_pixels(anchor):
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(4), gp.SpatialRegularStride(2), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    assert patcher.patch_at(np.zeros((7, 9)), np.array([2, 1])).anchor == (2, 1)
    with pytest.raises(TypeError, match="in whole pixels, not"):
        patcher.patch_at(np.zeros((7, 9)), anchor)
