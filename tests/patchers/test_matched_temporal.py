"""Several series cut at the same steps."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.matched import MatchedField, MatchedTemporalPatch, MatchedTemporalPatcher

xr = pytest.importorskip("xarray")

RANDOM = np.random.default_rng(5)
STACK, RAIN = RANDOM.normal(size=(12, 2, 3)), RANDOM.normal(size=12)
DAYS = np.datetime64("2026-01-01") + np.arange(12)


def temporal(geometry=None, sampler=None, aggregation=None):
    return gp.TemporalPatcher(
        geometry or gp.TemporalFixedLookback(3),
        sampler or gp.TemporalRegularStride(2),
        gp.TemporalExponentialDecay(2.0),
        aggregation or gp.TemporalOverlapAdd(),
    )


@pytest.mark.parametrize("prefetch", [0, 2])
def test_members_are_cut_at_the_steps_of_the_primary_one(prefetch):
    field = MatchedField(STACK, {"rain": RAIN})
    patches = list(MatchedTemporalPatcher(temporal()).split(field, prefetch=prefetch))
    assert [patch.anchor for patch in patches] == [0, 2, 4, 6, 8, 10]
    for patch in patches:
        assert isinstance(patch, MatchedTemporalPatch)
        assert np.array_equal(patch.primary.data, STACK[patch.primary.indices])
        assert np.array_equal(patch.members["rain"].data, RAIN[patch.primary.indices])
        assert patch.valid_mask.all()
        assert patch.valid_mask.shape == patch.weights.shape


def test_each_series_is_aggregated_by_itself():
    field = MatchedField(STACK, {"rain": RAIN})
    patcher = MatchedTemporalPatcher(temporal(), {"rain": gp.TemporalForecast()})
    merged = patcher.merge(patcher.split(field), field)
    assert np.allclose(merged["primary"], STACK[:11])
    assert merged["rain"] == {at: RAIN[at] for at in range(0, 12, 2)}


def test_the_mask_says_at_which_steps_all_have_data():
    stack, rain = STACK.copy(), RAIN.copy()
    stack[3, 1, 1], rain[4] = np.nan, np.nan
    patcher = MatchedTemporalPatcher(temporal(sampler=gp.TemporalExplicit([5])))
    (patch,) = patcher.split(MatchedField(stack, {"rain": rain}))
    assert patch.valid_mask.tolist() == [False, False, True]
    (patch,) = patcher.split(MatchedField(stack, {"rain": rain}, valid_mask=False))
    assert patch.valid_mask is None


def test_time_may_be_another_axis_or_a_name():
    moved = np.moveaxis(STACK, 0, -1)
    patcher = MatchedTemporalPatcher(temporal())
    (first, *_) = patcher.split(MatchedField(moved, {"other": moved}), -1)
    assert (first.primary.data.shape, first.valid_mask.shape) == ((2, 3, 1), (1,))
    named = xr.DataArray(STACK, {"time": DAYS}, ("time", "y", "x"))
    turned = named.transpose("y", "time", "x")
    for patch in patcher.split(MatchedField(named, {"turned": turned}), "time"):
        assert patch.members["turned"].data.equals(turned.isel(time=patch.primary.indices))


def test_other_steps_are_found_by_their_labels():
    daily = xr.DataArray(RAIN, {"time": DAYS}, ("time",))
    hours = DAYS[0].astype("M8[h]") + np.arange(12 * 24)
    hourly = xr.DataArray(np.arange(12.0 * 24), {"time": hours}, ("time",))
    raws = []

    def thinned(raw, primary):
        raws.append(raw)
        return raw.sel(time=primary["time"])

    field = MatchedField(daily, {"hourly": hourly}, coreg={"hourly": thinned})
    (patch,) = MatchedTemporalPatcher(temporal(sampler=gp.TemporalExplicit([5]))).split(field)
    assert patch.members["hourly"].data.equals(hourly.sel(time=DAYS[3:6]))
    assert raws[0].equals(hourly.sel(time=slice(DAYS[3], DAYS[5])))


def test_other_steps_without_a_way_are_refused():
    daily = xr.DataArray(RAIN, {"time": DAYS}, ("time",))
    later = daily.assign_coords(time=DAYS + 1)
    with pytest.raises(ValueError, match="'rain' has other labels"):
        MatchedTemporalPatcher(temporal()).split(MatchedField(daily, {"rain": later}))
    with pytest.raises(ValueError, match="'rain' has 5 steps and the primary series 12"):
        MatchedTemporalPatcher(temporal()).split(MatchedField(STACK, {"rain": RAIN[:5]}))
    field = MatchedField(STACK, {"rain": RAIN}, coreg={"rain": lambda raw, primary: raw[:1]})
    with pytest.raises(ValueError, match="'rain' came back with 1 steps, and the patch .* has 3"):
        list(MatchedTemporalPatcher(temporal(sampler=gp.TemporalExplicit([5]))).split(field))


def test_stencils_and_awaiting():
    stencil = gp.TimeStencil("-2D", "1D", "1D")
    patcher = MatchedTemporalPatcher(
        temporal(gp.TemporalStencilGeometry(stencil), gp.TemporalStencilSampler(stencil, every=4))
    )
    field = MatchedField(STACK, {"rain": RAIN})

    async def go():
        return [patch.anchor async for patch in patcher.asplit(field, coord=DAYS)]

    assert asyncio.run(go()) == [2, 6, 10]
    assert len(patcher.split(field, coord=DAYS)) == 3


def test_unknown_names_are_refused():
    patcher = MatchedTemporalPatcher(temporal(), {"snow": gp.TemporalMean()})
    field = MatchedField(STACK, {"rain": RAIN})
    for call in (lambda: patcher.split(field), lambda: patcher.merge([], field)):
        with pytest.raises(ValueError, match="has no source 'snow': it has rain"):
            call()


def test_hooks_hear_of_the_merge():
    class Log(list):
        def on_merge_start(self, n):
            self.append(n)

        def on_merge_end(self, nbytes):
            self.append(nbytes)

    log = Log()
    field = MatchedField(STACK, {"rain": RAIN})
    patcher = MatchedTemporalPatcher(temporal())
    patcher.merge(patcher.split(field), field, [log])
    assert log == [6, 8 * 11 * 7]


def masks_of(*sources, **how):
    first, *others = sources
    field = MatchedField(first, {f"s{number}": other for number, other in enumerate(others)}, **how)
    sampler = gp.TemporalExplicit([3])
    (patch,) = MatchedTemporalPatcher(temporal(gp.TemporalFixedLookback(4), sampler)).split(field)
    return patch.valid_mask.tolist()


@pytest.mark.parametrize("attribute", ["_FillValue", "missing_value", "nodata"])
def test_a_value_of_missing_integers_is_no_data(attribute):
    days = xr.DataArray(np.array([1, -9, 3, 4], "int16"), dims="time", attrs={attribute: -9})
    assert masks_of(days) == [True, False, True, True]
    assert masks_of(np.arange(4.0), days) == [True, False, True, True]
    assert masks_of(np.arange(4.0), days, coreg={"s0": lambda raw, primary: raw.values}) == [True] * 4


def test_a_value_of_missing_integers_is_no_data_at_other_steps():
    primary = xr.DataArray(np.arange(4.0), dims="time", coords={"time": [0, 10, 20, 30]})
    rare = xr.DataArray(
        np.array([7, -9, 9], "int16"), dims="time", coords={"time": [0, 9, 20]}, attrs={"_FillValue": -9}
    )
    assert masks_of(primary, rare, reindex={"s0": "ffill"}) == [True, False, True, True]
    found = masks_of(primary, rare, reindex={"s0": "ffill"}, tolerance={"s0": 5})  # it is of float, then
    assert found == [True, False, True, False]


@pytest.mark.parametrize("kind", ["NA", "mixed", "text", "NaT", "dask"])
def test_what_is_missing_in_other_ways_is_no_data(kind):
    pd = pytest.importorskip("pandas")
    masked = np.ma.array([1, 2, 3, 4], mask=[False, True, False, False])
    series = {
        "NA": lambda: pd.Series([1, None, 3, 4], dtype="Int64"),
        "mixed": lambda: pd.DataFrame({"a": [1, 2, 3, 4], "b": pd.array([1, None, 3, 4], dtype="Int64")}),
        "text": lambda: pd.Series(["a", None, "c", "d"]),
        "NaT": lambda: np.array(["2024", "NaT", "2025", "2026"], "M8[D]"),
        "dask": lambda: pytest.importorskip("dask.array").from_array(masked),
    }[kind]()
    assert masks_of(series) == [True, False, True, True]
