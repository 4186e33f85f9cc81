from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.accumulators.int64 import Offsets, difference, halfway, is_wide, join, split

WIDE = ("int64", "uint64")


def integers(dtype):
    limits = np.iinfo(dtype)
    ends = st.sampled_from([limits.min, limits.min + 1, limits.max - 1, limits.max])
    return ends | st.integers(int(limits.min), int(limits.max))


@pytest.mark.parametrize("dtype", WIDE)
@given(data=st.data())
def test_halves_make_the_whole(dtype, data):
    value = data.draw(integers(dtype))
    high, low = split(np.array([value], dtype))
    assert int(high[0]) * 2**32 + int(low[0]) == value
    assert 0 <= low[0] < 2**32
    assert join(high, low, np.dtype(dtype))[0] == value


@pytest.mark.parametrize("dtype", WIDE)
@given(high=st.integers(-(2**62), 2**62), low=st.integers(-(2**63), 2**63 - 1))
def test_what_does_not_fit_is_at_the_limit(dtype, high, low):
    limits = np.iinfo(dtype)
    got = join(np.array([high]), np.array([low]), np.dtype(dtype))[0]
    assert int(got) == min(max(high * 2**32 + low, int(limits.min)), int(limits.max))


@pytest.mark.parametrize("dtype", WIDE)
@given(data=st.data())
def test_differences_are_rounded_once(dtype, data):
    a, b = data.draw(integers(dtype)), data.draw(integers(dtype))
    got = difference(np.array([a], dtype), np.array([b], dtype))
    assert got.dtype == np.float64
    assert got[0] == float(a - b)


@pytest.mark.parametrize("dtype", WIDE)
@given(data=st.data())
def test_halfway_between_64_bit_integers(dtype, data):
    low, high = sorted(data.draw(st.tuples(integers(dtype), integers(dtype))))
    values, base = halfway(np.array([low], dtype), np.array([high], dtype), np.dtype(np.float32))
    assert base.dtype == dtype
    assert int(base[0]) + Fraction(float(values[0])) == Fraction(low + high, 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(data=st.data())
def test_halfway_between_floats(dtype, data):
    width = 32 if dtype == "float32" else 64
    low, high = sorted(data.draw(st.tuples(*[st.floats(allow_nan=False, width=width)] * 2)))
    got, base = halfway(np.array([low], dtype), np.array([high], dtype), np.dtype(np.float32))
    assert base is None
    assert got.dtype == dtype
    if np.isinf(low) or np.isinf(high):
        np.testing.assert_equal(float(got[0]), (low + high) if low != high else low)
    else:
        exact = (Fraction(low) + Fraction(high)) / 2
        for end in (-np.inf, np.inf):  # none of its neighbours is nearer
            with np.errstate(over="ignore", under="ignore"):
                other = float(np.nextafter(got[0], got.dtype.type(end)))
            assert np.isinf(other) or abs(Fraction(float(got[0])) - exact) <= abs(Fraction(other) - exact)
        assert not (got[0] == 0 and np.signbit(got[0]))


@pytest.mark.parametrize(("dtype", "exact"), [("float16", "float32"), ("float32", "float64")])
def test_halfway_between_floats_is_as_exact_as_the_result(dtype, exact):
    low = np.array([-65500, 1, 1, -0.0], dtype)
    high = np.nextafter(low, np.array(9, dtype))
    got, base = halfway(low, high, np.dtype(exact))
    assert (base, got.dtype) == (None, exact)
    assert got.tolist() == [(a + b) / 2 for a, b in zip(low.tolist(), high.tolist(), strict=True)]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int32", "uint32"])
def test_halfway_between_smaller_integers_is_exact(dtype):
    low, high = (0, 1) if dtype == "bool" else (int(np.iinfo(dtype).max) - 1, int(np.iinfo(dtype).max))
    values, base = halfway(np.array([low], dtype), np.array([high], dtype), np.dtype(np.float32))
    assert base is None
    assert values[0] == (low + high) / 2


def test_offsets_start_at_the_first_value_that_counts():
    whole = (slice(0, 1), slice(0, 3))
    offsets = Offsets.zero((1, 1, 3), np.dtype("int64"))
    big = 2**62
    first = offsets.of(whole, np.array([[[big, big + 5, 7]]]), np.array([[[True, False, True]]]))
    np.testing.assert_array_equal(first, [[[0, 0, 0]]])
    second = offsets.of(whole, np.array([[[big + 1, big, 9]]]), None)
    np.testing.assert_array_equal(second, [[[1, 0, 2]]])
    np.testing.assert_array_equal(offsets.base, [[[big, big, 7]]])
    other = Offsets.zero((1, 1, 3), np.dtype("int64"))
    other.of((slice(0, 1), slice(0, 2)), np.array([[[big + 3, big + 4]]]), None)
    np.testing.assert_array_equal(offsets.join(other), [[[3, 4, 0]]])
    fresh = Offsets.zero((1, 1, 3), np.dtype("int64"))
    np.testing.assert_array_equal(fresh.join(offsets), [[[0, 0, 0]]])
    np.testing.assert_array_equal(fresh.base, offsets.base)


def test_which_integers_float64_does_not_hold():
    assert [
        name for name in ("int64", "uint64", "int32", "uint32", "float64", "bool") if is_wide(np.dtype(name))
    ] == [
        "int64",
        "uint64",
    ]


def test_halfway_between_the_infinities_is_nothing_and_warns_of_nothing():
    got, _ = halfway(*np.array([[-np.inf], [np.inf]], "float32"), np.dtype("float64"))
    assert np.isnan(got[0])
