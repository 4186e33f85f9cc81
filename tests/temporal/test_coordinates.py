"""Coordinates along an axis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from geopatcher.temporal.coordinates import as_coordinate, check_kind, find, from_first, moved, spacing_of

DAYS = np.datetime64("2024-02-27") + np.arange(5)


@pytest.mark.parametrize(
    "values", [[0, 1, 5], [0.0, 0.1], DAYS, DAYS - DAYS[0], [], np.arange(3, dtype="uint8")]
)
def test_what_increases_is_a_coordinate(values):
    assert np.array_equal(as_coordinate(values), np.asarray(values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0, 1]], r"along one axis, not an array shaped \(1, 2\)"),
        ([0, 2, 2], r"does not from point 1 to 2 \(2 to 2\)"),
        (np.array([200, 100], "uint8"), "has to increase"),
        ([0.0, np.nan], "no number"),
        ([0.0, np.inf], "no number"),
        (np.array(["2024-01-01", "NaT"], "M8[D]"), "no number or no time"),
        (DAYS[::-1], "sort the series"),
    ],
)
def test_what_does_not_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        as_coordinate(values)


@pytest.mark.parametrize("values", [["a", "b"], [True, False], [1j, 2j], [None, 3], [object(), object()]])
def test_neither_numbers_nor_times_are_refused(values):
    with pytest.raises(TypeError, match="neither numbers"):
        as_coordinate(values)


@pytest.mark.parametrize(("unit", "n"), [("M", 30), ("Y", 9)])
def test_months_and_years_are_their_first_days(unit, n):
    pd = pytest.importorskip("pandas")
    found = as_coordinate(np.datetime64("2023-01", unit) + np.arange(n))
    wanted = pd.date_range("2023-01-01", periods=n, freq=f"{unit}S")
    assert np.array_equal(found, wanted.values)


def test_other_calendars_are_taken():
    cftime = pytest.importorskip("cftime")
    days = np.array(
        [cftime.DatetimeNoLeap(2024, 2, day) for day in (27, 28)] + [cftime.DatetimeNoLeap(2024, 3, 1)]
    )
    assert as_coordinate(days) is days
    assert from_first(days, days).astype("m8[D]").tolist() == (np.arange(3).astype("m8[D]")).tolist()
    with pytest.raises(TypeError, match="not on a coordinate"):
        from_first(np.array([cftime.Datetime360Day(2024, 2, 30)]), days)


def test_points_are_found_exactly_but_for_rounding():
    tenths = np.arange(10) * 0.1
    assert find(np.array([0.3, 0.25, 0.9, 1.0, -0.1]), tenths, 0.1).tolist() == [3, -1, 9, -1, -1]
    assert find(np.array([3, 4, 9]), np.array([1, 3, 9]), 1).tolist() == [1, -1, 2]
    assert find(np.array([3]), np.array([], int), 1).tolist() == [-1]


def test_numbers_and_times_are_not_mixed():
    with pytest.raises(TypeError, match="holds datetimes"):
        moved(from_first(DAYS, DAYS), 3)
    with pytest.raises(TypeError, match="holds numbers"):
        moved(np.arange(3), np.timedelta64(1, "h"))
    with pytest.raises(TypeError, match="not on a coordinate"):
        from_first(np.arange(3), DAYS)
    with pytest.raises(TypeError, match="x holds"):
        check_kind(np.array(["a"]), "x")


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint8", "float16", "float32"])
def test_what_is_far_apart_in_a_narrow_dtype_does_not_wrap_around(dtype):
    largest = np.finfo(dtype).max if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    least = np.finfo(dtype).min if np.dtype(dtype).kind == "f" else np.iinfo(dtype).min
    ends = from_first(np.array([least, largest], dtype), np.array([least, largest], dtype))
    assert float(ends[1] - ends[0]) == float(largest) - float(least)


@pytest.mark.parametrize("made", [list, "pandas"])
def test_between_times_of_one_zone_lies_the_time_that_passed(made):
    berlin = ZoneInfo("Europe/Berlin")
    began = datetime(2024, 10, 26, 22, tzinfo=UTC)
    hours = [
        (began + timedelta(hours=n)).astimezone(berlin) for n in range(6)
    ]  # the clock goes back at 1 UTC
    coord = pytest.importorskip("pandas").DatetimeIndex(hours) if made == "pandas" else hours
    points = as_coordinate(coord)
    assert from_first(points, points).astype("m8[h]").astype(int).tolist() == [0, 1, 2, 3, 4, 5]


def test_nanoseconds_of_a_zone_are_kept():
    pd = pytest.importorskip("pandas")
    points = as_coordinate(pd.date_range("2024", periods=3, freq="1ns", tz="UTC"))
    assert from_first(points, points).astype("m8[ns]").astype(int).tolist() == [0, 1, 2]


def test_a_point_is_found_as_far_away_as_its_dtype_rounds_it():
    tenths = (np.arange(1000) * np.float32(0.1)).astype("float32")
    offsets = from_first(tenths, tenths)
    before = moved(offsets[1:], -0.1)
    assert np.array_equal(find(before, offsets, 0.1, spacing_of(tenths)), np.arange(999))
    # Never half way to the next one, however coarse the dtype is.
    assert find(np.array([0.5]), np.array([0.0, 1.0]), 1.0, spacing=8.0).tolist() == [-1]
