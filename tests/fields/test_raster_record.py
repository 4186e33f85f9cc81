"""What the header of a raster says of its pixels; how they are read is in ``test_rasterio_source.py``."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from gappy import PLACE, gappy
from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields.raster_record import Header, Record


@pytest.fixture
def path(tmp_path):
    profile = {"driver": "GTiff", "count": 2, "height": 30, "width": 40, "dtype": "int16", "nodata": -9}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, **PLACE) as dataset:
        dataset.descriptions = ("red", "nir")
    return str(tmp_path / "a.tif")


def test_bands_and_a_window(path):
    record = Record.of(path, (2,), Box(10, 30, 5, 40))
    assert (record.domain.shape, record.domain.band_names) == ((1, 20, 35), ("nir",))
    assert (record.nodata, record.has_mask, record.one_dtype) == ((-9,), False, True)
    assert (record.is_tiled_elsewhere, record.beside) == (False, None)


def test_a_window_outside_is_refused(path):
    with pytest.raises(SourceError, match=r"is not inside the raster of \(30, 40\) pixels"):
        Record.of(path, None, None).cut(Box(0, 31, 0, 40))


def test_a_mask_beside_is_told_of(tmp_path):
    gappy(tmp_path / "b.tif")
    record = Record.of(str(tmp_path / "b.tif"), None, None)
    assert (record.beside, record.has_mask) == (str(tmp_path / "b.valid.tif"), True)


def test_headers_agree_where_pixels_mean_the_same(path):
    with rasterio.open(path) as dataset:
        header = Header.of(dataset)
    nan = header._replace(nodata=(np.nan, np.nan))
    assert header.agrees(header)
    assert nan.agrees(header._replace(nodata=(float("nan"), float("nan"))))
    assert not header.agrees(header._replace(shape=(30, 41)))


def test_a_result_that_xarray_wrote_as_netcdf_is_not_read_without_its_gaps(tmp_path):
    """GDAL does not look at the array that says which cells hold data; xarray does."""
    pytest.importorskip("netCDF4")
    cells = np.arange(20, dtype="uint8").reshape(1, 4, 5)
    result = gp.reconstruct(np.ma.masked_equal(cells, 7), np.copy, size=4)
    result.to_xarray().to_netcdf(tmp_path / "a.nc")
    with pytest.raises(
        SourceError, match=r"'valid' says which cells of 'data' hold data, .* variable='data'"
    ):
        gp.reconstruct(tmp_path / "a.nc", np.copy, size=4)
    again = gp.reconstruct(tmp_path / "a.nc", np.copy, size=4, variable="data")
    np.testing.assert_array_equal(again.valid[...].reshape(cells.shape), cells != 7)
