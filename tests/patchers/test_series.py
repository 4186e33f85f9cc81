"""What steps are read from."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.patchers.series import axis_of, coordinate_for, series_of

xr = pytest.importorskip("xarray")
pd = pytest.importorskip("pandas")
zarr = pytest.importorskip("zarr")
dask_array = pytest.importorskip("dask.array")

CUBE = np.arange(4 * 3 * 2).reshape(4, 3, 2)
DAYS = np.datetime64("2026-01-01") + np.arange(4)
LABELLED = xr.DataArray(CUBE, {"time": DAYS, "x": [10.0, 20.0]}, ("time", "y", "x"))


@pytest.mark.parametrize("kind", [np.asarray, zarr.array, lambda cube: dask_array.from_array(cube, chunks=2)])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_arrays_of_any_kind_give_steps_along_an_axis(kind, axis):
    series = series_of(kind(CUBE), axis)
    assert series.n_steps == CUBE.shape[axis]
    steps = series.read(slice(1, 2))
    assert isinstance(steps, np.ndarray)
    assert np.array_equal(steps, np.take(CUBE, [1], axis))
    assert series.labels() is None


def test_what_is_read_is_a_copy():
    cube = CUBE.copy()
    series_of(cube).read(slice(0, 2))[:] = -1
    assert np.array_equal(cube, CUBE)
    labelled = LABELLED.copy()
    series_of(labelled).read(slice(0, 2)).values[:] = -1
    assert labelled.equals(LABELLED)


def test_a_masked_array_stays_masked():
    masked = np.ma.masked_greater(CUBE, 8)
    assert series_of(masked).read(slice(1, 3)).mask.tolist() == masked.mask[1:3].tolist()


@pytest.mark.parametrize("axis", [0, -3, "time"])
def test_labels_stay_with_a_data_array(axis):
    series = series_of(LABELLED, axis)
    assert series.read(slice(1, 3)).equals(LABELLED.isel(time=slice(1, 3)))
    assert np.array_equal(series.labels(), DAYS)
    assert series_of(LABELLED, "y").labels() is None


def test_a_lazy_data_array_stays_lazy():
    lazy = LABELLED.chunk({"time": 1})
    assert series_of(lazy).read(slice(1, 3)).chunks == ((1, 1), (3,), (2,))


def test_tables_give_rows():
    table = pd.DataFrame(CUBE[:, 0], index=pd.DatetimeIndex(DAYS))
    series = series_of(table)
    assert series.read(slice(1, 3)).equals(table.iloc[1:3])
    assert np.array_equal(coordinate_for(series, None), DAYS)
    with pytest.raises(ValueError, match="time_axis is 0"):
        series_of(table, 1)


def test_lists_are_arrays():
    assert series_of([1.0, 2.0, 3.0]).read(slice(1, 3)).tolist() == [2.0, 3.0]


def test_what_is_no_series_is_refused():
    with pytest.raises(TypeError, match="not int"):
        series_of(3)
    with pytest.raises(ValueError, match=r"time_axis=3 is no axis of a series shaped \(4, 3, 2\)"):
        series_of(CUBE, 3)
    with pytest.raises(ValueError, match="'band' is none of the dimensions time, y, x"):
        series_of(LABELLED, "band")
    with pytest.raises(TypeError, match="is a name"):
        series_of(CUBE, "time")
    with pytest.raises(ValueError, match="no axis"):
        axis_of(0, ())


def test_the_coordinate_is_the_one_given_or_the_series_own():
    assert np.array_equal(coordinate_for(series_of(LABELLED), None), DAYS)
    assert np.array_equal(coordinate_for(series_of(CUBE), DAYS), DAYS)
    assert np.array_equal(coordinate_for(series_of(CUBE), LABELLED["time"]), DAYS)
    with pytest.raises(ValueError, match="pass coord="):
        coordinate_for(series_of(CUBE), None)
    with pytest.raises(ValueError, match="coord has 3 points, and ndarray int64"):
        coordinate_for(series_of(CUBE), DAYS[:3])
