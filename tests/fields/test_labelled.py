"""Arrays with named dimensions are known by what they can do."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.fields.labelled import HasRio, LabelledArray

xr = pytest.importorskip("xarray")


class Untouchable:
    """Data that must not be looked at."""

    shape, dtype, ndim = (3, 4), np.dtype("int16"), 2

    def __array__(self, *args, **kwargs):
        raise AssertionError("the cells were asked for")

    def __array_function__(self, *args):
        raise AssertionError("the cells were asked for")

    def __array_ufunc__(self, *args, **kwargs):
        raise AssertionError("the cells were asked for")


def test_a_data_array_is_one_and_its_cells_are_not_asked_for():
    array = xr.DataArray(Untouchable(), dims=("y", "x"))
    assert isinstance(array, LabelledArray)
    assert (array.dims, array.shape, array.dtype) == (("y", "x"), (3, 4), np.dtype("int16"))


@pytest.mark.parametrize("other", [np.zeros((3, 4)), xr.Dataset({"a": ("x", [1])}), "x.tif", [[1]]], ids=type)
def test_other_things_are_none(other):
    assert not isinstance(other, LabelledArray)


def test_the_accessor_is_there_once_rioxarray_is():
    pytest.importorskip("rioxarray")
    array = xr.DataArray(np.zeros((3, 4)), dims=("y", "x")).rio.write_crs("EPSG:32633")
    assert isinstance(array, HasRio)
    assert array.rio.crs.to_epsg() == 32633
