"""Reading at any scale, against slices of the whole array."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.enums import Resampling

from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.inspect.levels import (
    ArrayRaster,
    FileRaster,
    SourceRaster,
    as_float,
    decoded_bytes,
    nearest_level,
    plain,
    raster_of,
    thinned,
)


@given(start=st.integers(0, 50), length=st.integers(1, 90), step=st.integers(1, 40))
def test_thinned_takes_one_cell_of_each_step(start, length, step):
    cells = list(range(200))[thinned(start, start + length, step)]
    pieces = [range(low, min(low + step, start + length)) for low in range(start, start + length, step)]
    assert len(cells) == len(pieces)
    assert all(cell in piece for cell, piece in zip(cells, pieces, strict=True))
    assert all(after - before == step for before, after in itertools.pairwise(cells))


def image(dtype="float32", bands=2, side=70):
    return (np.arange(bands * side * side).reshape(bands, side, side) % 251).astype(dtype)


@pytest.fixture
def tif(tmp_path):
    path = tmp_path / "x.tif"
    profile = {"driver": "GTiff", "height": 70, "width": 70, "count": 2, "dtype": "uint8", "nodata": 3}
    with rasterio.open(
        path, "w", crs="EPSG:32619", transform=rasterio.Affine(1, 0, 0, 0, -1, 0), **profile
    ) as out:
        out.write(image("uint8"))
    return path


def test_an_array_is_read_as_float_with_gaps():
    raster = raster_of(ArraySource.of(image("int16"), nodata=7))
    cells = raster.read(Box(0, 4, 3, 12), [1])
    whole = image("int16")[1, 0:4, 3:12]
    expected = np.where(whole == 7, np.nan, whole)
    assert isinstance(raster, ArrayRaster)
    assert cells.dtype == np.float32
    assert np.array_equal(cells[0], expected, equal_nan=True)


def test_a_flat_array_has_one_band():
    raster = raster_of(ArraySource.of(image()[0]))
    assert raster.read(Box(0, 70, 0, 70), [0], 10).shape == (1, 7, 7)


def test_smaller_copies_are_read_where_they_suffice():
    array = image(side=64)
    seen = []

    class Copy:
        dtype = array.dtype

        def __init__(self, factor):
            self.factor = factor
            self.shape = array[:, ::factor, ::factor].shape

        def __getitem__(self, index):
            seen.append(self.factor)
            return array[:, :: self.factor, :: self.factor][index]

    raster = ArrayRaster(Copy(1), ArraySource.of(array).domain, (16, 16), {2: Copy(2), 8: Copy(8)})
    assert raster.levels == (2, 8)
    for step, factor in ((1, 1), (2, 2), (4, 2), (8, 8), (16, 8)):
        seen.clear()
        shape = raster.read(Box(0, 64, 0, 64), [0], step).shape
        assert (shape, set(seen)) == ((1, 64 // step, 64 // step), {factor})
    assert decoded_bytes(raster, Box(0, 64, 0, 64), 1, 8) == 8 * 8 * 4


@pytest.mark.parametrize(("step", "level"), [(1, 1), (2, 2), (3, 2), (4, 4), (100, 8)])
def test_the_nearest_level_is_never_coarser_than_asked(step, level):
    assert nearest_level((2, 4, 8), step) == level


def test_a_file_gives_the_same_as_an_array(tif):
    raster = raster_of(RasterioSource(str(tif)))
    whole = np.where(image("uint8") == 3, np.nan, image("uint8"))
    assert isinstance(raster, FileRaster)
    assert np.array_equal(raster.read(Box(5, 30, 6, 70), [1, 0]), whole[[1, 0], 5:30, 6:70], equal_nan=True)
    thin = raster.read(Box(0, 70, 0, 70), [0], 10)[0]
    assert thin.shape == (7, 7)
    assert set(thin[np.isfinite(thin)]) <= set(whole[0][np.isfinite(whole[0])])


def test_bands_of_a_file_may_differ_in_their_dtypes(tmp_path, tif):
    band = '<VRTRasterBand dataType="{}" band="{}"><NoDataValue>{}</NoDataValue><SimpleSource>'
    band += "<SourceFilename>{}</SourceFilename><SourceBand>{}</SourceBand></SimpleSource></VRTRasterBand>"
    bands = band.format("Byte", 1, 5, tif, 1) + band.format("Float32", 2, 7, tif, 2)
    mixed = tmp_path / "mixed.vrt"
    mixed.write_text(f'<VRTDataset rasterXSize="70" rasterYSize="70">{bands}</VRTDataset>')
    raster = raster_of(RasterioSource(str(mixed)))
    cells = image("uint8")
    expected = [np.where(cells[0] == 5, np.nan, cells[0]), np.where(cells[1] == 7, np.nan, cells[1])]
    np.testing.assert_array_equal(raster.read(Box(0, 70, 0, 70), [0, 1]), expected)
    assert raster.exact(0, 5) == [None, float(cells[1, 0, 5])]


def test_a_file_tells_its_overviews(tif):
    with rasterio.open(tif, "r+") as dataset:
        dataset.build_overviews([2, 4], Resampling.nearest)
    assert FileRaster.of(RasterioSource(str(tif))).levels == (2, 4)


def test_bands_and_a_window_of_a_file_are_counted_from_their_own_corner(tif):
    source = RasterioSource(str(tif), (2,), Box(10, 40, 20, 60))
    raster = raster_of(source)
    assert np.array_equal(raster.read(Box(0, 3, 0, 3), [0])[0], image("uint8")[1, 10:13, 20:23])
    assert raster.exact(1, 2) == [int(image("uint8")[1, 11, 22])]


def test_a_file_that_is_damaged_names_itself_and_the_window(tif):
    raster = raster_of(RasterioSource(str(tif)))
    content = tif.read_bytes()
    tif.write_bytes(content[: len(content) // 3])
    with pytest.raises(SourceError, match=r"cannot (read|open) .*x\.tif"):
        raster.read(Box(0, 70, 0, 70), [0])


class Masked:
    """A source that says by a mask what is missing."""

    def __init__(self):
        self.array = image("uint16")
        self.domain = ArraySource.of(self.array).domain
        self.block_shape, self.has_nodata, self.name = (1, 70), True, "masked"

    def read(self, box):
        return self.array[:, *box.slices()]

    def valid(self, box, pixels):
        return pixels != 5

    def identity(self):
        return {}


def test_any_other_source_is_read_and_thinned():
    raster = raster_of(Masked())
    assert isinstance(raster, SourceRaster)
    assert raster.levels == ()
    assert raster.block_shape == (1, 70)
    whole = np.where(image("uint16") == 5, np.nan, image("uint16"))
    assert np.array_equal(raster.read(Box(0, 9, 0, 9), [1]), whole[1:2, :9, :9], equal_nan=True)
    assert raster.read(Box(0, 70, 0, 70), [0], 30).shape == (1, 3, 3)
    assert raster.exact(0, 5) == [None, int(image("uint16")[1, 0, 5])]


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [
        ("uint8", "float32"),
        ("float32", "float32"),
        ("int32", "float64"),
        ("float64", "float64"),
        ("complex64", "float64"),
    ],
)
def test_cells_become_floats_that_hold_them(dtype, kept):
    cells = as_float(np.array([0, 1, 100], dtype), None)
    assert cells.tolist() == [0, 1, 100]
    assert cells.dtype in (np.dtype(kept), np.dtype("float32"))


def test_what_is_missing_is_nan():
    cells = np.array([1.0, np.inf, np.nan, -9.0, 4.0])
    missing = np.array([False, False, False, False, True])
    assert np.array_equal(as_float(cells, -9.0, missing), [1, np.nan, np.nan, np.nan, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("cell", "nodata", "expected"),
    [
        (np.uint64(2**60 + 1), None, 2**60 + 1),
        (np.float32(0.1), None, 0.1),
        (np.float64(np.inf), None, None),
        (np.int16(-1), -1, None),
        (np.bool_(True), None, 1),
        (np.complex64(3 + 4j), None, 5.0),
    ],
)
def test_single_cells_keep_their_value(cell, nodata, expected):
    assert plain(cell, nodata) == expected
    assert type(plain(cell, nodata)) is type(expected)
