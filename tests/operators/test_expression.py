"""Expressions against NumPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopatcher
from geopatcher import Expression, OperatorError, RasterDomain, RasterField
from geopatcher.fields.array_source import ArraySource

ORACLE = {
    "(b4 - b3) / (b4 + b3)": lambda b: (b[3] - b[2]) / (b[3] + b[2]),
    "2.5 * (b4 - b3) / (b4 + 6*b3 - 7.5*b1 + 1)": lambda b: (
        2.5 * (b[3] - b[2]) / (b[3] + 6 * b[2] - 7.5 * b[0] + 1)
    ),
    "-b1 ** 2 + +b2": lambda b: -(b[0] ** 2) + b[1],
    "minimum(b1, b2) - maximum(b3, 500)": lambda b: np.minimum(b[0], b[1]) - np.maximum(b[2], 500),
    "where(b1 > 400, b2, where(b3 <= 100, 1.5, -b4))": lambda b: np.where(
        b[0] > 400, b[1], np.where(b[2] <= 100, 1.5, -b[3])
    ),
    "(b1 > 100) + (b2 > 100) + (b3 > 100)": lambda b: (b[:3] > 100).sum(axis=0),
    "(b1 > 500) * b2": lambda b: (b[0] > 500) * b[1],
    "-(b1 >= b2)": lambda b: -(b[0] >= b[1]).astype(float),
    "log10(b1 + 1) + log1p(b2) - log(b3 + 2)": lambda b: (
        np.log10(b[0] + 1) + np.log1p(b[1]) - np.log(b[2] + 2)
    ),
    "exp(-b1 / 100) + expm1(b2 / 1000)": lambda b: np.exp(-b[0] / 100) + np.expm1(b[1] / 1000),
    "sin(b1) + cos(b2) + tan(b3 / 1000)": lambda b: np.sin(b[0]) + np.cos(b[1]) + np.tan(b[2] / 1000),
    "arctan2(b1, b2 + 1) + arctan(b3)": lambda b: np.arctan2(b[0], b[1] + 1) + np.arctan(b[2]),
    "arcsin(b1 / 1000) - arccos(b2 / 1000)": lambda b: np.arcsin(b[0] / 1000) - np.arccos(b[1] / 1000),
    "sinh(b1 / 500) + cosh(b2 / 500) + tanh(b3)": lambda b: (
        np.sinh(b[0] / 500) + np.cosh(b[1] / 500) + np.tanh(b[2])
    ),
    "abs(b1 - b2) + floor(b3 / 7) + ceil(b4 / 7)": lambda b: (
        np.abs(b[0] - b[1]) + np.floor(b[2] / 7) + np.ceil(b[3] / 7)
    ),
    "(b1 > b2) == (b3 > b4)": lambda b: (b[0] > b[1]) == (b[2] > b[3]),
    "~(b1 > 200) & (b2 != b3) | (b4 == 7)": lambda b: ~(b[0] > 200) & (b[1] != b[2]) | (b[3] == 7),
}


@pytest.fixture(scope="module")
def bands():
    return np.random.default_rng(0).integers(0, 1000, (4, 37, 53)).astype("uint16")


@pytest.mark.parametrize("text", ORACLE)
@pytest.mark.parametrize("dtype", ["uint16", "float32", "int32", "float64"])
def test_values_are_numpys(bands, text, dtype):
    result = Expression(text)(bands.astype(dtype))
    with np.errstate(all="ignore"):
        expected = ORACLE[text](bands.astype("float64"))
    if Expression(text).is_condition:
        assert result.dtype == np.uint8
    else:
        assert result.dtype == ("float32" if dtype in ("uint16", "float32") else "float64")
    assert result.shape == (1, 37, 53)
    tolerance = 2e-4 if result.dtype == np.float32 else 1e-12  # sin(1000) in float32 has five digits
    np.testing.assert_allclose(result[0], expected, rtol=tolerance, atol=tolerance)


@pytest.mark.filterwarnings("error")
def test_division_by_zero_is_infinity_or_nan_and_no_warning():
    pixels = np.array([[[1, 0, 2]], [[0, 0, 1]]], dtype="uint8")
    np.testing.assert_array_equal(Expression("b1 / b2")(pixels), np.array([[[np.inf, np.nan, 2]]], "float32"))


def test_integers_do_not_wrap_and_large_ones_keep_their_digits():
    small = Expression("b1 - b2")(np.array([[[3]], [[5]]], dtype="uint8"))
    assert small.item() == -2
    large = Expression("b1 - 1")(np.array([[[16_777_217]]], dtype="uint32"))
    assert large.item() == 16_777_216
    assert large.dtype == np.float64


def test_shapes_follow_the_input(bands):
    expression = Expression("b1 + 1")
    assert expression(bands[0]).shape == (37, 53)
    batch = np.stack([bands, bands + 1])
    result = expression(batch)
    assert result.shape == (2, 1, 37, 53)
    np.testing.assert_array_equal(result[1, 0], batch[1, 0] + 1.0)


def test_among_maps_names_to_what_is_given(bands):
    whole = Expression("(b4 - b2) / (b4 + b2 + 1)")
    np.testing.assert_array_equal(whole.among((4, 2))(bands[[3, 1]]), whole(bands))
    assert whole.among((4, 2)).bands == (2, 4)
    with pytest.raises(ValueError, match=r"uses bands \(2, 4\), but is given \(1, 2\)"):
        whole.among((1, 2))


def test_a_band_that_is_not_there_is_named(bands):
    with pytest.raises(ValueError, match=r"expression 'b7 \+ b1' uses b7, but there are 4 band\(s\)"):
        Expression("b7 + b1")(bands)
    with pytest.raises(OperatorError, match=r"b7 \+ b1 failed on .*uses b7, but there are 4 band\(s\)"):
        geopatcher.reconstruct(bands, Expression("b7 + b1"), size=16)


def test_nan_in_a_used_band_stays_nan_whatever_where_says():
    pixels = np.array([[[1.0, np.nan, 3.0]], [[np.nan, 1.0, 1.0]]], dtype="float32")
    result = Expression("where(b1 > 2, 1, 0)")(pixels)
    np.testing.assert_array_equal(result, [[[0, np.nan, 1]]])


def test_it_pickles_compares_and_reads_well(bands):
    expression = Expression("b1 * 2").among((1, 3))
    again = pickle.loads(pickle.dumps(expression))  # noqa: S301 - our own bytes
    assert again == expression
    assert again != Expression("b1 * 2")
    np.testing.assert_array_equal(again(bands), expression(bands))
    assert expression.__name__ == "b1 * 2"


def test_integer_nodata_in_any_used_band_is_nodata_in_the_result():
    pixels = np.random.default_rng(1).integers(1, 200, (2, 40, 50)).astype("uint8")
    pixels[0, 3:9, 5:20] = 0
    pixels[1, 30:, 40:] = 0
    field = RasterField(ArraySource(pixels, RasterDomain(pixels.shape, nodata=0, dtype=pixels.dtype)))
    result = geopatcher.reconstruct(field, Expression("(b2 - b1) / (b2 + b1)"), size=16)
    gaps = (pixels == 0).any(axis=0)
    assert np.isnan(result.domain.nodata)
    np.testing.assert_array_equal(np.isnan(result.array[0]), gaps)
    first, second = pixels.astype("float64")
    truth = np.where(gaps, np.nan, (second - first) / np.maximum(second + first, 1))
    np.testing.assert_allclose(result.array[0], truth, rtol=1e-6, atol=1e-6)


@given(
    scale=st.floats(-1e3, 1e3, allow_subnormal=False),
    power=st.integers(0, 4),
    values=st.lists(st.integers(0, 65_535), min_size=1, max_size=20),
)
def test_numbers_in_the_text_are_the_numbers_computed_with(scale, power, values):
    pixels = np.array(values, dtype="float64").reshape(1, 1, -1)
    result = Expression(f"{scale!r} * b1 ** {power}")(pixels)
    np.testing.assert_allclose(result, scale * pixels**power, rtol=1e-12)


def test_the_band_of_a_result_is_called_by_the_arithmetic():
    image = np.random.default_rng(0).random((2, 40, 50)).astype("float32")
    result = geopatcher.reconstruct(image, Expression("b2 / b1"), size=16)
    assert result.domain.band_names == ("b2 / b1",)
    named = geopatcher.reconstruct(image, Expression("b2 / b1", called="ratio").among((1, 2)), size=16)
    assert named.domain.band_names == ("ratio",)
    one = RasterField.from_array(image[:1], band_names=("red",))
    assert geopatcher.reconstruct(one, Expression("b1 * 2"), size=16).domain.band_names == ("b1 * 2",)


@pytest.mark.parametrize(
    ("text", "given", "places", "alone"),
    [
        ("b4 - b2", None, (1, 3), (2, 4)),
        ("b4 - b2", (4, 3, 2), (0, 2), (4, 2)),
        ("b2", (2,), (0,), (2,)),
    ],
)
def test_it_says_where_its_bands_are_and_does_with_them_alone(text, given, places, alone):
    operator = Expression(text, given)
    assert operator.places == places
    assert operator.of_places().given == alone
    pixels = np.arange(4.0 * 6).reshape(4, 2, 3)[: 4 if given is None else len(given)]
    np.testing.assert_array_equal(operator.of_places()(pixels[list(places)]), operator(pixels))
