from __future__ import annotations

import numpy as np
import pytest

from geopatcher.fields.lazy_identity import origin_of_chunked, origin_of_labelled
from geotiffs import write_geotiff

xarray = pytest.importorskip("xarray")
pytestmark = pytest.mark.filterwarnings("ignore")


def array_of(cells, x=(0.0, 1.0, 2.0)):
    return xarray.DataArray(cells, {"x": list(x)}, ("y", "x"), name="v")


def identity(array):
    return origin_of_labelled(array, array.values).identity()


def test_in_memory_every_cell_and_coordinate_counts():
    cells = np.zeros((2, 3))
    other = cells.copy()
    other[1, 2] = 1
    one = identity(array_of(cells))
    assert identity(array_of(cells.copy())) == one
    assert identity(array_of(other))["cells"] != one["cells"]
    moved = identity(array_of(cells, (0.0, 1.0, 2.5)))
    assert moved["cells"] == one["cells"]
    assert moved["coordinates"] != one["coordinates"]
    assert origin_of_labelled(array_of(cells), cells).version() == ""


def test_a_lazy_array_is_its_file_and_some_rows_until_it_is_read(tmp_path):
    rioxarray = pytest.importorskip("rioxarray")
    path = write_geotiff(tmp_path / "a.tif", np.arange(24.0).reshape(2, 3, 4))
    lazy = rioxarray.open_rasterio(path)
    bands = [lazy.isel(band=band) for band in (0, 1)]
    origins = [origin_of_labelled(band, band) for band in bands]
    first, second = (origin.identity() for origin in origins)
    assert first["path"] == str(path)
    assert first["rows"] != second["rows"]
    assert origins[0].version() == origins[1].version() != ""
    assert "cells" in identity(lazy.load())


def test_a_dask_array_in_memory_is_known_by_its_name_and_one_of_files_is_not(tmp_path):
    dask_array = pytest.importorskip("dask.array")
    cells = np.arange(6.0).reshape(2, 3)
    one, other = (dask_array.from_array(each, chunks=2) for each in (cells, cells + 1))
    known = [origin_of_chunked(each).identity() for each in (one, one + 1, other)]
    assert len({each["key"] for each in known}) == 3
    assert all("unknown" not in each for each in known)
    assert "unknown" not in origin_of_labelled(array_of(one), one).identity()
    made = dask_array.map_blocks(lambda: np.ones((2, 3)), chunks=((2,), (3,)), dtype=float)
    assert "may be computed from files that have changed" in origin_of_chunked(made).identity()["unknown"]


def test_a_lazy_array_without_dask_of_no_known_file_is_all_its_cells(tmp_path):
    place = tmp_path / "a.zarr"

    def lazy(cells):
        array_of(cells).to_dataset().to_zarr(place, mode="w", consolidated=False)
        return xarray.open_zarr(place, chunks=None, consolidated=False).v

    cells = np.arange(6.0).reshape(2, 3)
    first = identity(lazy(cells))
    assert "unknown" not in first
    assert identity(lazy(cells)) == first
    cells[1, 1] = 7
    assert identity(lazy(cells)) != first
