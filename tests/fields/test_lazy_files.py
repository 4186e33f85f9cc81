from __future__ import annotations

import numpy as np
import pytest

from geopatcher.fields.lazy_files import files_of_lazy

xarray = pytest.importorskip("xarray")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def store(tmp_path):
    place = tmp_path / "a.zarr"
    xarray.DataArray(np.arange(20.0).reshape(4, 5), dims=("y", "x"), name="v").to_dataset().to_zarr(place)
    return place


@pytest.mark.parametrize("chunks", [None, {}], ids=["lazy", "dask"])
def test_the_store_behind_a_lazy_array(store, chunks):
    if chunks is not None:
        pytest.importorskip("dask")
    array = xarray.open_zarr(store, chunks=chunks)["v"]
    assert files_of_lazy(array) == (store,)
    assert files_of_lazy(array.isel(y=slice(1, 3)).T) == (store,)


def test_nothing_is_behind_an_array_that_was_read(store):
    array = xarray.open_zarr(store, chunks=None)["v"].load()
    assert files_of_lazy(array) == ()
    assert files_of_lazy(np.zeros(3)) == ()
