"""Stencils, by brute force."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.temporal.stencils import (
    Stencil,
    TimeStencil,
    build_sampling_slices,
    divide_evenly,
    valid_origin_points,
)

HOURS = np.datetime64("2026-01-01T00") + np.arange(24)
CLOSED = ("left", "right", "both", "neither")


@given(st.integers(-50, 50), st.integers(1, 9))
def test_whole_quotients_are_exact(n, step):
    assert divide_evenly(n * step, step) == n
    assert divide_evenly(np.timedelta64(n * step, "h"), np.timedelta64(step * 60, "m")) == n
    assert divide_evenly(timedelta(hours=n * step), f"{step * 60}min") == n
    assert divide_evenly(n * step / 10, step / 10) == n


@pytest.mark.parametrize(
    ("x", "y"),
    [(10, 4), (0.25, 0.1), (np.timedelta64(10, "h"), np.timedelta64(4, "h")), (1, 0), (10**18 + 1, 10)],
)
def test_others_are_refused_by_their_names(x, y):
    with pytest.raises(ValueError, match=f"lead time {x} .* {y}"):
        divide_evenly(x, y, label="lead time")


def test_large_integers_are_not_rounded():
    assert divide_evenly(3 * 10**18, 10**18) == 3
    with pytest.raises(TypeError, match="not of one kind"):
        divide_evenly(np.timedelta64(1, "h"), 1)


@given(st.integers(-20, 20), st.integers(1, 8), st.integers(1, 5), st.sampled_from(CLOSED))
def test_points_are_those_of_the_interval(start, n, step, closed):
    stop = start + n * step
    wanted = [
        start + k * step
        for k in range(n + 1)
        if (k > 0 or closed in ("left", "both")) and (k < n or closed in ("right", "both"))
    ]
    if not wanted:
        with pytest.raises(ValueError, match="no point"):
            Stencil(start, stop, step, closed=closed)
        return
    stencil = Stencil(start, stop, step, closed=closed)
    assert stencil.points.tolist() == wanted
    assert (stencil.includes_start, stencil.includes_stop) == (start in wanted, stop in wanted)
    times = TimeStencil(f"{start}h", f"{stop}h", f"{step}h", closed=closed)
    assert times.points.astype("m8[h]").astype(int).tolist() == wanted


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 5, 2), ValueError, "stop - start 5 is not a whole number of steps of 2"),
        ((0, 4, 0), ValueError, "more than 0"),
        ((0, 4, -1), ValueError, "more than 0"),
        ((4, 0, 1), ValueError, "no point"),
        ((0, float("inf"), 1), ValueError, "stop is a finite number"),
        ((0, 4, "1h"), TypeError, "mix numbers and times"),
        ((None, 4, 1), TypeError, "start is a finite number"),
    ],
)
def test_wrong_stencils_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Stencil(*arguments)


def test_the_closed_end_is_a_keyword_of_four():
    with pytest.raises(ValueError, match="closed='open' is none of"):
        Stencil(0, 4, 1, closed="open")
    with pytest.raises(TypeError):
        Stencil(0, 4, 1, "both")


def test_time_stencils_read_text_and_are_stencils():
    stencil = TimeStencil("-9h", "3h", "1h")
    assert isinstance(stencil, Stencil)
    assert (stencil.start, stencil.stop, stencil.step) == tuple(np.array([-9, 3, 1], "m8[h]"))
    assert stencil == TimeStencil(timedelta(hours=-9), np.timedelta64(3, "h"), "60min")
    assert repr(stencil) == "TimeStencil('-9h', '3h', '1h', closed='left')"


@pytest.mark.parametrize(
    "stencil", [TimeStencil("-9h", "3h", "30min", closed="both"), Stencil(-2, 4, 2), Stencil(0.0, 1.0, 0.25)]
)
def test_configs_make_them_again(stencil):
    config = stencil.get_config()
    assert set(map(type, config.values())) <= {str, int, float}
    assert type(stencil).from_config(config) == stencil


def brute(source, origin, points):
    """Return the indices of the points around an origin, ``None`` where one is missing."""
    at = {Fraction(value): index for index, value in enumerate(source)}
    found = [at.get(Fraction(origin) + Fraction(point)) for point in points]
    return None if None in found else found


@given(
    st.lists(st.integers(-15, 15), min_size=1, max_size=25, unique=True).map(sorted),
    st.integers(-5, 3),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from(["i8", "f8", "M8[D]", "m8[h]"]),
)
def test_slices_are_those_of_brute_force(source, start, n, step, dtype):
    values = np.array(source)
    coord = values.astype(dtype) if dtype != "f8" else values * 0.1
    if dtype[0] in "Mm":
        unit = dtype[3]
        stencil = TimeStencil(f"{start}{unit}", f"{start + n * step}{unit}", f"{step}{unit}")
    elif dtype == "f8":
        stencil = Stencil(start * 0.1, (start + n * step) * 0.1, step * 0.1)
    else:
        stencil = Stencil(start, start + n * step, step)
    valid = valid_origin_points(coord, stencil)
    wanted = []
    for value, point in zip(source, coord, strict=True):
        found = brute(source, value, range(start, start + n * step, step))
        even = found is not None and len({b - a for a, b in pairwise(found)}) < 2
        if even:
            wanted.append(point)
            (cut,) = build_sampling_slices(coord, coord[values == value], stencil)
            assert list(range(len(source))[cut]) == found
        else:
            with pytest.raises(ValueError, match="does not fit at"):
                build_sampling_slices(coord, [point], stencil)
    assert valid.tolist() == np.array(wanted, coord.dtype).tolist()
    assert valid.dtype == coord.dtype


def test_origins_need_not_be_points_and_have_any_order():
    halves = np.arange(10) + 0.5
    assert build_sampling_slices(halves, [4.0, 2.0], Stencil(-0.5, 1.5, 1.0)) == [
        slice(3, 5, 1),
        slice(1, 3, 1),
    ]


def test_a_stencil_may_leave_points_out():
    assert build_sampling_slices(HOURS, HOURS[[12]], TimeStencil("-6h", "6h", "3h", closed="both")) == [
        slice(6, 19, 3)
    ]


def test_steps_finer_than_the_source_do_not_fit():
    with pytest.raises(ValueError, match="does not fit at"):
        build_sampling_slices(HOURS, HOURS[[12]], TimeStencil("-1h", "1h", "30min"))


def test_other_calendars_have_their_own_february():
    cftime = pytest.importorskip("cftime")
    days = np.array([cftime.DatetimeNoLeap(2024, 2, 27), cftime.DatetimeNoLeap(2024, 2, 28)])
    days = np.append(days, [cftime.DatetimeNoLeap(2024, 3, 1), cftime.DatetimeNoLeap(2024, 3, 2)])
    stencil = TimeStencil("-1D", "1D", "1D", closed="both")
    assert valid_origin_points(days, stencil).tolist() == days[1:3].tolist()
    assert build_sampling_slices(days, days[2:3], stencil) == [slice(1, 4, 1)]
    gregorian = np.array(["2024-02-27", "2024-02-28", "2024-03-01", "2024-03-02"], "M8[D]")
    assert valid_origin_points(gregorian, stencil).tolist() == []


def test_a_number_on_datetimes_is_told_of():
    with pytest.raises(TypeError, match="TimeStencil"):
        build_sampling_slices(HOURS, HOURS[:1], Stencil(0, 2, 1))


def test_an_empty_source_has_no_origins():
    assert valid_origin_points(HOURS[:0], TimeStencil("0h", "1h", "1h")).tolist() == []
    with pytest.raises(ValueError, match="source of 0 points"):
        build_sampling_slices([], [1], Stencil(0, 1, 1))


@pytest.mark.parametrize(("x", "y"), [(1, np.inf), (1e-12, 1.0), (-1e-10, 1.0), (1.0, 1e10)])
def test_less_than_a_step_is_no_whole_number_of_steps(x, y):
    with pytest.raises(ValueError, match="is not a whole number of steps of"):
        divide_evenly(x, y)


def test_numbers_of_numpy_do_not_overflow():
    assert divide_evenly(np.int8(-128), np.int8(-1)) == 128
    stencil = Stencil(np.int8(-100), np.int8(100), np.int8(10))
    assert stencil.points.tolist() == list(range(-100, 100, 10))
    with pytest.raises(ValueError, match="no point is from"):
        Stencil(np.uint8(1), np.uint8(0), np.uint8(1))


@pytest.mark.parametrize("values", [(None, 1), ([4], 2), (2, 1j)])
def test_what_is_no_number_is_not_divided(values):
    with pytest.raises(TypeError, match="is a finite number or a span of time, not"):
        divide_evenly(*values)


def test_a_stencil_fits_all_of_a_coordinate_of_float32():
    tenths = (np.arange(1000) * np.float32(0.1)).astype("float32")
    found = valid_origin_points(tenths, Stencil(-0.3, 0.2, 0.1))
    assert np.array_equal(found, tenths[3:-1])
    hours = (20_000 + np.arange(48) / 24).astype("float32")  # days, two thousandths of a day apart
    assert len(valid_origin_points(hours, Stencil(-3 / 24, 2 / 24, 1 / 24))) == 44


def test_a_stencil_counts_the_hours_of_a_zone_that_pass():
    berlin = ZoneInfo("Europe/Berlin")
    began = datetime(2024, 3, 30, 20, tzinfo=UTC)
    hours = [(began + timedelta(hours=n)).astimezone(berlin) for n in range(12)]  # 2 to 3 is left out there
    assert valid_origin_points(hours, TimeStencil("-2h", "1h", "1h")).tolist() == hours[2:]
