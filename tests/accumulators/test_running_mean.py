"""One step of a running mean, held against exact fractions and against itself on single cells."""

from __future__ import annotations

import itertools
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geopatcher.accumulators.running_mean import approach, differ, take_over

MEANS = [np.dtype("float32"), np.dtype("float64")]
DATA = [
    np.dtype(name) for name in ("bool", "uint8", "int16", "uint16", "int32", "float16", "float32", "float64")
]
FLOATS = [dtype for dtype in DATA if dtype.kind == "f"]
SHAPE = (2, 3, 4)


def nothing(step):
    """Leave out no cell."""


def stepped(mean, data, shares, leave_out=nothing):
    """The mean after a step; whatever NumPy would warn of is an error."""
    mean = mean.copy()
    step = np.full_like(mean, np.nan)
    with warnings.catch_warnings(), np.errstate(over="warn", invalid="warn", divide="warn"):
        warnings.simplefilter("error")
        approach(mean, data, shares, step, lambda: leave_out(step))
    return mean


def same_bits(first, second):
    """Whether two arrays are alike in every bit, but for those that tell one NaN from another."""
    missing = np.isnan(first)
    return (
        first.dtype == second.dtype
        and np.array_equal(missing, np.isnan(second))
        and first[~missing].tobytes() == second[~missing].tobytes()
    )


def cells(dtype, *, finite=False, shape=SHAPE):
    """Arrays of a dtype, many of whose cells are at the ends of its range."""
    if dtype.kind != "f":
        return hnp.arrays(dtype, shape)
    width = dtype.itemsize * 8
    info = np.finfo(dtype)
    ends = [0.0, 1.0, float(info.max), float(info.smallest_subnormal), float(info.tiny)]
    if not finite:
        ends += [np.inf, np.nan]
    plain = st.floats(width=width, allow_nan=not finite, allow_infinity=not finite)
    signed = st.sampled_from([sign * end for end in ends for sign in (1, -1)])
    return hnp.arrays(dtype, shape, elements=plain | signed)


def shares_of(dtype, shape=SHAPE[1:]):
    ends = st.sampled_from([0.0, 1.0, 0.5, float(np.finfo(dtype).smallest_subnormal)])
    return hnp.arrays(dtype, shape, elements=st.floats(0, 1, width=dtype.itemsize * 8) | ends)


@st.composite
def steps(draw, *, finite=False, data=tuple(DATA)):
    """A mean, data, and their shares, for the whole plane or per band."""
    dtype = draw(st.sampled_from(MEANS))
    shape = draw(st.sampled_from([SHAPE, SHAPE[1:]]))
    return (
        draw(cells(dtype, finite=finite)),
        draw(cells(draw(st.sampled_from(data)), finite=finite)),
        draw(shares_of(dtype, shape)),
    )


@settings(max_examples=150)
@given(steps(finite=True))
def test_a_step_between_finite_values_is_the_exact_one_rounded(given_step):
    mean, data, shares = given_step
    after = stepped(mean, data, shares)
    info = np.finfo(mean.dtype)
    largest, smallest, eps = (
        Fraction(float(value)) for value in (info.max, info.smallest_subnormal, info.eps)
    )
    for where in np.ndindex(SHAPE):
        before, value = Fraction(float(mean[where])), Fraction(float(data[where]))
        step = Fraction(float(np.broadcast_to(shares, SHAPE)[where])) * (value - before)
        wanted = max(-largest, min(before + step, largest))
        error = abs(Fraction(float(after[where])) - wanted)
        assert error <= 3 * eps * (abs(before) + abs(step)) + 2 * smallest


@settings(max_examples=100)
@given(steps(finite=True))
def test_finite_values_however_far_apart_stay_finite(given_step):
    mean, data, shares = given_step
    for _ in range(3):
        mean = stepped(mean, data, shares)
        assert np.isfinite(mean).all()
        mean = stepped(mean, -mean, shares)
        assert np.isfinite(mean).all()


@pytest.mark.parametrize("dtype", MEANS, ids=str)
def test_the_ends_of_the_range_meet_in_the_middle(dtype):
    largest = np.finfo(dtype).max
    mean = np.full((1, 1, 2), [-largest, largest], dtype)
    after = stepped(mean, -mean, np.full((1, 2), 0.5, dtype))
    np.testing.assert_array_equal(after, np.zeros((1, 1, 2)))
    quarter = stepped(mean, -mean, np.full((1, 2), 0.25, dtype))
    np.testing.assert_allclose(quarter, mean / 2, rtol=1e-6)


def test_values_beyond_the_range_of_the_mean_end_at_its_limit():
    mean = np.array([[[0.0, 1.0, -3.0, np.inf, -np.inf]]], "float32")
    data = np.array([[[1e300, -1e300, 3.5e38, 1e300, 1e300]]])
    largest = np.finfo("float32").max
    after = stepped(mean, data, np.array([[1.0, 0.5, 1.0, 0.5, 0.5]], "float32"))
    np.testing.assert_array_equal(after, [[[largest, -largest, largest, np.inf, -np.inf]]])


@st.composite
def repeated(draw):
    """Data that a mean can hold, and the shares of some steps, the first of which is 1."""
    mean, data = draw(
        st.sampled_from(
            [
                (mean, data)
                for mean, data in itertools.product(MEANS, DATA)
                if np.can_cast(data, mean, "safe") or (data.kind == "f" and data.itemsize < mean.itemsize)
            ]
        )
    )
    return draw(cells(data)), draw(st.lists(shares_of(mean), min_size=1, max_size=8))


@settings(max_examples=150)
@given(repeated())
def test_equal_values_give_that_value_bit_for_bit(given_steps):
    data, shares = given_steps
    mean = np.zeros(SHAPE, shares[0].dtype)
    wanted = data.astype(mean.dtype) + mean  # there is no negative zero among the means
    mean = stepped(mean, data, np.ones(SHAPE[1:], mean.dtype))
    assert same_bits(mean, wanted)
    for share in shares:
        mean = stepped(mean, data, share)
        assert same_bits(mean, wanted)


@settings(max_examples=60)
@given(
    st.sampled_from(MEANS),
    st.lists(st.tuples(st.integers(-1000, 1000), st.integers(1, 50)), min_size=1, max_size=30),
)
def test_steps_in_turn_give_the_weighted_mean(dtype, pairs):
    mean, weights = np.zeros((1, 1, 1), dtype), 0
    for value, weight in pairs:
        weights += weight
        data, share = np.full((1, 1, 1), value, "int16"), np.full((1, 1), weight / weights, dtype)
        mean = stepped(mean, data, share)
    wanted = Fraction(sum(value * weight for value, weight in pairs), weights)
    assert float(mean[0, 0, 0]) == pytest.approx(float(wanted), abs=30_000 * float(np.finfo(dtype).eps))


ENDLESS = [
    (1.0, np.inf, np.inf),
    (1.0, -np.inf, -np.inf),
    (np.inf, 1.0, np.inf),
    (-np.inf, 1.0, -np.inf),
    (np.inf, np.inf, np.inf),
    (-np.inf, -np.inf, -np.inf),
    (np.inf, -np.inf, np.nan),
    (-np.inf, np.inf, np.nan),
    (np.nan, 1.0, np.nan),
    (np.nan, np.inf, np.nan),
    (1.0, np.nan, np.nan),
    (-np.inf, np.nan, np.nan),
]


@pytest.mark.parametrize("dtype", MEANS, ids=str)
@pytest.mark.parametrize("data", FLOATS, ids=str)
@pytest.mark.parametrize("share", [1e-6, 0.5, 1.0])
@pytest.mark.parametrize(("before", "value", "after"), ENDLESS)
def test_infinities_are_added_up_and_what_is_missing_stays_so(dtype, data, share, before, value, after):
    mean = np.array([[[before, 2.0]]], dtype)
    stepped_once = stepped(mean, np.array([[[value, 4.0]]], data), np.array([[share, 0.5]], dtype))
    np.testing.assert_array_equal(stepped_once, np.array([[[after, 3.0]]], dtype))


@settings(max_examples=150)
@given(steps())
@example(
    (
        np.array([0.1, 1e38, -3e38] * 8, "float32").reshape(SHAPE),
        np.array([0.7, np.inf, 3e38] * 8, "float32").reshape(SHAPE),
        np.full(SHAPE, 1 / 3, "float32"),
    )
)
def test_what_a_cell_becomes_depends_on_that_cell_alone(given_step):
    mean, data, shares = given_step
    after = stepped(mean, data, shares)
    per_cell = np.broadcast_to(shares, SHAPE)
    alone = np.empty_like(after)
    for band, row, col in np.ndindex(SHAPE):
        cell = (slice(band, band + 1), slice(row, row + 1), slice(col, col + 1))
        alone[cell] = stepped(mean[cell], data[cell], per_cell[cell])
    assert same_bits(after, alone)


@settings(max_examples=80)
@given(steps(), st.integers(0, SHAPE[1]), st.integers(0, SHAPE[2]))
def test_arrays_cut_in_pieces_give_the_same_bits(given_step, row, col):
    mean, data, shares = given_step
    pieces = mean.copy()
    for rows, cols in itertools.product((slice(row), slice(row, None)), (slice(col), slice(col, None))):
        part = (slice(None), rows, cols)
        pieces[part] = stepped(mean[part], data[part], shares[..., rows, cols])
    assert same_bits(stepped(mean, data, shares), pieces)


@settings(max_examples=60)
@given(steps())
def test_a_mean_that_is_a_view_changes_in_place_and_nothing_around_it(given_step):
    mean, data, shares = given_step
    around = np.full((2, 7, 9), 5, mean.dtype)
    view = around[:, 2:5, 1:8:2]
    view[...] = mean
    inputs = [data.copy(), shares.copy()]
    approach(view, data, shares, np.empty_like(mean), lambda: None)
    assert same_bits(view.copy(), stepped(mean, data, shares))
    view[...] = 5
    assert (around == 5).all()
    assert data.tobytes() == inputs[0].tobytes()
    assert shares.tobytes() == inputs[1].tobytes()


@settings(max_examples=60)
@given(steps(), st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf]))
def test_what_was_in_the_scratch_space_does_not_matter(given_step, leftover):
    mean, data, shares = given_step
    after = mean.copy()
    approach(after, data, shares, np.full_like(mean, leftover), lambda: None)
    assert same_bits(after, stepped(mean, data, shares))


@settings(max_examples=150)
@given(steps(), hnp.arrays(bool, SHAPE), st.booleans())
def test_cells_left_out_keep_their_mean_whatever_lies_there(given_step, left_out, without_share):
    mean, data, shares = given_step
    if without_share:
        shares = np.where(left_out, 0, np.broadcast_to(shares, SHAPE)).astype(mean.dtype)

    def leave_out(step):
        step[left_out] = 0

    after = stepped(mean, data, shares, leave_out)
    np.testing.assert_array_equal(after[left_out], mean[left_out])
    assert same_bits(after[~left_out], stepped(mean, data, shares)[~left_out])


@pytest.mark.parametrize("dtype", MEANS, ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308])
def test_what_is_left_out_does_not_count_even_with_a_share_of_zero(dtype, value):
    mean = np.array([[[7.0, 1.0]]], dtype)

    def leave_out(step):
        step[..., 0] = 0

    after = stepped(mean, np.array([[[value, 3.0]]]), np.array([[0.0, 0.5]], dtype), leave_out)
    np.testing.assert_array_equal(after, [[[7.0, 2.0]]])


@pytest.mark.parametrize("dtype", MEANS, ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2.0])
def test_what_is_left_out_does_not_change_an_infinite_mean(dtype, value):
    mean = np.array([[[np.inf, -np.inf, np.nan, 5.0, np.inf]]], dtype)

    def leave_out(step):
        step[..., :4] = 0

    data = np.array([[[value, value, value, value, -np.inf]]])
    after = stepped(mean, data, np.full((1, 5), 0.5, dtype), leave_out)
    np.testing.assert_array_equal(after, [[[np.inf, -np.inf, np.nan, 5.0, np.nan]]])


@pytest.mark.parametrize("values", [[1.0, 2.0], [np.inf, -np.inf]])
def test_how_numpy_treats_errors_is_as_before(values):
    with np.errstate(over="print", invalid="call", divide="warn", under="ignore"):
        before = np.geterr()
        mean = np.array([[values]], "float32")
        approach(mean, -mean, np.full((1, 2), 0.5, "float32"), np.empty_like(mean), lambda: None)
        assert np.geterr() == before


# Integers that were the same so far


INTEGERS = [dtype for dtype in DATA if dtype.kind != "f"]


@given(st.data(), st.sampled_from(INTEGERS), st.booleans())
def test_what_is_taken_over_is_what_a_step_gives_and_the_rest_is_left(data, dtype, gaps):
    exact = np.dtype("float64" if dtype.itemsize > 2 else "float32")
    high = 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)
    cells = st.sampled_from([0, 1, high])
    values = data.draw(hnp.arrays(dtype, SHAPE, elements=cells if dtype.kind != "b" else st.booleans()))
    shares = data.draw(hnp.arrays(exact, SHAPE[1:], elements=st.sampled_from([1.0, 0.5, 0.1])))
    before = np.where(shares < 1, values, 0).astype(exact)
    if data.draw(st.booleans()):
        before[data.draw(st.tuples(*map(st.integers, (0, 0, 0), (1, 2, 3))))] = data.draw(cells)
    counts = data.draw(hnp.arrays(bool, SHAPE)) if gaps else None
    differs = (before != values) & (shares < 1) & (True if counts is None else counts)
    mean = before.copy()
    assert take_over(mean, values, shares, np.empty_like(mean), counts) == (not differs.any())

    def leave_out(step):
        if counts is not None:
            step[~counts] = 0

    after = stepped(before, values, shares, leave_out)
    assert mean.tobytes() == (before if differs.any() else after).tobytes()
    here = values if counts is None else np.where(counts, values, 0)
    other = after if counts is None else np.where(counts, after, 0)
    assert differ(after, values, counts) == (here != other).any()
