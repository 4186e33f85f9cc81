"""The verbs of this package at a DataArray."""

from __future__ import annotations

import numpy as np
import pytest
import xarray

import geopatcher as gp
import geopatcher.xarray
from geopatcher.api.accessor import DataArrayAccessor

VALUES = np.random.default_rng(0).random((2, 150, 220)).astype("float32")


@pytest.fixture
def array():
    coords = {"y": 5e6 - 10.0 * np.arange(150), "x": 4e5 + 10.0 * np.arange(220), "band": ["red", "nir"]}
    return xarray.DataArray(VALUES, coords, ("band", "y", "x"))


def test_it_is_known_to_xarray(array):
    assert isinstance(array.geopatcher, DataArrayAccessor)
    assert geopatcher.xarray.__all__ == ["DataArrayAccessor"]


def test_a_run_is_that_of_reconstruct_on_the_same_coordinates(array, tmp_path):
    result = array.geopatcher.reconstruct(lambda patch: patch * 2, size=64, window="boxcar", step=64)
    made = result.to_xarray()
    np.testing.assert_array_equal(made.values, VALUES * 2)
    np.testing.assert_allclose(made["x"], array["x"])
    np.testing.assert_allclose(made["y"], array["y"])
    array.geopatcher.reconstruct(np.copy, tmp_path / "a.zarr", size=64)
    assert gp.RasterField(str(tmp_path / "a.zarr")).domain.shape == (2, 150, 220)


def test_a_plan_and_patches_are_those_of_its_grid(array):
    assert array.geopatcher.plan(size=64, step=64).n_patches == 3 * 4
    patches = list(array.geopatcher.split(size=64, step=64))
    assert len(patches) == 3 * 4
    first = patches[0].data
    np.testing.assert_array_equal(np.asarray(first), VALUES[:, :64, :64])


def test_a_wrong_keyword_is_refused(array):
    with pytest.raises(TypeError, match="sise"):
        array.geopatcher.reconstruct(np.copy, sise=3)
