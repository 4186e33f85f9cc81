from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geopatcher.accumulators.casting import default_nodata, fits, to_dtype
from geopatcher.accumulators.finished import Finished

INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
FLOATS = ("float16", "float32", "float64")


def near_limits(dtype):
    """Floats around the ends of integer ranges and around halves, where rounding goes wrong."""
    dtype = np.dtype(dtype)
    ends = [limit for name in INTEGERS for limit in (np.iinfo(name).min, np.iinfo(name).max)]
    with np.errstate(over="ignore"):
        near = np.array([float(end) for end in ends]).astype(dtype)
        steps = [near, np.nextafter(near, dtype.type(np.inf)), np.nextafter(near, dtype.type(-np.inf))]
    values = np.concatenate([*steps, np.arange(-300, 300, dtype=dtype) / 2, near + dtype.type(0.5)])
    return values[~np.isnan(values)]


def as_integer(value, dtype, fill):
    """The rule in Python's own numbers: half to even, at most the limits, NaN is missing."""
    limits = np.iinfo(dtype)
    if isinstance(value, float):
        if math.isnan(value):
            return fill
        if math.isinf(value):
            return int(limits.max if value > 0 else limits.min)
    return min(max(round(Fraction(value)), int(limits.min)), int(limits.max))


@pytest.mark.parametrize("source", FLOATS)
@pytest.mark.parametrize("dtype", INTEGERS)
class TestFloatsToIntegers:
    def test_at_the_ends_of_every_range(self, source, dtype):
        values = near_limits(source)
        expected = [as_integer(value.item(), dtype, 0) for value in values]
        got = to_dtype(Finished(values.reshape(1, 1, -1).copy(), None), np.dtype(dtype), 0)
        assert got.dtype == dtype
        assert got[0, 0].tolist() == expected

    @how(max_examples=10)
    @given(data=st.data())
    def test_anywhere(self, source, dtype, data):
        # Of 16 bits few random numbers are representable, so that these are rounded from 32.
        wide = np.promote_types(source, "float32")
        with np.errstate(over="ignore"):
            values = data.draw(hnp.arrays(wide, (2, 3, 2))).astype(source)
        covered = data.draw(hnp.arrays(bool, (3, 2)))
        fill = int(np.iinfo(dtype).max)
        expected = [
            as_integer(value.item(), dtype, fill) if known else fill
            for value, known in zip(values.flat, np.broadcast_to(covered, values.shape).flat, strict=True)
        ]
        got = to_dtype(Finished(values.copy(), covered), np.dtype(dtype), fill)
        assert [int(one) for one in got.flat] == expected


@pytest.mark.parametrize("source", INTEGERS)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_to_integers_saturate(source, dtype):
    limits = np.iinfo(source)
    values = np.array([limits.min, limits.min + 1, limits.max // 2, limits.max - 1, limits.max, 0, 1], source)
    expected = [as_integer(value.item(), dtype, 0) for value in values]
    got = to_dtype(Finished(values.reshape(1, 1, -1).copy(), None), np.dtype(dtype), 0)
    assert got.dtype == dtype
    assert got[0, 0].tolist() == expected


@pytest.mark.parametrize("source", ["int64", "uint64"])
@pytest.mark.parametrize("dtype", INTEGERS)
@how(max_examples=40)
@given(data=st.data())
def test_an_integer_and_a_fraction_are_rounded_together(source, dtype, data):
    limits = np.iinfo(source)
    base = data.draw(
        st.integers(int(limits.min), int(limits.max)) | st.sampled_from([limits.min, limits.max, 0])
    )
    offset = data.draw(
        st.sampled_from([0.0, 0.5, 1.5, -0.5, -1.5, 2.0**63, -(2.0**64), 0.49999999999999994])
        | st.floats(-(2.0**64), 2.0**64)
    )
    finished = Finished(np.full((1, 1, 1), offset), None, np.full((1, 1, 1), base, source))
    got = to_dtype(finished, np.dtype(dtype), 0)[0, 0, 0]
    whole = min(max(round(base + Fraction(offset)), int(limits.min)), int(limits.max))
    if np.dtype(dtype).itemsize == 8:
        whole = round(base + Fraction(offset))
    assert int(got) == as_integer(whole, dtype, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_integer_and_a_fraction_as_a_float(dtype):
    finished = Finished(np.full((1, 1, 1), 0.25), np.array([[True]]), np.full((1, 1, 1), 2**40, "int64"))
    assert to_dtype(finished, np.dtype(dtype), np.nan)[0, 0, 0] == np.dtype(dtype).type(2**40 + 0.25)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@given(values=hnp.arrays("float64", (1, 2, 3)))
def test_floats_round_as_ieee_754_does(dtype, values):
    with np.errstate(over="ignore"):
        expected = values.astype(dtype)
    got = to_dtype(Finished(values, None), np.dtype(dtype), np.nan)
    np.testing.assert_array_equal(got, expected)


def test_the_same_dtype_keeps_every_bit():
    values = np.array([[[0.1, -0.0, np.inf, 5e-324]]])
    assert to_dtype(Finished(values.copy(), None), np.dtype("float64"), np.nan).tobytes() == values.tobytes()


def test_cells_without_data_hold_the_fill():
    values = np.ones((2, 1, 2))
    covered = np.array([[True, False]])
    for dtype, fill in (("float32", -9999.0), ("uint8", 255), ("int64", -(2**53))):
        got = to_dtype(Finished(values.copy(), covered), np.dtype(dtype), fill)
        np.testing.assert_array_equal(got, [[[1, fill]], [[1, fill]]])
    each = np.array([[[True, False]], [[False, True]]])
    got = to_dtype(Finished(values.copy(), each), np.dtype("int16"), -1)
    np.testing.assert_array_equal(got, [[[1, -1]], [[-1, 1]]])


def test_booleans():
    values = np.array([[[True, False]]])
    np.testing.assert_array_equal(to_dtype(Finished(values, None), np.dtype("uint8"), 0), [[[1, 0]]])


@pytest.mark.parametrize(
    ("dtype", "nodata", "expected"),
    [
        ("uint8", 255, 255),
        ("uint8", 256, None),
        ("uint8", -1, None),
        ("uint8", 0.5, None),
        ("uint8", np.nan, None),
        ("uint8", np.inf, None),
        ("int16", -9999.0, -9999),
        ("uint64", 2**64 - 1, 2**64 - 1),
        ("int64", 2**63, None),
        ("bool", 1, None),
        ("float32", -9999, -9999.0),
        ("float32", 0.1, float(np.float32(0.1))),
        ("float32", 1e300, np.nan),
        ("float64", 1e300, 1e300),
        ("float32", np.inf, np.inf),
        ("uint8", None, None),
        ("float32", None, np.nan),
    ],
)
def test_nodata_that_fits(dtype, nodata, expected):
    got = default_nodata(np.dtype(dtype), nodata)
    np.testing.assert_equal(got, expected)
    assert type(got) is type(expected)
    if nodata is not None:
        known = expected is not None and (np.isnan(nodata) or not np.isnan(expected))
        assert fits(np.dtype(dtype), nodata) == known
