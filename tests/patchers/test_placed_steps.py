"""Which steps stand for those of another series, against pandas and xarray."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.matched import MatchedField
from geopatcher.patchers.cubes import cube_of
from geopatcher.patchers.placed_steps import METHODS, PlacedCube, PlacedSeries, choice_of, steps_for
from geopatcher.patchers.series import series_of

pd = pytest.importorskip("pandas")
xr = pytest.importorskip("xarray")

LABELS = st.lists(st.integers(-50, 50), min_size=1, max_size=8, unique=True).map(sorted)
HOURS = xr.date_range("2000-02-27", periods=101, freq="h", calendar="noleap", use_cftime=True).values
DAY = np.datetime64("2026-01-01", "ns")


def oracle(labels, wanted, method, tolerance):
    return pd.Index(labels).get_indexer(
        pd.Index(wanted), method=None if method == "exact" else method, tolerance=tolerance
    )


@given(LABELS, LABELS, st.sampled_from(METHODS), st.none() | st.integers(0, 20), st.sampled_from("ifMc"))
def test_steps_are_those_that_pandas_finds(labels, wanted, method, tolerance, kind):
    tolerance = None if method == "exact" else tolerance
    found = oracle(labels, wanted, method, tolerance).tolist()
    scale = {
        "i": np.array,
        "f": lambda values: np.array(values) / 4,
        "M": lambda values: DAY + np.array(values) * np.timedelta64(1, "h"),
        "c": lambda values: xr.date_range(
            "2000-03-01", periods=101, freq="h", calendar="noleap", use_cftime=True
        ).values[np.array(values) + 50],
    }[kind]
    if tolerance is not None:
        tolerance = {"i": tolerance, "f": tolerance / 4}.get(kind, f"{tolerance}h")
    assert steps_for(scale(labels), scale(wanted), method, tolerance).tolist() == found


def test_dates_of_several_units_are_compared():
    days = np.array(["2026-01-01", "2026-01-03"], "M8[D]")
    assert steps_for(days, days.astype("M8[ns]") + np.timedelta64(1, "ns"), "ffill").tolist() == [0, 1]


@pytest.mark.parametrize(
    ("labels", "wanted", "tolerance", "error", "message"),
    [
        ([0, 0, 1], [0], None, ValueError, "the labels of a secondary series has to increase"),
        ([0, 1], [1, 0], None, ValueError, "the labels of the primary series has to increase"),
        ([DAY], [0], None, TypeError, "are not on a coordinate of"),
        ([0, 1], [0], "3h", TypeError, "a tolerance of '3h' is not of the kind of labels"),
        ([DAY], [DAY], 3, TypeError, "a tolerance of 3 is not of the kind of labels"),
    ],
)
def test_what_is_ambiguous_is_refused(labels, wanted, tolerance, error, message):
    with pytest.raises(error, match=message):
        steps_for(np.array(labels), np.array(wanted), "nearest", tolerance)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["int16", "float64"])
@pytest.mark.parametrize("labelled", [True, False])
def test_data_is_what_xarray_reindexes(method, dtype, labelled):
    wanted = DAY + np.array([-2, 0, 3, 4, 9, 30]) * np.timedelta64(1, "D")
    own = DAY + np.array([0, 4, 5, 11]) * np.timedelta64(1, "D")
    values = np.arange(4 * 6).reshape(4, 2, 3).astype(dtype)
    rain = xr.DataArray(values, {"time": own}, ("time", "y", "x"))
    primary = xr.DataArray(np.zeros(6), {"time": wanted}, ("time",))
    whole = rain.reindex(time=wanted, method=None if method == "exact" else method)
    field = MatchedField(primary, {"rain": rain}, reindex={"rain": method})
    given = rain if labelled else rain.transpose("y", "time", "x")
    axis = "time" if labelled else 1
    series = series_of(given, axis)
    choice = choice_of("rain", series, series_of(primary, 0), None, field, axis)
    for start, stop in ((0, 6), (0, 1), (1, 4), (4, 6)):
        found = PlacedSeries(series, choice).read(slice(start, stop))
        xr.testing.assert_identical(found.transpose("time", "y", "x").astype(whole.dtype), whole[start:stop])


def test_arrays_and_cubes_are_picked_too():
    coord = np.array([10, 20, 30])
    rain = xr.DataArray(
        np.arange(2 * 3 * 2 * 2.0).reshape(2, 3, 2, 2), {"time": [9, 31]}, ("time", "b", "y", "x")
    )
    field = MatchedField(np.zeros((3, 2, 2)), {"rain": rain}, reindex={"rain": "bfill"})
    cube = cube_of(rain, "time")
    choice = choice_of("rain", cube, cube_of(np.zeros((3, 2, 2))), coord, field, "time")
    placed = PlacedCube(cube, choice)
    assert (placed.n_steps, placed.name, list(placed.labels())) == (2, cube.name, [9, 31])
    assert choice.span(slice(0, 3)) == slice(1, 2)
    data = np.arange(3 * 2 * 2.0).reshape(1, 3, 2, 2)
    assert np.array_equal(choice.pick(data, slice(0, 3)), np.repeat(data, 3, axis=0))


def test_without_labels_nothing_is_known():
    primary = np.zeros(3)
    for own, whose in ((np.zeros(4), "'rain' has"), (pd.Series([1]), "the primary series has")):
        field = MatchedField(primary, {"rain": own}, reindex={"rain": "nearest"})
        with pytest.raises(ValueError, match=f"their labels, and {whose} none: give DataArrays"):
            choice_of("rain", series_of(own), series_of(primary), None, field, 0)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float16", "int64"])
def test_labels_far_apart_are_compared_without_overflow(dtype):
    far = 30_000 if dtype == "int16" else 120
    labels, wanted = np.array([-far, far], dtype), np.array([far // 12], dtype)
    assert steps_for(labels, wanted, "nearest").tolist() == [1]
    assert steps_for(labels, wanted, "nearest", tolerance=far).tolist() == [1]


@pytest.mark.parametrize("method", ["exact", "nearest", "ffill", "bfill"])
@pytest.mark.parametrize("tolerance", [None, 3])
def test_of_a_series_without_steps_none_is_chosen(method, tolerance):
    assert steps_for([], [1, 2], method, tolerance).tolist() == [-1, -1]


def test_times_that_no_step_stands_for_are_no_times():
    primary = xr.DataArray([1.0, 2.0], dims="time", coords={"time": [0, 10]})
    began = pd.Series(pd.DatetimeIndex(["2024-01-01"]), index=[0])
    field = MatchedField(primary, {"began": began}, reindex={"began": "exact"})
    patcher = gp.TemporalPatcher(
        gp.TemporalFixedLookback(2), gp.TemporalExplicit([1]), gp.TemporalCausalBoxcar(), gp.TemporalMean()
    )
    (patch,) = gp.MatchedTemporalPatcher(patcher).split(field)
    assert np.array_equal(
        patch.members["began"].data, np.array(["2024-01-01", "NaT"], "M8[D]"), equal_nan=True
    )
    assert patch.valid_mask.tolist() == [True, False]
