"""The patcher over space and time, against plain slices."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.samplers import SpatialExplicit
from geopatcher.time import SpatioTemporalPatcher

xr = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")

CUBE = np.random.default_rng(3).normal(size=(9, 20, 30))
DAYS = np.datetime64("2026-01-01") + np.arange(9)
LABELLED = xr.DataArray(
    CUBE, {"time": DAYS, "y": 200.0 - 10 * np.arange(20), "x": 10.0 * np.arange(30)}, ("time", "y", "x")
)


def spatial(boundary="cover", sampler=None, aggregation=None):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(8, boundary),
        sampler or gp.SpatialRegularStride(5),
        gp.SpatialHann(),
        aggregation or gp.SpatialOverlapAdd(),
    )


def temporal(geometry=None, sampler=None, aggregation=None):
    return gp.TemporalPatcher(
        geometry or gp.TemporalFixedLookback(4),
        sampler or gp.TemporalRegularStride(2),
        gp.TemporalTaperedTukey(),
        aggregation or gp.TemporalOverlapAdd(),
    )


@pytest.mark.parametrize("prefetch", [0, 3])
def test_patches_are_slices_of_the_cube(prefetch):
    patches = SpatioTemporalPatcher(spatial(), temporal()).split(CUBE, prefetch=prefetch)
    n = 0
    for patch in patches:
        (row, col), steps = patch.space, patch.temporal_indices
        assert steps == slice(max(0, patch.time - 3), patch.time + 1)
        assert np.array_equal(patch.data, CUBE[steps, row : row + 8, col : col + 8])
        assert (patch.spatial_indices.row_off, patch.spatial_indices.col_off) == (row, col)
        assert patch.weights.shape == patch.data.shape
        n += 1
    assert n == len(patches) == 5 * 4 * 6


@pytest.mark.parametrize(
    ("kind", "boundary"),
    [
        *[(np.asarray, boundary) for boundary in ("cover", "pad", "reflect", "shrink")],
        (zarr.array, "pad"),
        (lambda _: LABELLED, "reflect"),
        (lambda _: LABELLED.chunk(8), "cover"),
    ],
)
def test_what_is_cut_is_put_together_again(kind, boundary):
    patcher = SpatioTemporalPatcher(spatial(boundary), temporal(sampler=gp.TemporalRegularStride(4)))
    cube = kind(CUBE)
    assert np.allclose(patcher.merge(patcher.split(cube), cube), CUBE)


def test_further_axes_stay():
    cube = np.random.default_rng(0).normal(size=(2, 7, 3, 20, 30))
    patcher = SpatioTemporalPatcher(spatial(), temporal(aggregation=gp.TemporalOverlapAdd(1)), time_axis=1)
    patches = list(patcher.split(cube))
    assert patches[-1].data.shape == (2, 4, 3, 8, 8)
    assert np.allclose(patcher.merge(patches, cube), cube)


def test_a_rolling_mean_of_a_stack_is_that_of_xarray():
    patcher = SpatioTemporalPatcher(
        spatial(), temporal(sampler=gp.TemporalCausalRolling(start=3), aggregation=gp.TemporalForecast())
    )
    means = (patch.with_data(patch.data.mean("time").values[None]) for patch in patcher.split(LABELLED))
    found = patcher.merge(means, LABELLED)
    wanted = LABELLED.rolling(time=4).mean()
    assert list(found) == [3, 4, 5, 6, 7, 8]
    for time, field in found.items():
        assert np.allclose(field[0], wanted[time])


def test_the_mean_over_time_of_fields_is_a_field():
    patcher = SpatioTemporalPatcher(
        spatial(), temporal(gp.TemporalFixedLookback(1), aggregation=gp.TemporalMean())
    )
    assert np.allclose(patcher.merge(patcher.split(CUBE), CUBE)[0], CUBE[::2].mean(axis=0))


def test_labels_stay_with_the_patches():
    (patch, *_) = SpatioTemporalPatcher(spatial(), temporal(sampler=gp.TemporalExplicit([6]))).split(LABELLED)
    data = patch.data.drop_vars("spatial_ref", errors="ignore")
    assert data.equals(LABELLED.isel(time=slice(3, 7), y=slice(0, 8), x=slice(0, 8)))


def test_stencils_are_in_the_units_of_the_coordinate():
    stencil = gp.TimeStencil("-2D", "1D", "1D", closed="both")
    patcher = SpatioTemporalPatcher(
        spatial(), temporal(gp.TemporalStencilGeometry(stencil), gp.TemporalStencilSampler(stencil, every=3))
    )
    times = {patch.time for patch in patcher.split(LABELLED)}
    assert times == {patch.time for patch in patcher.split(CUBE, coord=DAYS)} == {2, 5}
    with pytest.raises(ValueError, match="pass coord="):
        patcher.split(CUBE)


def test_coupled_pairs_may_come_back_to_a_step():
    places, times = [(0, 0), (12, 22), (5, 5)], [4, 2, 4]
    patcher = SpatioTemporalPatcher(
        spatial(sampler=SpatialExplicit(places)),
        temporal(gp.TemporalFixedLookback(1), gp.TemporalExplicit(times), gp.TemporalForecast()),
        coupling="coupled",
    )
    found = patcher.merge(patcher.split(CUBE), CUBE)
    assert set(found) == {2, 4}
    assert np.allclose(found[2][0, 12:, 22:], CUBE[2, 12:, 22:])
    assert np.allclose(found[4][0, :8, :8], CUBE[4, :8, :8])
    assert np.isfinite(found[4]).sum() == 64 + 64 - 9
    fewer = SpatioTemporalPatcher(patcher.spatial, temporal(sampler=gp.TemporalExplicit([1])), "coupled")
    with pytest.raises(ValueError, match="3 places and 1 steps"):
        fewer.split(CUBE)


def test_patches_that_cannot_be_read_are_left_out():
    class Torn:
        shape, dtype, ndim = CUBE.shape, CUBE.dtype, 3

        def __getitem__(self, cut):
            part = CUBE[cut]
            if cut[-2].start == 0:
                raise OSError("torn")
            return part

    skipping = spatial()
    skipping.on_error = "skip"
    heard = []

    class Log:
        def on_patch_done(self, anchor, seconds, nbytes):
            heard.append(anchor)

    patches = list(SpatioTemporalPatcher(skipping, temporal()).split(Torn(), Log()))
    assert [patch.anchor for patch in patches] == heard
    assert 0 < len(patches) < 120


def test_awaited_patches_are_those_of_split():
    patcher = SpatioTemporalPatcher(spatial(), temporal())

    async def go():
        return [patch async for patch in patcher.asplit(CUBE, prefetch=2)]

    for one, other in zip(patcher.split(CUBE), asyncio.run(go()), strict=True):
        assert one.anchor == other.anchor
        assert np.array_equal(one.data, other.data)


def test_merging_holds_one_step_at_a_time():
    patcher = SpatioTemporalPatcher(
        spatial(), temporal(aggregation=gp.TemporalFold(lambda n, patch: n + 1, 0))
    )
    alive = []

    def counted():
        for patch in patcher.split(CUBE):
            alive.append(patch.time)
            yield patch

    class Seen(gp.TemporalAggregation):
        def merge(self, patches):
            return [(patch.anchor, max(alive)) for patch in patches]

    patcher.temporal.aggregation = Seen()
    assert all(latest <= time + 2 for time, latest in patcher.merge(counted(), CUBE))
    with pytest.raises(ValueError, match="come again"):
        patcher.merge(sorted(patcher.split(CUBE), key=lambda patch: patch.space), CUBE)


def test_hooks_hear_of_places_and_steps():
    class Log(list):
        def on_split_start(self, n):
            self.append(n)

        def on_patch_start(self, anchor):
            self.append(anchor)

        def on_merge_end(self, nbytes):
            self.append(nbytes)

    log = Log()
    patcher = SpatioTemporalPatcher(spatial(), temporal())
    patches = list(patcher.split(CUBE, [log]))
    assert log == [120, *(patch.anchor for patch in patches)]
    patcher.merge(patches, CUBE, [log])
    assert log[-1] == CUBE.nbytes


def test_another_coupling_is_refused():
    with pytest.raises(ValueError, match="coupling='zip' is neither"):
        SpatioTemporalPatcher(spatial(), temporal(), coupling="zip")


def test_a_config_has_both_patchers():
    patcher = SpatioTemporalPatcher(spatial(), temporal(), "coupled", time_axis=1)
    config = json.loads(json.dumps(patcher.get_config()))
    assert config["temporal"]["class"] == "TemporalPatcher"
    again = SpatioTemporalPatcher.from_config(config)
    assert again.get_config() == patcher.get_config()
    assert again == patcher
    with pytest.raises(TypeError, match="has no parameter 'time'"):
        SpatioTemporalPatcher.from_config({**config, "time": 3})
