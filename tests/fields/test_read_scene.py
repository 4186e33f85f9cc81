"""Rasters that are no files, on a map: each cell says where it is, and pyproj where it belongs."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.fields.read_scene import ReadScene
from geopatcher.fields.scenes import scene_on
from geotiffs import write_geotiff

ZONE33, ZONE34, DEGREES = "EPSG:32633", "EPSG:32634", "EPSG:4326"
RANDOM = np.random.default_rng(4)
PLACE = Affine(30, 0, 500_000, 0, -30, 4_500_000)


def onto(crs, source, scale=1.0):
    """Return the grid that GDAL proposes, coarser by ``scale``."""
    proposed = gp.ReprojectingRasterField(source, crs).domain
    height, width = (int(side / scale) for side in proposed.grid_shape)
    return RasterDomain((height, width), proposed.transform @ Affine.scale(scale), proposed.crs)


def exact_places(grid):
    """Return the row and column of the raster at `PLACE` on which each pixel of a map has its centre."""
    rows, cols = np.mgrid[: grid.height, : grid.width] + 0.5
    there = Transformer.from_crs(grid.crs, ZONE33, always_xy=True)
    x, y = there.transform(*(grid.transform @ (cols, rows)))
    return np.stack([(PLACE.f - y) / 30 - 0.5, (x - PLACE.c) / 30 - 0.5])


@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic", "lanczos", "average"])
@pytest.mark.parametrize(
    ("kind", "nodata"), [("float32", None), ("float64", -1), ("int16", -1), ("uint16", None)]
)
@pytest.mark.parametrize(("crs", "scale"), [(ZONE34, 1.0), (DEGREES, 1.0), (ZONE34, 2.7), (DEGREES, 0.4)])
def test_pixels_are_where_they_belong(method, kind, nodata, crs, scale):
    unit = 1 if kind.startswith("float") else 100  # of whole numbers hundredths of a pixel
    numbers = np.stack(np.mgrid[:150, :170]).astype(kind) * unit  # each cell says where it is
    array = ArraySource(numbers, RasterDomain(numbers.shape, PLACE, ZONE33, nodata, numbers.dtype))
    grid, tile = onto(crs, array, scale), (64, 80)
    scene = scene_on(array, grid, method)
    assert isinstance(scene, ReadScene)
    whole = Box.of_shape(grid.grid_shape)
    found, there = pickle.loads(pickle.dumps(scene)).read(whole, tile)  # noqa: S301 - our own bytes
    known = ~np.isnan(found) if there is None else there
    wanted = exact_places(grid)
    inside = ((wanted > 8) & (wanted < np.array([141, 161])[:, None, None])).all(axis=0)
    outside = ((wanted < -8) | (wanted > np.array([158, 178])[:, None, None])).any(axis=0)
    assert inside.mean() > 0.5
    assert known[:, inside].all()
    assert not known[:, outside].any()
    # Half a pixel for the nearest; a mean is of whole pixels. Wide kernels of GDAL are a little askew.
    within = {"nearest": 0.51, "average": 0.51}.get(method, 0.1)
    assert np.abs(found / unit - wanted)[:, inside].max() < within
    part, _ = scene.read(Box(9, 51, 3, 48), tile)
    np.testing.assert_array_equal(part, found[:, 9:51, 3:48])
    one, _ = scene.select_bands([1]).read(whole, tile)
    np.testing.assert_array_equal(one, found[[1]])


def test_integers_without_a_value_for_missing_have_a_mask(tmp_path):
    cells = RANDOM.integers(0, 200, (2, 90, 80)).astype("uint8")
    path = write_geotiff(tmp_path / "a.tif", cells, crs=ZONE33, transform=PLACE)
    array = ArraySource(cells, RasterDomain(cells.shape, PLACE, ZONE33, None, cells.dtype))
    grid = onto(ZONE34, path)
    whole, tile = Box.of_shape(grid.grid_shape), (64, 64)
    wanted, held = scene_on(RasterioSource(str(path)), grid, "nearest").read(whole, tile)
    found, there = scene_on(array, grid, "nearest").read(whole, tile)
    assert 0 < np.count_nonzero(~there) < there.size
    # A file is warped from approximate places: some pixels are on the edge between two.
    assert np.mean(there != held) < 1e-3
    assert np.mean(found[held & there] != wanted[held & there]) < 1e-2


def test_each_band_is_missing_where_its_own_mask_says():
    cells = np.full((2, 60, 60), 7, "uint8")
    mask = np.ones(cells.shape, bool)
    mask[0, :30] = mask[1, :, :30] = False
    field = gp.ReprojectingRasterField(
        gp.RasterField(
            ArraySource(cells, RasterDomain(cells.shape, PLACE, ZONE33, None, cells.dtype), mask=mask)
        ),
        None,
        60,
        "nearest",
    )
    box = Box.of_shape(field.domain.grid_shape)
    valid = field.source.valid(box, field.source.read(box))
    assert not valid[0, :15].any()
    assert valid[0, 15:].all()
    assert not valid[1, :, :15].any()
    assert valid[1, :, 15:].all()


def test_floats_are_missing_by_a_value():
    cells = np.full((1, 60, 60), 7.0, "float32")
    cells[0, :20] = -9999
    field = gp.ReprojectingRasterField(
        gp.RasterField.from_array(cells, transform=PLACE, crs=ZONE33, nodata=-9999), None, 60, "bilinear"
    )
    found = field.source.read(Box.of_shape(field.domain.grid_shape))
    assert np.isnan(found[0, :10]).all()
    assert set(np.unique(found[0, 10:])) == {7.0}


def test_no_more_is_read_than_lies_under_a_tile():
    class Watched(ArraySource):
        def read(self, box):
            seen.append(box)
            return super().read(box)

    seen = []
    cells = RANDOM.random((1, 2000, 2000))
    array = Watched(cells, RasterDomain(cells.shape, PLACE, ZONE33, None, cells.dtype))
    grid = onto(ZONE34, array)
    scene_on(array, grid, "bilinear").read(Box(600, 900, 700, 1100), (256, 256))
    assert seen
    assert all(box.n_pixels < 2 * 256 * 256 for box in seen)


def test_beyond_the_raster_nothing_is_read():
    class Unread(ArraySource):
        def read(self, box):
            raise AssertionError(box)

    for dtype, nodata in (("float32", None), ("uint8", None), ("uint8", 255)):
        cells = np.ones((2, 50, 50), dtype)
        array = Unread(cells, RasterDomain(cells.shape, PLACE, ZONE33, nodata, cells.dtype))
        # The corner of the map lies 500 pixels away.
        grid = RasterDomain((800, 800), PLACE @ Affine.translation(-500.5, -500.5), ZONE33)
        found, there = scene_on(array, grid, "nearest").read(Box(0, 100, 0, 100), (64, 64))
        assert np.isnan(found).all() if dtype == "float32" else not there.any()


def test_a_part_of_a_file_is_warped_alone(tmp_path):
    cells = np.full((1, 60, 80), 5, "uint8")
    path = write_geotiff(tmp_path / "a.tif", cells, crs=ZONE33, transform=PLACE)
    part = RasterioSource(str(path), window=Box(0, 60, 20, 40))
    grid = RasterDomain((30, 40), PLACE @ Affine.scale(2), ZONE33)
    found, there = scene_on(part, grid, "nearest").read(Box(0, 30, 10, 20), (16, 16))
    assert there.all()
    assert (found == 5).all()
    field = gp.ReprojectingRasterField(gp.RasterField(part), DEGREES, resampling="nearest")
    assert field.domain.width < gp.ReprojectingRasterField(path, DEGREES).domain.width / 2


def test_a_map_over_a_pole_and_the_date_line():
    cells = np.arange(60 * 360, dtype="float32").reshape(1, 60, 360)
    place = Affine(1, 0, -180, 0, -1, 90)
    grid = RasterDomain((90, 110), Affine(100_000, 0, -5_500_000, 0, -100_000, 4_500_000), "EPSG:3995")
    array = ArraySource(cells, RasterDomain(cells.shape, place, DEGREES, None, cells.dtype))
    found, _ = scene_on(array, grid, "nearest").read(Box.of_shape(grid.grid_shape), (64, 64))
    rows, cols = np.mgrid[:90, :110] + 0.5
    to_degrees = Transformer.from_crs("EPSG:3995", DEGREES, always_xy=True)
    lon, lat = to_degrees.transform(*(grid.transform @ (cols, rows)))
    row, col = np.floor(90 - lat).astype(int), np.floor(lon + 180).astype(int) % 360
    assert (row < 60).all()
    assert np.mean(found[0] != cells[0, row, col]) < 1e-2  # those on the edge between two


def test_readers_and_labelled_arrays_are_warped(tmp_path):
    geotensor = pytest.importorskip("georeader.geotensor")
    readers = pytest.importorskip("georeader.rasterio_reader")
    xr = pytest.importorskip("xarray")
    pytest.importorskip("rioxarray")
    cells = np.stack(np.mgrid[:64, :64]).astype("float32")
    path = write_geotiff(tmp_path / "a.tif", cells, crs=ZONE33, transform=PLACE)
    tensor = geotensor.GeoTensor(values=cells, transform=PLACE, crs=ZONE33)
    reader = readers.RasterioReader(str(path))
    y, x = PLACE.f - 30 * (np.arange(64) + 0.5), PLACE.c + 30 * (np.arange(64) + 0.5)
    labelled = xr.DataArray(cells, dims=("band", "y", "x"), coords={"y": y, "x": x}).rio.write_crs(ZONE33)
    for given in (tensor, reader, gp.RasterField(tensor), gp.RasterField(reader), labelled):
        field = gp.ReprojectingRasterField(reader=given, dst_crs=ZONE34)
        found, wanted = field.source.read(Box.of_shape(field.domain.grid_shape)), exact_places(field.domain)
        inside = ((wanted > 3) & (wanted < 60)).all(axis=0)
        assert inside.any()
        assert np.abs(found - wanted)[:, inside].max() < 0.125
