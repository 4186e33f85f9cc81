"""A raster on another grid, against a WarpedVRT read whole."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

import geopatcher as gp
from geopatcher.core.box import Box
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


#: Where a raster in degrees begins, how wide it is, and a map of other units that it is put on.
GLOBES = [
    (0, 360, "EPSG:3857"),
    (0, 360, "EPSG:3832"),
    (-180, 360, "EPSG:3832"),
    (250, 40, "EPSG:32617"),
    (250, 40, "EPSG:3857"),
    (350, 30, "EPSG:3035"),
    (170, 20, "EPSG:3832"),
    (-190, 20, "EPSG:3832"),
]


def longitudes(domain, left):
    """Return where the pixels of a map lie: longitude as the raster counts it, and latitude."""
    a, _, c, _, e, f = domain.transform[:6]
    x, y = np.meshgrid(c + a * (np.arange(domain.width) + 0.5), f + e * (np.arange(domain.height) + 0.5))
    lon, lat = Transformer.from_crs(domain.crs, "EPSG:4326", always_xy=True).transform(x, y)
    return np.where(np.isfinite(lon), (lon - left) % 360 + left, np.nan), lat


@pytest.mark.parametrize("kind", ["float32", "int32", "nodata"])
@pytest.mark.parametrize(("left", "width", "crs"), GLOBES)
def test_longitudes_may_be_counted_beyond_180(tmp_path, left, width, crs, kind):
    cells = np.arange(1, 1 + 80 * width * 2).reshape(80, width * 2).astype("int32")
    if kind == "float32":
        cells = cells.astype(kind)
    path = write_geotiff(
        tmp_path / "globe.tif",
        cells[np.newaxis],
        transform=Affine(0.5, 0, left, 0, -0.5, 45),
        crs="EPSG:4326",
        nodata=-1 if kind == "nodata" else None,
    )
    resolution = 50_000 if crs == "EPSG:3832" and width == 360 and left < 0 else None  # GDAL would take 7 km
    field = ReprojectingRasterField(path, crs, resolution, resampling="nearest")
    lon, lat = longitudes(field.domain, left)
    cols, rows = (lon - left) * 2, (45 - lat) * 2
    with np.errstate(invalid="ignore"):
        inside = (cols >= 0) & (cols < width * 2) & (rows >= 0) & (rows < 80)
        near = (np.abs(cols - np.round(cols)) < 1e-2) | (np.abs(rows - np.round(rows)) < 1e-2)  # on an edge
    expected = np.zeros(field.domain.grid_shape)
    expected[inside] = cells[rows[inside].astype(int), cols[inside].astype(int)]
    box = Box.of_shape(field.domain.grid_shape)
    found = field.source.read(box)
    valid = field.source.valid(box, found)
    held = ~np.isnan(found[0]) if valid is None else valid[0]
    sure = ~near & (np.abs(lat) < 44.5)
    assert np.array_equal(held[sure], inside[sure])
    assert np.array_equal(found[0][sure & inside], expected[sure & inside])


@pytest.mark.parametrize("left", [170, -190])
def test_nothing_is_seen_of_where_longitudes_are_counted_anew(tmp_path, left):
    ramp = np.broadcast_to(np.arange(40, dtype="float64"), (80, 40))
    place = Affine(0.5, 0, left, 0, -0.5, 45)
    path = write_geotiff(tmp_path / "ramp.tif", ramp[np.newaxis].copy(), transform=place, crs="EPSG:4326")
    field = ReprojectingRasterField(path, "EPSG:3832", 20_000, resampling="bilinear")
    lon, lat = longitudes(field.domain, left)
    expected = (lon - left) * 2 - 0.5
    sure = (expected > 0) & (expected < 39) & (lat < 44.5) & (lat > 5.5)
    found = field.select(Window(0, 0, field.domain.width, field.domain.height))[0]
    np.testing.assert_allclose(found[sure], expected[sure], atol=2e-3)
