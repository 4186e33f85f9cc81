"""Arrays as sources of pixels."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.fields.array_source import ArraySource, exact_nodata
from geopatcher.fields.origin import NamedOrigin


@pytest.mark.parametrize("shape", [(20, 30), (1, 20, 30), (3, 20, 30)])
def test_windows_have_bands_in_front(shape):
    image = np.random.default_rng(0).random(shape)
    source = ArraySource.of(image)
    box = Box(3, 9, 10, 21)
    pixels = source.read(box)
    assert pixels.shape == (1 if len(shape) == 2 else shape[0], 6, 11)
    np.testing.assert_array_equal(pixels.reshape(*shape[:-2], 6, 11), image[..., 3:9, 10:21])
    assert source.shape == source.domain.shape == shape
    assert source.valid(box, pixels) is None
    assert source.block_shape == (1, 30)
    assert not source.has_nodata


def test_nodata_of_floats_is_nan_and_of_integers_told_apart():
    image = np.array([[1, 2, 7], [7, 5, 6]])
    box = Box(0, 2, 0, 3)
    floats = ArraySource.of(image.astype("float32"), nodata=7)
    pixels = floats.read(box)
    assert np.isnan(pixels[0]).tolist() == (image == 7).tolist()
    assert floats.valid(box, pixels) is None
    integers = ArraySource.of(image.astype("uint8"), nodata=7.0)
    pixels = integers.read(box)
    np.testing.assert_array_equal(pixels[0], image)
    assert integers.valid(box, pixels)[0].tolist() == (image != 7).tolist()
    assert floats.has_nodata
    assert integers.has_nodata


def test_reading_leaves_the_array_alone():
    image = np.full((1, 4, 4), 7.0)
    ArraySource.of(image, nodata=7).read(Box(0, 4, 0, 4))
    assert (image == 7).all()


@pytest.mark.parametrize(
    ("nodata", "dtype", "wanted"),
    [
        (None, "uint8", None),
        (255.0, "uint8", 255),
        (256, "uint8", None),
        (-9999.0, "uint8", None),
        (0.5, "int16", None),
        (float("nan"), "int16", None),
        (float("inf"), "int32", None),
        (2**60, "int64", 2**60),
        (-9999.0, "float32", -9999.0),
        (1, "bool", 1),
    ],
)
def test_a_value_no_cell_can_have_is_no_nodata(nodata, dtype, wanted):
    got = exact_nodata(nodata, np.dtype(dtype))
    assert got == wanted
    assert type(got) is type(wanted)


def test_large_integers_are_not_confused_with_their_neighbours():
    image = np.array([[2**60 - 1, 2**60, 2**60 + 1]])
    source = ArraySource.of(image, nodata=2**60)
    box = Box(0, 1, 0, 3)
    assert source.valid(box, source.read(box)).tolist() == [[[True, False, True]]]


def test_nodata_that_cannot_be_leaves_every_cell_valid():
    source = ArraySource.of(np.zeros((2, 2), "uint8"), nodata=-9999)
    assert not source.has_nodata
    assert source.valid(Box(0, 2, 0, 2), source.read(Box(0, 2, 0, 2))) is None


def test_bytes_in_the_other_order_are_turned():
    source = ArraySource.of(np.arange(6, dtype=">i4").reshape(2, 3))
    assert source.domain.dtype == np.dtype("=i4")
    pixels = source.read(Box(0, 2, 0, 3))
    assert pixels.dtype.isnative
    assert pixels.tolist() == [[[0, 1, 2], [3, 4, 5]]]


@pytest.mark.parametrize("array", [np.full((2, 2), "x"), np.full((2, 2), None), np.zeros((2, 2), "M8[s]")])
def test_only_numbers_make_a_raster(array):
    with pytest.raises(TypeError, match=r"a raster holds numbers, not .* convert the array with .astype"):
        ArraySource.of(array)


@given(st.integers(0, 199), st.integers(1, 255))
def test_arrays_that_differ_anywhere_are_told_apart(place, change):
    image = np.arange(200, dtype="uint8").reshape(10, 20)
    other = image.copy()
    other.flat[place] ^= change
    assert ArraySource.of(image).identity() == ArraySource.of(image.copy()).identity()
    assert ArraySource.of(image).identity() != ArraySource.of(other).identity()


@pytest.mark.parametrize("place", [0, 5_000_001, 11_999_999])
def test_so_are_large_ones_however_they_lie_in_memory(place):
    image = np.zeros((3, 2000, 2000), "uint8")
    one = ArraySource.of(image).identity()
    assert one == ArraySource.of(np.asfortranarray(image)).identity()
    assert one == ArraySource.of(np.moveaxis(np.zeros((2000, 2000, 3), "uint8"), 2, 0)).identity()
    image.flat[place] = 1
    assert one != ArraySource.of(image).identity()


def test_masks_dtypes_and_shapes_tell_arrays_apart():
    image = np.zeros((4, 6), "int16")
    some = [
        image,
        np.ma.array(image, mask=False),
        np.ma.array(image, mask=image == 0),
        image.astype("int8"),
        image.astype(">i2"),
        image.reshape(6, 4),
        image[np.newaxis],
    ]
    assert len({str(ArraySource.of(array).identity()) for array in some}) == len(some)


def test_no_array_is_copied_to_be_told(tmp_path):
    cells = np.memmap(tmp_path / "cells", "uint8", "w+", shape=(4, 4000, 8000))
    tracemalloc.start()
    ArraySource.of(cells).identity()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < cells.nbytes / 2


def test_what_identifies_an_array_may_be_given():
    domain = RasterDomain((2, 2), dtype=np.dtype("uint8"))
    origin = NamedOrigin({"array": "x"})
    source = ArraySource(np.zeros((2, 2), "uint8"), domain, label="mine", origin=origin, block=(2, 1))
    assert source.identity() == {"shape": "(2, 2)", "dtype": "uint8", "array": "x"}
    assert (source.name, source.block_shape) == ("mine", (2, 1))
    assert source.version() == ArraySource.of(np.zeros((2, 2))).version() == ""


def test_a_source_pickles():
    source = ArraySource.of(np.arange(4).reshape(2, 2), nodata=3)
    copy = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own bytes
    assert copy.domain == source.domain
    np.testing.assert_array_equal(copy.read(Box(0, 2, 0, 2)), source.read(Box(0, 2, 0, 2)))
