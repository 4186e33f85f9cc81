"""Where the pixels of a reader come from."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

import geopatcher as gp
from geopatcher import Box, RasterField
from geopatcher.errors import SourceError
from geopatcher.fields.reader_source import ReaderSource, crs_text, source_of
from readers import IMAGE, TRANSFORM, path, reader_of, tensor

__all__ = ["path"]  # a fixture

georeader = pytest.importorskip("georeader")
# georeader multiplies affines by points
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


def test_a_tensor_is_held_and_may_be_held_elsewhere():
    source = source_of(tensor(fill_value_default=7))
    held = source.held()
    np.testing.assert_array_equal(held.array, IMAGE)
    assert type(held.array) is np.ndarray
    elsewhere = source.holding(held)
    box = Box(3, 9, 4, 8)
    np.testing.assert_array_equal(elsewhere.read(box), source.read(box))
    assert (elsewhere.name, elsewhere.domain) == (source.name, source.domain)
    assert ReaderSource.of(Bare(IMAGE)).held() is None


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


def test_a_stack_in_time_has_two_leading_dimensions(path):
    field, one = RasterField(reader_of([path, path])), RasterField(reader_of(path)).source
    assert (field.domain.lengths, field.domain.shape) == ((2, 3), (6, 40, 50))
    box = Box(3, 20, 5, 30)
    np.testing.assert_array_equal(field.source.read(box), np.concatenate([one.read(box)] * 2))
    assert "unknown" not in field.source.identity()


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
    assert set(field.source.identity()) == {"shape", "dtype", "cells"}
    assert field.source.name == "GeoTensor int16 (3, 40, 50)"
    assert field.source.block_shape == (1, 50)


def test_a_crs_is_kept_as_text():
    assert crs_text(None) is None
    assert crs_text("EPSG:4326") == "EPSG:4326"
    assert crs_text(rasterio.CRS.from_epsg(4326)).startswith('GEOGCS["WGS 84"')
    assert RasterField.from_array(IMAGE, crs=rasterio.CRS.from_epsg(4326)).domain.crs.startswith("GEOGCS")


class Bare:
    """A reader that says where its pixels lie, and of these no more than asked for."""

    crs, transform, fill_value_default = "EPSG:32633", TRANSFORM, 0

    def __init__(self, values, **says):
        self.source, self.shape, self.reads = values, values.shape, 0
        vars(self).update(says)

    def read_from_window(self, window, boundless):
        assert boundless
        self.reads += 1
        rows, cols = window.toslices()
        return tensor(np.ascontiguousarray(self.source[..., rows, cols]))


@pytest.mark.parametrize("says", [{}, {"dtype": "int16"}, {"dtype": np.int16, "nodata": 0}, {"nodata": -1.0}])
def test_a_reader_is_planned_for_without_being_read(says):
    reader = Bare(IMAGE, **says)
    field = RasterField(reader)
    plan = gp.plan(field, size=16)
    assert gp.plan(field, size=16) == plan  # asked for as a field, too
    assert reader.reads == 0
    assert plan.domain.nodata == says.get("nodata")
    assert plan.domain.dtype == ("int16" if "dtype" in says else "float64")
    result = gp.reconstruct(reader, lambda x: x, size=16)
    assert result.array.dtype == np.int16
    np.testing.assert_array_equal(result.array, IMAGE)


class Plain:
    """A reader that says no fill value, and gives plain arrays."""

    crs, transform, shape = "EPSG:32633", TRANSFORM, IMAGE.shape

    def read_from_window(self, window, boundless):
        return IMAGE[(..., *window.toslices())]


def test_a_reader_need_not_say_a_fill_value_nor_give_tensors():
    field = RasterField(Plain())
    assert field.domain.nodata is None
    np.testing.assert_array_equal(field.select(Window(2, 3, 4, 5)), IMAGE[..., 3:8, 2:6])
    np.testing.assert_array_equal(gp.reconstruct(Plain(), lambda x: x, size=16).array, IMAGE)
    corner = field.with_data(IMAGE + 1).select(Window(0, 0, 3, 2))
    np.testing.assert_array_equal(corner, IMAGE[..., :2, :3] + 1)


def test_nodata_of_zero_is_kept_at_an_overview_level(tmp_path):
    place = tmp_path / "z.tif"
    with rasterio.open(
        place, "w", driver="GTiff", height=64, width=64, count=1, dtype="uint8", nodata=0, transform=TRANSFORM
    ) as out:
        out.write(np.repeat(np.arange(64, dtype="uint8")[np.newaxis], 64, axis=0)[np.newaxis])
        out.build_overviews([2], rasterio.enums.Resampling.nearest)
    field = RasterField(reader_of(str(place), overview_level=0))
    assert isinstance(field.source, ReaderSource)
    assert (field.domain.nodata, field.domain.dtype) == (0, np.uint8)
    box = Box(0, 32, 0, 32)
    pixels = field.source.read(box)
    np.testing.assert_array_equal(field.source.valid(box, pixels), pixels != 0)
    assert (pixels == 0).any()


def test_pixels_that_are_not_what_the_reader_says_are_refused():
    with pytest.raises(SourceError, match="Bare int8 .* gave int16 pixels .* domain says int8, which cannot"):
        gp.reconstruct(Bare(IMAGE + 200, dtype="int8"), lambda x: x, size=16)
