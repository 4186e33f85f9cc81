import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio.windows import Window

from geopatcher import RasterDomain, RasterField
from geopatcher.core.box import Box
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.boundless import fill_of, filled, read_boundless

EDGES = st.integers(-9, 14)


@given(EDGES, st.integers(1, 12), EDGES, st.integers(1, 12), st.sampled_from(["float32", "uint8"]))
def test_windows_over_the_edge_are_padded(row, height, col, width, dtype):
    array = np.arange(1, 2 * 6 * 7 + 1).reshape(2, 6, 7).astype(dtype)
    source = ArraySource(array, RasterDomain((2, 6, 7), nodata=None, dtype=np.dtype(dtype)))
    padded = np.full((2, 40, 40), np.nan if dtype == "float32" else 0, dtype)
    padded[:, 10:16, 10:17] = array
    expected = padded[:, row + 10 : row + 10 + height, col + 10 : col + 10 + width]
    given_back = read_boundless(source, Box(row, row + height, col, col + width))
    assert np.array_equal(given_back, expected, equal_nan=dtype == "float32")
    assert np.array_equal(
        RasterField(source).select(Window(col, row, width, height)), expected, equal_nan=dtype == "float32"
    )


@pytest.mark.parametrize(
    ("dtype", "nodata", "fill"),
    [("uint8", 255, 255), ("uint8", None, 0), ("uint8", -9999, 0), ("bool", None, 0)],
)
def test_integers_are_filled_with_nodata(dtype, nodata, fill):
    assert fill_of(RasterDomain((2, 2), nodata=nodata, dtype=np.dtype(dtype))) == fill


def test_floats_are_filled_with_nan():
    assert np.isnan(fill_of(RasterDomain((2, 2), nodata=0.0)))
    assert np.isnan(filled(RasterDomain((2, 2)), Box(5, 7, 5, 6), None, Box(5, 5, 5, 5))).all()


def test_inside_nothing_is_copied():
    array = np.zeros((4, 4))
    field = RasterField.from_array(array)
    assert np.shares_memory(field.select(Window(0, 0, 2, 2)), array)
