"""What is read in rectangles: arrays of any library that slice alike."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from geopatcher.core.box import Box
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.some_bands import SomeBands

CELLS = np.arange(2 * 9 * 11, dtype="int16").reshape(2, 9, 11)


class Recorded:
    """A shape, a dtype and basic slicing, and nothing else."""

    shape, dtype = CELLS.shape, CELLS.dtype

    def __getitem__(self, index):
        assert all(part is Ellipsis or isinstance(part, slice) for part in index)
        return CELLS[index]


def stored():
    array = zarr.create_array({}, shape=CELLS.shape, dtype=CELLS.dtype, chunks=(1, 4, 4))
    array[...] = CELLS
    return array


@pytest.mark.parametrize(
    "array", [CELLS, stored(), Recorded(), SomeBands(CELLS, (0, 1))], ids=["numpy", "zarr", "own", "bands"]
)
def test_a_shape_a_dtype_and_slicing_are_enough_for_a_source(array):
    assert (tuple(array.shape), array.dtype) == (CELLS.shape, CELLS.dtype)
    np.testing.assert_array_equal(array[..., 2:5, 3:7], CELLS[:, 2:5, 3:7])
    np.testing.assert_array_equal(ArraySource.of(array).read(Box(2, 5, 3, 7)), CELLS[:, 2:5, 3:7])
