"""Some bands of an array."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.fields.some_bands import SomeBands

CELLS = np.arange(4 * 6 * 7, dtype="int32").reshape(4, 6, 7)


class Sliced:
    """An array that notes what is read of it."""

    shape, dtype = CELLS.shape, CELLS.dtype

    def __init__(self):
        self.read = []

    def __getitem__(self, index):
        self.read.append(index)
        return CELLS[index]


@pytest.mark.parametrize("bands", [(0,), (3, 1), (2, 2, 0)])
def test_bands_come_in_the_order_asked_for(bands):
    some = SomeBands(CELLS, bands)
    assert (some.shape, some.dtype) == ((len(bands), 6, 7), CELLS.dtype)
    np.testing.assert_array_equal(some[..., 1:4, 2:5], CELLS[list(bands), 1:4, 2:5])


def test_some_of_them_again():
    some = SomeBands(CELLS, (3, 1, 0))
    np.testing.assert_array_equal(some[1:3, :, 2:5], CELLS[[1, 0], :, 2:5])
    np.testing.assert_array_equal(SomeBands(some, (2, 0))[..., 0:2, 0:2], CELLS[[0, 3], 0:2, 0:2])


def test_no_other_band_is_read():
    array = Sliced()
    SomeBands(array, (3, 1))[..., 1:4, 2:5]
    assert [index[0] for index in array.read] == [slice(3, 4), slice(1, 2)]


def test_files_are_those_of_the_array(tmp_path):
    mapped = np.memmap(tmp_path / "cells.bin", "int32", "w+", shape=CELLS.shape)
    assert SomeBands(mapped, (1,)).files() == (tmp_path / "cells.bin",)
    assert SomeBands(CELLS, (1,)).files() == ()
