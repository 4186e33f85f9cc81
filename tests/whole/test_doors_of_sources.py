"""The door of sources: one of a few lines, written from its protocol alone, is as good as ours."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from affine import Affine

import geopatcher as gp
from doors import IMAGE, PLACE, SHAPE, WHOLE, Coordinates
from geopatcher.core.box import Box
from geopatcher.core.protocols import BandSelectable, Concurrent, PixelSource, Shareable
from geopatcher.fields.open import as_field
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.inspect.levels import raster_of


class PlainField:
    """A field of somebody's own class."""

    domain = Coordinates.domain

    def select(self, window):
        rows, cols = window.toslices()
        return IMAGE[:, rows, cols]

    def with_data(self, array):
        return array


def in_a_tif(folder):
    path = folder / "image.tif"
    profile = {"driver": "GTiff", "count": SHAPE[0], "height": SHAPE[1], "width": SHAPE[2], "dtype": "int32"}
    with rasterio.open(path, "w", crs="EPSG:32633", transform=PLACE, **profile) as dataset:
        dataset.write(IMAGE)
    return RasterioSource(str(path))


def in_a_zarr(folder):
    field = gp.RasterField.from_array(IMAGE, transform=PLACE, crs="EPSG:32633")
    return as_field(gp.export(field, folder / "image.zarr", chunks=32)).source


def in_xarray(folder):
    xarray = pytest.importorskip("xarray")
    rows, cols = (np.arange(n) for n in SHAPE[1:])
    coords = {"y": 4_599_995.0 - 10 * rows, "x": 500_005.0 + 10 * cols}
    return as_field(xarray.DataArray(IMAGE, dims=("band", "y", "x"), coords=coords)).source


def in_two_halves(folder):
    """Two files that lie over each other by a column of some rows, as one map; the first begins at a row."""
    paths = []
    for name, (row0, row1, col0, col1) in {
        "b": (10, 61, 40, 83),
        "a": (0, 61, 0, 41),
        "c": (0, 10, 41, 83),
    }.items():
        part = IMAGE[:, row0:row1, col0:col1]
        profile = {"driver": "GTiff", "count": SHAPE[0], "height": part.shape[1], "width": part.shape[2]}
        profile |= {
            "transform": PLACE @ Affine.translation(col0, row0),
            "crs": "EPSG:32633",
            "dtype": "int32",
        }
        paths.append(folder / f"{name}.tif")
        with rasterio.open(paths[-1], "w", **profile) as dataset:
            dataset.write(part)
    return gp.Mosaic(paths)


def in_steps(folder):
    """Rasters without bands, one behind the other."""
    fields = [gp.RasterField.from_array(band, transform=PLACE, crs="EPSG:32633") for band in IMAGE]
    return gp.Stack(fields)


SOURCES = {
    "mosaic": in_two_halves,
    "stack": in_steps,
    "coordinates": lambda folder: as_field(Coordinates()).source,
    "rasterio": in_a_tif,
    "array": lambda folder: as_field(IMAGE).source,
    "zarr": in_a_zarr,
    "xarray": in_xarray,
    "plain field": lambda folder: as_field(PlainField()).source,
}


@pytest.fixture(params=list(SOURCES))
def source(request, tmp_path):
    return SOURCES[request.param](tmp_path)


BOXES = (WHOLE, Box(0, 1, 0, 1), Box(60, 61, 82, 83), Box(13, 29, 40, 77))


def test_a_source_is_what_its_protocol_says(source):
    assert isinstance(source, PixelSource)
    assert source.domain.shape == SHAPE
    assert source.domain.dtype == np.dtype("int32")
    assert min(source.block_shape) >= 1
    assert source.name


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_a_source_reads_the_pixels_of_a_box(source, box):
    pixels = source.read(box)
    assert pixels.shape == (SHAPE[0], *box.shape)
    np.testing.assert_array_equal(pixels, IMAGE[:, *box.slices()])
    valid = source.valid(box, pixels)
    assert valid is None or (valid.shape == pixels.shape and valid.all())


def test_a_source_pickles_and_reads_the_same(source):
    again = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(again.read(WHOLE), IMAGE)
    assert again.name == source.name
    assert again.domain == source.domain


def test_a_source_is_known_by_what_it_says_of_itself(source):
    assert source.identity() == source.identity()
    assert all(isinstance(value, str | int | float) for value in source.identity().values())


def test_a_source_is_read_by_a_thread_other_than_the_one_that_made_it(source):
    with ThreadPoolExecutor(1) as pool:
        np.testing.assert_array_equal(pool.submit(source.read, WHOLE).result(), IMAGE)


def test_a_source_is_read_by_as_many_threads_at_once_as_it_says(source):
    at_once = 4 if isinstance(source, Concurrent) and source.reads_concurrently else 1
    together = threading.Barrier(at_once)

    def read(number):
        together.wait()
        return [source.read(BOXES[(number + n) % len(BOXES)]) for n in range(8)]

    with ThreadPoolExecutor(at_once) as pool:
        for number, found in enumerate(pool.map(read, range(at_once))):
            for n, pixels in enumerate(found):
                np.testing.assert_array_equal(pixels, IMAGE[:, *BOXES[(number + n) % len(BOXES)].slices()])


def test_some_bands_of_a_source_are_a_source(source):
    if not isinstance(source, BandSelectable):
        with pytest.raises(ValueError, match="bands cannot be chosen"):
            gp.export(gp.RasterField(source), "never.zarr", bands=[2])
        return
    picked = source.select_bands([1, 0])
    np.testing.assert_array_equal(picked.read(BOXES[3]), IMAGE[::-1, *BOXES[3].slices()])
    assert picked.domain.shape == SHAPE
    assert picked.domain.transform == source.domain.transform


def test_what_a_source_holds_in_memory_may_be_held_elsewhere():
    source = as_field(IMAGE).source
    assert isinstance(source, Shareable)
    other = source.holding(source.held()._replace(array=IMAGE.copy()))
    assert other.array is not IMAGE
    np.testing.assert_array_equal(other.read(WHOLE), IMAGE)
    assert (other.name, other.identity()) == (source.name, source.identity())


@pytest.mark.parametrize("step", [1, 4])
def test_a_source_is_looked_at_band_by_band_and_thinned(source, step):
    raster = raster_of(source)
    cells = raster.read(WHOLE, [1], step)
    assert cells.shape == (1, -(-61 // step), -(-83 // step))
    whole = IMAGE[1].astype("float64")
    if step == 1:
        np.testing.assert_array_equal(cells[0], whole)
    assert np.isin(cells, whole).all()
    assert raster.exact(3, 5) == IMAGE[:, 3, 5].tolist()


def test_a_source_is_reconstructed_and_exported(source, tmp_path):
    field = gp.RasterField(source)
    result = gp.reconstruct(field, np.copy, size=16, step=8, aggregation="mode", chunks=32)
    np.testing.assert_array_equal(result.array, IMAGE)
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(16), gp.SpatialRegularStride(8), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    patch = gp.IndexedPatchView(patcher, field)[3]
    row, col = patch.anchor
    np.testing.assert_array_equal(patch.data, IMAGE[:, row : row + 16, col : col + 16])
    part = gp.export(field, tmp_path / "part.tif", region=BOXES[3])
    with rasterio.open(part) as dataset:
        np.testing.assert_array_equal(dataset.read(), IMAGE[:, *BOXES[3].slices()])
