"""Dask tasks by functions: those of the patcher's methods."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.dask import to_dask_bag, to_delayed

dask = pytest.importorskip("dask")
IMAGE = np.random.default_rng(3).random((2, 20, 30))


def test_they_give_the_patches_of_split():
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(8), gp.SpatialRegularStride(4), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    wanted = list(patcher.split(IMAGE))
    got = dask.compute(*to_delayed(patcher, IMAGE), scheduler="sync")
    batches = dask.compute(*to_delayed(patcher, IMAGE, batch_size=5), scheduler="sync")
    bag = to_dask_bag(patcher, IMAGE).compute(scheduler="sync")
    doubled = dask.compute(*to_delayed(patcher, IMAGE, lambda x: 2 * x), scheduler="sync")
    for patches, factor in (
        (got, 1),
        (bag, 1),
        (doubled, 2),
        ([patch for batch in batches for patch in batch], 1),
    ):
        assert [patch.anchor for patch in patches] == [patch.anchor for patch in wanted]
        for one, other in zip(patches, wanted, strict=True):
            np.testing.assert_array_equal(one.data, factor * other.data)
