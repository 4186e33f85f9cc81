"""Patches in one array."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from geopatcher import (
    Patch,
    SpatialHann,
    SpatialOverlapAdd,
    SpatialPatcher,
    SpatialRectangular,
    SpatialRegularStride,
    stack_patches,
)

IMAGE = np.random.default_rng(0).normal(size=(2, 20, 30)).astype(np.float32)


def patches(image=IMAGE, step=4, boundary="cover"):
    patcher = SpatialPatcher(
        SpatialRectangular(8, boundary), SpatialRegularStride(step), SpatialHann(), SpatialOverlapAdd()
    )
    return list(patcher.split(image))


def test_a_stack_is_an_array_like_with_anchors():
    batch = stack_patches(patches()[2:5])
    assert (batch.shape, batch.ndim, batch.dtype, len(batch)) == ((3, 2, 8, 8), 4, np.float32, 3)
    np.testing.assert_array_equal(batch[1], IMAGE[:, :8, 12:20])
    np.testing.assert_array_equal(np.asarray(batch)[1], IMAGE[:, :8, 12:20])
    np.testing.assert_array_equal(np.stack(list(batch)), batch.data)
    assert np.asarray(batch, dtype="float64").dtype == np.float64
    assert not np.shares_memory(np.array(batch), batch.data)
    assert batch.anchors.dtype == np.int64
    assert batch.anchors.tolist() == [[0, 8], [0, 12], [0, 16]]


def test_flat_patches_stay_flat_and_weights_stack_too():
    flat = patches(IMAGE[0])
    assert stack_patches(iter(flat)).shape == (len(flat), 8, 8)
    weights = stack_patches(flat, attr="weights")
    np.testing.assert_array_equal(weights[0], flat[0].weights)
    with pytest.raises(ValueError, match=r"the patch at \(0, 4\) has no weights: it is None"):
        stack_patches([Patch(IMAGE, (0, 4), None)], "weights")


def test_masks_are_kept():
    plain = Patch(np.ones((4, 5), np.uint8), (0, 0), None)
    masked = Patch(np.ma.array(np.ones((4, 5), np.uint8), mask=np.eye(4, 5, dtype=bool)), (4, 0), None)
    stacked = stack_patches([plain, masked]).data
    assert isinstance(stacked, np.ma.MaskedArray)
    assert stacked.mask.sum(axis=(1, 2)).tolist() == [0, 4]


def test_lazy_readers_are_read():
    @dataclass
    class Lazy:
        values: np.ndarray

        def load(self):
            return self

    assert stack_patches([Patch(Lazy(IMAGE), (0, 0), None)]).data.shape == (1, 2, 20, 30)


def test_what_cannot_be_stacked_is_named():
    with pytest.raises(
        ValueError, match=r"at \(0, 0\) is \(2, 8, 8\), the one at \(0, 24\) is \(2, 8, 6\); boundary="
    ):
        stack_patches(patches(step=8, boundary="shrink"))
    with pytest.raises(ValueError, match="there are no patches to stack"):
        stack_patches([])
