"""Objects of patches that are merged: in any order, in memory and on disk."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import geopatcher as gp

noise = ndimage.gaussian_filter(np.random.default_rng(8).random((90, 110)), 3)
MASK = (noise > np.median(noise)).astype("uint8")
WHOLE = ndimage.label(MASK)[0]


def patcher(**options):
    return gp.SpatialPatcher(
        gp.SpatialRectangular((32, 24)),
        gp.SpatialRegularStride((16, 15)),
        gp.SpatialHann(),
        gp.SpatialInstances(0.0, chunks=32, **options),
    )


def labelled(stream):
    for patch in stream:
        yield gp.Patch(ndimage.label(patch.data)[0], patch.anchor, patch.indices, patch.weights)


def test_any_order():
    one = patcher()
    patches = list(labelled(one.split(MASK)))
    np.testing.assert_array_equal(one.merge(iter(patches), MASK), WHOLE)
    np.random.default_rng(0).shuffle(patches)
    got = one.merge(patches, MASK)
    assert got.dtype == np.uint32
    np.testing.assert_array_equal(got, WHOLE)


@pytest.mark.parametrize("writer", ["zarr", "cog"])
def test_on_disk(tmp_path, writer):
    place = tmp_path / ("x.zarr" if writer == "zarr" else "x.tif")
    one = patcher(streaming=True, target_path=place, writer=writer, memory_limit="32MiB")
    got = one.merge(labelled(one.split(MASK)), MASK)
    np.testing.assert_array_equal(got[...], WHOLE)
    assert [path.name for path in tmp_path.iterdir()] == [place.name]


def test_masked_cells_have_no_object():
    one = patcher()
    hole = np.zeros(MASK.shape, bool)
    hole[20:50, 30:80] = True

    def masked():
        for patch in labelled(one.split(np.ma.array(MASK, mask=hole))):
            rows, cols = patch.indices.toslices()
            there = np.ma.array(ndimage.label(MASK[rows, cols] * ~hole[rows, cols])[0], mask=hole[rows, cols])
            yield gp.Patch(there, patch.anchor, patch.indices, patch.weights)

    np.testing.assert_array_equal(one.merge(masked(), MASK), ndimage.label(MASK * ~hole)[0])


def test_scattered_patches():
    sampler = gp.SpatialJitteredStride((12, 12), jitter=0.3, seed=1)
    one = gp.SpatialPatcher(
        gp.SpatialRectangular((32, 32)), sampler, gp.SpatialHann(), gp.SpatialInstances(0.0)
    )
    got = one.merge(labelled(one.split(MASK)), MASK)
    assert len(np.unique(got)) > 1
    for number in range(1, int(got.max()) + 1):
        assert len(np.unique(WHOLE[got == number])) == 1
