"""Patches of a small image, and whether two of them are the same."""

from __future__ import annotations

import numpy as np

from geopatcher import (
    SpatialHann,
    SpatialOverlapAdd,
    SpatialPatcher,
    SpatialRectangular,
    SpatialRegularStride,
)


def patcher(size=8, step=4, boundary="cover", sampler=None, **policy):
    return SpatialPatcher(
        SpatialRectangular(size, boundary),
        sampler or SpatialRegularStride(step),
        SpatialHann(),
        SpatialOverlapAdd(),
        **policy,
    )


def same(first, second):
    return (
        first.anchor == second.anchor
        and first.indices == second.indices
        and np.array_equal(first.data, second.data, equal_nan=True)
        and first.data.dtype == second.data.dtype
        and np.array_equal(first.weights, second.weights)
    )


IMAGE = np.random.default_rng(0).normal(size=(2, 20, 30)).astype(np.float32)
