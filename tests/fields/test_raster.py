"""A raster as a field: what `select` gives, and where the engine reads."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from rasterio.windows import Window

from geopatcher import Box, RasterField, reconstruct
from geopatcher.core.protocols import Field, SourceField
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.rasterio_source import RasterioSource
from readers import IMAGE, TRANSFORM, path, reader_of, tensor

__all__ = ["path"]  # a fixture

georeader = pytest.importorskip("georeader")
# georeader multiplies affines by points
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


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


@pytest.mark.parametrize("crs", ["EPSG:999999", "somewhere"])
def test_a_crs_nobody_knows_is_refused(crs):
    with pytest.raises(ValueError, match=f"the CRS '{crs}' is not understood: .*; give one that is, such as"):
        RasterField.from_array(IMAGE, crs=crs)


def test_a_source_may_be_given_itself():
    source = ArraySource.of(IMAGE)
    assert RasterField(source).source is source


def test_a_store_is_opened_by_its_path_as_a_file_is(tmp_path):
    reconstruct(IMAGE, np.copy, tmp_path / "x.zarr", size=32)
    pixels = RasterField(tmp_path / "x.zarr").source.read(Box(0, 40, 0, 50))
    np.testing.assert_array_equal(pixels, IMAGE)
