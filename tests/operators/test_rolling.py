"""Look-back windows: against the rolling windows of pandas and xarray over whole arrays."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.operators.rolling import Rolling

xarray = pytest.importorskip("xarray")
pd = pytest.importorskip("pandas")

SHAPE = (9, 2, 50, 40)
CELLS = np.random.default_rng(3).random(SHAPE)
TIMES = pd.date_range("2024-01-31", periods=9, freq="ME").values
QUICK = {"size": 16, "chunks": 32, "progress": False}


def series(cells=CELLS, dims=("time", "band", "y", "x")):
    array = xarray.DataArray(cells, {"time": TIMES, "band": ["B04", "B08"]}, ("time", "band", "y", "x"))
    return array.transpose(*dims)


def mean(window):
    return window.mean(axis=0)


@pytest.mark.parametrize("lookback", [1, 3, 9])
@pytest.mark.parametrize("min_steps", [None, 1])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("dims", [("time", "band", "y", "x"), ("band", "time", "y", "x")])
def test_windows_are_those_of_xarray(lookback, min_steps, batch, dims):
    array = series(dims=dims)
    operator = gp.rolling(mean, lookback, min_steps=min_steps)
    found = gp.reconstruct(array, operator, batch_size=batch, **QUICK).to_xarray()
    want = array.rolling(time=lookback, min_periods=min_steps).mean()
    assert found.dims == dims
    np.testing.assert_array_equal(found["time"].values, TIMES)
    np.testing.assert_allclose(found.values, want.values, rtol=1e-9)


def test_a_cell_is_that_of_pandas():
    cells = CELLS.copy()
    cells[4, 0, 10, 10] = np.nan
    found = gp.reconstruct(series(cells), gp.rolling(np_median, 4), **QUICK)
    want = pd.Series(cells[:, 1, 30, 20]).rolling(4).median()
    np.testing.assert_allclose(found.array[:, 1, 30, 20], want, rtol=1e-9)
    want = pd.Series(cells[:, 0, 10, 10]).rolling(4).median()
    np.testing.assert_allclose(found.array[:, 0, 10, 10], want, rtol=1e-9)


def np_median(window):
    return np.median(window, axis=0)


def test_integers_without_enough_steps_are_missing(tmp_path):
    cells = (CELLS * 100).astype("int16")
    result = gp.reconstruct(
        series(cells), gp.rolling(lambda window: window.max(axis=0), 3), tmp_path / "x.zarr", **QUICK
    )
    known = np.asarray(result.valid[...])
    assert not known[:2].any()
    assert known[2:].all()
    want = np.stack([cells[step - 2 : step + 1].max(axis=0) for step in range(2, 9)])
    np.testing.assert_array_equal(result.array[2:], want)


def test_bands_may_become_others_or_none():
    array = series()
    flat = gp.reconstruct(array, gp.rolling(lambda window: window.mean(axis=(0, 1)), 2), **QUICK).to_xarray()
    assert flat.dims == ("time", "y", "x")
    np.testing.assert_allclose(flat[1:], array.rolling(time=2).mean().mean("band")[1:], rtol=1e-9)

    def extremes(window):
        return np.stack([window.min(axis=(0, 1)), window.max(axis=(0, 1)), window.mean(axis=(0, 1))])

    extremes.output_dims = ("what",)
    operator = gp.rolling(extremes, 2, min_steps=1)
    found = gp.reconstruct(array, operator, **QUICK).to_xarray()
    assert found.sizes == {"time": 9, "what": 3, "y": 50, "x": 40}
    np.testing.assert_array_equal(found["time"].values, TIMES)


def test_masks_and_positions_are_passed_on():
    gaps = np.ma.masked_less(CELLS, 0.3)
    result = gp.reconstruct(gaps, gp.rolling(gp.masked(masked_mean), 3, "dim_0", min_steps=1), **QUICK)
    want = np.ma.stack([gaps[max(0, step - 2) : step + 1].mean(axis=0) for step in range(9)])
    np.testing.assert_allclose(result.array, want.filled(np.nan), rtol=1e-9)

    @gp.positioned
    def rows(window, position):
        return np.full(window.shape[-2:], position.anchor[0], float)

    for batch in (1, 3):
        found = gp.reconstruct(
            series(), gp.rolling(rows, 1), step=16, window="boxcar", batch_size=batch, **QUICK
        )
        assert found.array[0, 0, 0] == 0
        assert found.array[5, 17, 0] == 16


def masked_mean(window):
    return window.mean(axis=0)


def test_windows_are_copies():
    def spoil(window):
        window += 1
        return window.sum(axis=0)

    found = gp.reconstruct(series(), gp.rolling(spoil, 2), **QUICK)
    np.testing.assert_allclose(found.array[1:], CELLS[1:] + CELLS[:-1] + 2, rtol=1e-9)


def test_workers_and_what_an_interrupted_run_left(tmp_path):
    operator = gp.rolling(mean, 3)
    whole = gp.reconstruct(series(), operator, **QUICK)
    again = gp.reconstruct(series(), operator, tmp_path / "x.zarr", workers=2, **QUICK)
    np.testing.assert_array_equal(again.array[...], whole.array)
    with pytest.raises(gp.TargetError, match=r"operator.itself was"):
        gp.reconstruct(series(), gp.rolling(mean, 4), tmp_path / "x.zarr", **QUICK)
    back = pickle.loads(pickle.dumps(operator.over(["time", "band"])))  # noqa: S301 - our own
    np.testing.assert_array_equal(back(CELLS[..., :4, :4])[2], CELLS[:3, :, :4, :4].mean(axis=0))


@pytest.mark.parametrize(("lookback", "min_steps"), [(0, None), (3, 4), (3, 0)])
def test_what_are_no_numbers_of_steps(lookback, min_steps):
    with pytest.raises(
        ValueError, match="lookback is a number of steps from 1, or a span of time, and min_steps"
    ):
        gp.rolling(mean, lookback, min_steps=min_steps)


def test_a_source_without_the_dimension_or_the_steps_is_refused():
    with pytest.raises(
        ValueError, match="mean goes along 'time', and the source has the leading dimensions dim_0,"
    ):
        gp.reconstruct(CELLS, gp.rolling(mean, 3), **QUICK)
    with pytest.raises(gp.OperatorError, match="there are 9 steps along 'time', fewer than the 10"):
        gp.reconstruct(series(), gp.rolling(mean, 10), **QUICK)
    assert isinstance(gp.rolling(mean, 3), Rolling)


DATES = pd.DatetimeIndex(
    [f"2024-{day}" for day in ("01-01", "01-04", "01-04", "02-27", "02-28", "02-29", "03-01", "03-30 12:00")]
    + ["2025-02-28"]
)


@pytest.mark.parametrize("span", ["3D", "73h", "60D", "400D", "1ns"])
@pytest.mark.parametrize("min_steps", [None, 2])
@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_spans_of_time_are_those_of_pandas(span, min_steps, unit):
    array = series().assign_coords(time=DATES.as_unit(unit))
    found = gp.reconstruct(array, gp.rolling(mean, span, min_steps=min_steps), **QUICK).to_xarray()
    index = DATES.as_unit("ns")  # of microseconds pandas makes a span of 1 ns none at all
    table = pd.DataFrame(CELLS[:, 1, 30:33, 20], index=index).rolling(span, min_periods=min_steps)
    np.testing.assert_allclose(found[:, 1, 30:33, 20], table.mean(), rtol=1e-9)
    np.testing.assert_array_equal(found["time"].values, DATES.values)


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "standard"])
def test_a_span_is_counted_in_the_calendar_of_the_source(calendar, tmp_path):
    pytest.importorskip("cftime")
    times = xarray.date_range("2024-02-26", periods=9, calendar=calendar, use_cftime=True)[[0, 1, 2, 3, 5, 6]]
    array = series()[:6].assign_coords(time=times)
    array.to_dataset(name="v").to_zarr(tmp_path / "in.zarr")
    for source in (array, tmp_path / "in.zarr"):
        found = gp.reconstruct(source, gp.rolling(mean, "3D"), **QUICK).array[:, 0, 7, 5]
        for step, at in enumerate(times):
            within = [number for number in range(step + 1) if (at - times[number]).days < 3]
            np.testing.assert_allclose(found[step], CELLS[within, 0, 7, 5].mean(), rtol=1e-9)


def test_a_span_resumes_and_pickles(tmp_path):
    array = series().assign_coords(time=DATES)
    operator = gp.rolling(np_median, pd.Timedelta("40D"))
    again = pickle.loads(pickle.dumps(operator))  # noqa: S301 - our own bytes
    assert again.lookback == np.timedelta64(40, "D")
    plain = gp.reconstruct(array, operator, **QUICK).array
    shared = gp.reconstruct(array, again, tmp_path / "o.zarr", workers=2, **QUICK).array
    np.testing.assert_array_equal(shared[:], plain)


def test_times_that_cannot_be_counted_are_refused():
    span = gp.rolling(mean, "5D")
    unsorted, missing = DATES[::-1], DATES.where(np.arange(9) != 4)
    for labels, message in (
        (unsorted, "do not increase from step 0 to 1: sort the source"),
        (missing, "step 4 along 'time' has no time"),
        (np.arange(9), "no times that are counted in a fixed unit"),
        (list("abcdefghi"), "no times that are counted in a fixed unit"),
    ):
        with pytest.raises(ValueError, match=message):
            gp.reconstruct(series().assign_coords(time=labels), span, **QUICK)
    with pytest.raises(ValueError, match="which has no labels"):
        gp.reconstruct(series().drop_vars("time"), span, **QUICK)
    with pytest.raises(ValueError, match="without labels"):
        span(CELLS)
    dates = series().assign_coords(time=DATES)
    with pytest.raises(gp.OperatorError, match="no window of 12h along 'time' has the 3 steps it needs"):
        gp.reconstruct(dates, gp.rolling(mean, "12h", min_steps=3), **QUICK)
    for wrong in ("0D", "-3D", "1M", np.timedelta64(0, "D")):
        with pytest.raises(ValueError, match="span of time"):
            gp.rolling(mean, wrong)
