"""A raster on another grid, against a WarpedVRT read whole."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

import geopatcher as gp
from geopatcher.fields import ReprojectingRasterField
from geotiffs import write_geotiff
from warps import or_nan, warped_whole


@pytest.fixture
def scene(tmp_path):
    array = np.random.default_rng(2).normal(100, 30, (2, 300, 280)).astype("float32")
    array[:, 40:60, 30:50] = np.nan
    return write_geotiff(tmp_path / "scene.tif", array, nodata=np.nan)


@pytest.mark.parametrize("method", ["bilinear", "nearest", "cubic", "lanczos", "average"])
def test_it_is_the_warp_that_gdal_proposes(scene, method):
    field = ReprojectingRasterField(scene, "EPSG:32611", resampling=method)
    with rasterio.open(scene) as dataset, WarpedVRT(dataset, crs="EPSG:32611") as proposed:
        assert field.domain.transform == proposed.transform
        assert field.domain.crs == proposed.crs.to_wkt()
        assert field.domain.grid_shape == proposed.shape
    expected = or_nan(*warped_whole(scene, field.domain, method))
    found = field.select(Window(0, 0, *expected.shape[:0:-1]))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_array_equal(field.select(Window(33, 71, 120, 60)), found[:, 71:131, 33:153])


def test_a_resolution_in_units_of_the_crs(scene):
    field = ReprojectingRasterField(scene, "EPSG:4326", (0.002, 0.001))
    assert (field.domain.transform.a, field.domain.transform.e) == (0.002, -0.001)
    same = ReprojectingRasterField(scene, None, 60, "average")
    array = rasterio.open(scene).read()
    blocks = array.reshape(2, 150, 2, 140, 2)
    expected = np.ma.masked_invalid(blocks).mean(axis=(2, 4)).filled(np.nan)
    np.testing.assert_allclose(same.select(Window(0, 0, 140, 150)), expected, rtol=1e-5)


def test_a_raster_that_is_there_already_is_read_as_it_is(scene):
    field = ReprojectingRasterField(scene, "EPSG:32610")
    array = rasterio.open(scene).read()
    np.testing.assert_array_equal(field.select(Window(5, 7, 60, 50)), array[:, 7:57, 5:65])
    assert field.domain.transform == rasterio.open(scene).transform


def test_it_runs_and_holds_other_pixels(scene):
    field = ReprojectingRasterField(scene, "EPSG:32611")
    height, width = field.domain.grid_shape
    expected = field.select(Window(0, 0, width, height))
    result = gp.reconstruct(field, lambda patch: patch * 2, size=64, step=64, window="boxcar")
    np.testing.assert_allclose(result.array, 2 * expected, rtol=1e-6)
    assert result.domain.transform == field.domain.transform
    held = field.with_data(np.zeros((height, width)))
    assert held.domain.transform == field.domain.transform


def test_wishes_that_cannot_be_are_refused(scene):
    with pytest.raises(ValueError, match="the CRS 'EPSG:1' is not understood"):
        ReprojectingRasterField(scene, "EPSG:1")
    with pytest.raises(ValueError, match="resampling is one of"):
        ReprojectingRasterField(scene, "EPSG:4326", resampling="best")
