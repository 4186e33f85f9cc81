"""A raster as a field: what `select` gives, and where the engine reads."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from geopatcher import Box, RasterField
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.raster import ReaderSource, crs_text
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.protocols import Field, SourceField

georeader = pytest.importorskip("georeader")
# georeader multiplies affines by points
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

TRANSFORM = Affine(10, 0, 5e5, 0, -10, 4.6e6)
IMAGE = np.random.default_rng(0).integers(1, 99, (3, 40, 50)).astype("int16")


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "height": 40, "width": 50, "count": 3, "dtype": "int16", "nodata": 7}
    with rasterio.open(place, "w", crs="EPSG:32633", transform=TRANSFORM, **profile) as dataset:
        dataset.write(IMAGE)
        dataset.build_overviews([2])
    return str(place)


def reader_of(path, **options):
    from georeader.rasterio_reader import RasterioReader

    return RasterioReader(path, **options)


def tensor(values=IMAGE, **options):
    from georeader.geotensor import GeoTensor

    return GeoTensor(values, TRANSFORM, "EPSG:32633", **options)


def test_a_path_becomes_a_source_and_selects_arrays(path):
    field = RasterField(path)
    assert isinstance(field.reader, RasterioSource)
    assert not field.gives_windows
    got = field.select(Window(5, 6, 7, 8))
    np.testing.assert_array_equal(got, IMAGE[:, 6:14, 5:12])
    assert isinstance(field, Field)
    assert isinstance(field, SourceField)


def test_a_reader_stays_itself_and_lazy_and_is_read_through_its_file(path):
    reader = reader_of(path)
    field = RasterField(reader)
    assert field.reader is reader
    assert field.gives_windows
    part = field.select(Window(5, 6, 7, 8))
    assert type(part) is type(reader)
    assert part.transform.c == 5e5 + 50
    assert part.transform.f == 4.6e6 - 60
    assert isinstance(field.source, RasterioSource)
    assert field.domain.nodata == 7
    assert field.domain.transform == TRANSFORM


def test_the_window_and_the_bands_of_a_reader_count(path):
    reader = reader_of(path, window_focus=Window(10, 20, 30, 15), indexes=[3, 1])
    field = RasterField(reader)
    assert field.domain.shape == (2, 15, 30)
    pixels = field.source.read(Box(0, 15, 0, 30))
    np.testing.assert_array_equal(pixels, IMAGE[[2, 0], 20:35, 10:40])
    assert field.domain.transform == Affine(10, 0, 5e5 + 100, 0, -10, 4.6e6 - 200)


def test_readers_that_are_not_simply_their_file_are_asked_themselves(path):
    outside = reader_of(path).read_from_window(Window(40, 30, 20, 20), boundless=True)
    field = RasterField(outside)
    assert isinstance(field.source, ReaderSource)
    got = field.source.read(Box(0, 20, 0, 20))
    np.testing.assert_array_equal(got[:, :10, :10], IMAGE[:, 30:, 40:])
    assert field.domain.shape == (3, 20, 20)
    small = RasterField(reader_of(path, overview_level=0))
    assert isinstance(small.source, ReaderSource)
    assert small.domain.shape == (3, 20, 25)


def test_a_stack_in_time_is_refused(path):
    with pytest.raises(
        ValueError, match=r"stacks 2 files; a field is one raster: make a reader of each path"
    ):
        RasterField(reader_of([path, path]))


@pytest.mark.parametrize("shape", [(3, 40, 50), (40, 50)])
def test_a_tensor_gives_tensors_with_their_place(shape):
    values = IMAGE if len(shape) == 3 else IMAGE[0]
    field = RasterField(tensor(values))
    part = field.select(Window(5, 6, 7, 8))
    assert type(part) is type(field.reader)
    assert part.transform == Affine(10, 0, 5e5 + 50, 0, -10, 4.6e6 - 60)
    assert field.domain.shape == shape
    np.testing.assert_array_equal(
        field.source.read(Box(6, 14, 5, 12))[0], values.reshape(-1, 40, 50)[0, 6:14, 5:12]
    )
    assert field.domain.crs == "EPSG:32633"


@pytest.mark.parametrize(("fill", "nodata"), [(0, None), (None, None), (-1, -1)])
def test_a_fill_value_of_zero_says_nothing_of_the_data(fill, nodata):
    field = RasterField(tensor(fill_value_default=fill))
    assert field.domain.nodata == nodata
    assert field.source.has_nodata == (nodata is not None)


def test_gaps_of_a_reader_source():
    field = RasterField(tensor(fill_value_default=7))
    box = Box(0, 40, 0, 50)
    pixels = field.source.read(box)
    np.testing.assert_array_equal(field.source.valid(box, pixels), pixels != 7)
    floats = RasterField(tensor(IMAGE.astype("float32"), fill_value_default=7)).source
    assert np.isnan(floats.read(box)).sum() == (IMAGE == 7).sum()
    assert set(field.source.identity()) == {"shape", "dtype", "sample"}
    assert field.source.name == "GeoTensor int16 (3, 40, 50)"
    assert field.source.block_shape == (1, 50)


def test_pixels_are_dressed_as_what_select_gives():
    pixels = np.ones((3, 4, 4), "int16")
    box = Box(-2, 2, 48, 52)
    dressed = RasterField(tensor()).dress(pixels, box)
    assert type(dressed) is type(tensor())
    assert dressed.transform == Affine(10, 0, 5e5 + 480, 0, -10, 4.6e6 + 20)
    assert type(RasterField.from_array(IMAGE).dress(pixels, box)) is np.ndarray
    assert RasterField.from_array(IMAGE[0]).dress(pixels[:1], box).shape == (4, 4)


def test_an_array_may_say_where_it_lies():
    field = RasterField.from_array(
        IMAGE, transform=TRANSFORM, crs="EPSG:32633", nodata=7, band_names=("a", "b", "c")
    )
    assert field.domain.transform == TRANSFORM
    assert (field.domain.crs, field.domain.nodata, field.domain.band_names) == (
        "EPSG:32633",
        7,
        ("a", "b", "c"),
    )
    plain = RasterField.from_array(IMAGE[0])
    assert plain.domain.transform == Affine.identity()
    assert plain.select(Window(1, 2, 3, 4)).shape == (4, 3)


@pytest.mark.parametrize("shape", [(40, 50), (5, 40, 50)])
def test_other_data_on_the_same_grid(shape):
    field = RasterField.from_array(IMAGE, transform=TRANSFORM, nodata=7)
    other = field.with_data(np.ones(shape, "float32"))
    assert other.domain.shape == shape
    assert other.domain.transform == TRANSFORM
    assert other.domain.dtype == np.float32
    with pytest.raises(ValueError, match=r"an array of \(9, 9\) does not lie on the grid of \(40, 50\)"):
        field.with_data(np.ones((9, 9)))


def test_a_crs_is_kept_as_text():
    assert crs_text(None) is None
    assert crs_text("EPSG:4326") == "EPSG:4326"
    assert crs_text(rasterio.CRS.from_epsg(4326)).startswith('GEOGCS["WGS 84"')
    assert RasterField.from_array(IMAGE, crs=rasterio.CRS.from_epsg(4326)).domain.crs.startswith("GEOGCS")


@pytest.mark.parametrize("crs", ["EPSG:999999", "somewhere"])
def test_a_crs_nobody_knows_is_refused(crs):
    with pytest.raises(ValueError, match=f"the CRS '{crs}' is not understood"):
        RasterField.from_array(IMAGE, crs=crs)


def test_a_source_may_be_given_itself():
    source = ArraySource.of(IMAGE)
    assert RasterField(source).source is source
