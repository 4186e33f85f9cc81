"""The patcher over time, against pandas, xarray and plain slices."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.time import TemporalPatcher

xr = pytest.importorskip("xarray")
pd = pytest.importorskip("pandas")
zarr = pytest.importorskip("zarr")

HOURS = np.datetime64("2026-01-01T00") + np.arange(48)
CUBE = np.random.default_rng(3).normal(size=(48, 4, 5))


def patcher(geometry=None, sampler=None, window=None, aggregation=None):
    return TemporalPatcher(
        geometry or gp.TemporalFixedLookback(6),
        sampler or gp.TemporalRegularStride(),
        window or gp.TemporalCausalBoxcar(),
        aggregation or gp.TemporalForecast(),
    )


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 4))
def test_rolling_means_are_those_of_pandas(n, length, step):
    series = np.random.default_rng(n).normal(size=n)
    rolling = patcher(gp.TemporalFixedLookback(length), gp.TemporalRegularStride(step))
    found = rolling.merge(patch.with_data(patch.data.mean(keepdims=True)) for patch in rolling.split(series))
    wanted = pd.Series(series).rolling(length, min_periods=1).mean()[::step]
    assert list(found) == list(wanted.index)
    assert np.allclose(np.concatenate(list(found.values())), wanted)


def test_weighted_means_are_those_of_pandas():
    series = np.random.default_rng(1).normal(size=40)
    decay = patcher(gp.TemporalFixedLookback(40), window=gp.TemporalExponentialDecay(5.0))
    found = [np.average(patch.data, weights=patch.weights) for patch in decay.split(series)]
    assert np.allclose(found, pd.Series(series).ewm(alpha=1 - np.exp(-1 / 5.0)).mean())


def test_a_patch_has_data_anchor_indices_and_weights():
    (patch,) = patcher(sampler=gp.TemporalExplicit([7]), window=gp.TemporalExponentialDecay(2.0)).split(CUBE)
    assert isinstance(patch, gp.TemporalPatch)
    assert np.array_equal(patch.data, CUBE[2:8])
    assert (patch.anchor, patch.indices) == (7, slice(2, 8))
    assert np.allclose(patch.weights, np.exp(-np.arange(5, -1, -1) / 2))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_time_may_be_any_axis(axis):
    for patch in patcher().split(np.moveaxis(CUBE, 0, axis), axis):
        assert np.array_equal(np.moveaxis(patch.data, axis, 0), CUBE[patch.indices])


def test_arrays_and_stores_give_the_same(tmp_path):
    stored = zarr.create_array(tmp_path / "cube.zarr", data=CUBE, chunks=(7, 4, 5))
    labelled = xr.DataArray(CUBE, {"time": HOURS}, ("time", "y", "x"))
    plain = list(patcher().split(CUBE))
    for series in (stored, labelled, labelled.chunk({"time": 5})):
        others = list(patcher().split(series))
        assert [patch.anchor for patch in others] == [patch.anchor for patch in plain]
        for one, other in zip(plain, others, strict=True):
            assert np.array_equal(one.data, other.data)


def test_only_the_steps_of_a_patch_are_read():
    class Counting:
        shape, dtype = CUBE.shape, CUBE.dtype
        read = ()

        def __getitem__(self, cut):
            self.read = (*self.read, cut[0])
            return CUBE[cut]

    counting = Counting()
    stream = patcher().split(counting)
    assert (len(stream), counting.read) == (48, ())
    next(stream)
    assert counting.read == (slice(0, 1),)


def test_anchors_are_a_lazy_sequence():
    rolling = patcher(sampler=gp.TemporalCausalRolling(step=10, start=5))
    anchors = rolling.anchors(CUBE)
    assert anchors == [5, 15, 25, 35, 45]
    assert (len(anchors), anchors[1], list(anchors), list(anchors)) == (5, 15, [*anchors], [*anchors])
    assert rolling.n_anchors(CUBE) == 5
    assert rolling.n_anchors(CUBE, 1) == 0
    assert rolling.n_anchors(np.broadcast_to(0.0, 10**9)) == 10**8


def test_several_scales_are_several_patches_of_an_anchor():
    scales = patcher(
        gp.TemporalMultiScale((2, 5)),
        gp.TemporalExplicit([10, 20]),
        aggregation=gp.TemporalHierarchicalCombine((2, 5)),
    )
    stream = scales.split(CUBE)
    assert (len(stream), scales.n_anchors(CUBE)) == (4, 2)
    found = scales.merge(stream)
    assert {anchor: list(spans) for anchor, spans in found.items()} == {
        10: [(9, 11), (6, 11)],
        20: [(19, 21), (16, 21)],
    }
    assert np.array_equal(found[20][16, 21], CUBE[16:21])
    assert [patch.indices for patch in scales.patches_at(CUBE, 12)] == [slice(11, 13), slice(8, 13)]


def test_a_stencil_needs_a_coordinate():
    stencil = gp.TimeStencil("-9h", "3h", "1h")
    both = patcher(gp.TemporalStencilGeometry(stencil), gp.TemporalStencilSampler(stencil, every=12))
    assert both.needs_coord
    assert not patcher().needs_coord
    with pytest.raises(ValueError, match="pass coord="):
        both.split(CUBE)
    patches = list(both.split(CUBE, coord=HOURS))
    assert [patch.anchor for patch in patches] == [9, 21, 33, 45] == list(both.anchors(CUBE, coord=HOURS))
    labelled = xr.DataArray(CUBE, {"time": HOURS}, ("time", "y", "x"))
    for plain, patch in zip(patches, both.split(labelled), strict=True):
        origin = HOURS[patch.anchor]
        wanted = labelled.sel(time=slice(origin - np.timedelta64(9, "h"), origin + np.timedelta64(2, "h")))
        assert patch.data.equals(wanted)
        assert np.array_equal(plain.data, wanted)
    assert both.n_anchors(labelled, "time") == 4
    (at,) = both.patches_at(CUBE, 21, coord=HOURS)
    assert np.array_equal(at.data, CUBE[12:24])


def test_climate_calendars_are_coordinates():
    pytest.importorskip("cftime")
    days = xr.date_range("2024-02-25", periods=8, calendar="noleap", use_cftime=True)
    labelled = xr.DataArray(np.arange(8), {"time": days}, ("time",))
    stencil = gp.TimeStencil("-1D", "1D", "1D", closed="both")
    found = list(
        patcher(gp.TemporalStencilGeometry(stencil), gp.TemporalStencilSampler(stencil)).split(labelled)
    )
    assert [patch.data.values.tolist() for patch in found] == [[at - 1, at, at + 1] for at in range(1, 7)]


def test_overlapping_windows_come_back_as_the_series():
    windows = [gp.TemporalTaperedTukey(1.0), gp.TemporalExponentialDecay(3.0), gp.TemporalPeriodic(4)]
    for window in windows:
        adding = patcher(window=window, aggregation=gp.TemporalOverlapAdd())
        doubled = (patch.with_data(2 * patch.data) for patch in adding.split(CUBE))
        assert np.allclose(adding.merge(doubled), 2 * CUBE)


@pytest.mark.parametrize("prefetch", [0, 4])
def test_awaited_patches_are_those_of_split(prefetch):
    async def go():
        return [patch async for patch in patcher().asplit(CUBE, prefetch=prefetch)]

    for one, other in zip(patcher().split(CUBE, prefetch=prefetch), asyncio.run(go()), strict=True):
        assert (one.anchor, one.indices) == (other.anchor, other.indices)
        assert np.array_equal(one.data, other.data)


def test_hooks_hear_of_steps():
    class Log(list):
        def on_patch_done(self, anchor, seconds, nbytes):
            self.append((anchor, nbytes))

        def on_merge_start(self, n):
            self.append(n)

        def on_merge_end(self, nbytes):
            self.append(nbytes)

    log = Log()
    every = patcher(sampler=gp.TemporalRegularStride(20))
    every.merge(every.split(CUBE, 0, [log]), [log])
    assert log == [3, (0, 160), (20, 960), (40, 960), 3 * 160]


def test_what_reading_raises_says_which_steps():
    class Broken:
        shape, dtype = (9, 2), np.dtype(float)

        def __getitem__(self, cut):
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone") as caught:
        list(patcher().split(Broken()))
    assert caught.value.__notes__ == ["while steps 0:1 of Broken float64 (9, 2) were read"]


def test_wrong_calls_say_what_is_wrong():
    with pytest.raises(ValueError, match="no axis of a series"):
        patcher().split(CUBE, 5)
    with pytest.raises(ValueError, match="not -2"):
        patcher().split(CUBE, prefetch=-2)
    with pytest.raises(ValueError, match="coord has 3 points"):
        patcher().split(CUBE, coord=[1, 2, 3])


def test_a_config_makes_the_patcher_again():
    stencil = gp.TimeStencil("-9h", "3h", "1h")
    made = patcher(
        gp.TemporalStencilGeometry(stencil),
        gp.TemporalStencilSampler(stencil, 3, shuffle=True, seed=1),
        gp.TemporalTaperedTukey(0.25),
        gp.TemporalOverlapAdd(),
    )
    config = json.loads(json.dumps(made.get_config()))
    assert config["window"] == {"class": "TemporalTaperedTukey", "config": {"alpha": 0.25}}
    assert list(config) == ["geometry", "sampler", "window", "aggregation"]
    assert TemporalPatcher.from_config(config) == made
    with pytest.raises(TypeError, match="has no parameter 'windows'"):
        TemporalPatcher.from_config({**config, "windows": 3})
    with pytest.raises(TypeError, match="'window'"):
        TemporalPatcher.from_config({name: config[name] for name in ("geometry", "sampler", "aggregation")})
    with pytest.raises(TypeError, match="there is no class 'TemporalMeans'"):
        TemporalPatcher.from_config({**config, "window": {"class": "TemporalMeans", "config": {}}})
    fold = patcher(aggregation=gp.TemporalFold(lambda state, patch: state))
    with pytest.raises(TypeError, match="was made with the function"):
        TemporalPatcher.from_config(fold.get_config())


@pytest.mark.parametrize("given", [[1, 3], (1, 3), np.array([1, 3]), range(1, 4, 2)])
def test_a_sampler_of_ones_own_gives_any_whole_numbers(given):
    class Own(gp.TemporalSampler):
        def anchors(self, time_len):
            return iter(given) if isinstance(given, list) else given

    made = gp.TemporalPatcher(
        gp.TemporalFixedLookback(2), Own(), gp.TemporalCausalBoxcar(), gp.TemporalForecast()
    )
    series = np.arange(6.0)
    assert made.anchors(series) == [1, 3]
    assert made.n_anchors(series) == 2
    assert made.merge(made.split(series)) == {1: [1.0], 3: [3.0]}


def test_axes_of_ones_own_need_no_base_class():
    class Pair:
        def window(self, time_len, anchor):
            return slice(anchor, min(time_len, anchor + 2))

    class Ends:
        def anchors(self, time_len):
            return [0, time_len - 1]

    class Half:
        def weights(self, geometry, length):
            return np.full(length, 0.5)

    class Sums:
        def merge(self, patches):
            return [float(patch.data.sum()) for patch in patches]

    made = TemporalPatcher(Pair(), Ends(), Half(), Sums())
    assert not made.needs_coord
    series = np.arange(5.0)
    assert made.anchors(series) == [0, 4]
    assert made.merge(made.split(series)) == [1.0, 4.0]
    assert made.merge(made.split(series, coord=10 * series)) == [1.0, 4.0]
    assert [patch.weights.tolist() for patch in made.split(series)] == [[0.5, 0.5], [0.5]]
