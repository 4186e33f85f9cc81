"""Several fields with an axis of time."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.matched import MatchedField, MatchedSpatioTemporalPatch, MatchedSpatioTemporalPatcher

xr = pytest.importorskip("xarray")

RANDOM = np.random.default_rng(5)
STACK, RAIN = RANDOM.normal(size=(5, 2, 12, 16)), RANDOM.normal(size=(5, 12, 16))
DAYS = np.datetime64("2026-01-01") + np.arange(5)


def patcher(aggregators=None, sampler=None, **more):
    space = gp.SpatialPatcher(
        gp.SpatialRectangular(8), gp.SpatialRegularStride(4), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    time = gp.TemporalPatcher(
        gp.TemporalFixedLookback(2),
        sampler or gp.TemporalRegularStride(2),
        gp.TemporalCausalBoxcar(),
        gp.TemporalOverlapAdd(),
    )
    return MatchedSpatioTemporalPatcher(gp.SpatioTemporalPatcher(space, time, **more), aggregators or {})


FIELD = MatchedField(STACK, {"rain": RAIN})


@pytest.mark.parametrize("prefetch", [0, 2])
def test_members_are_cut_where_and_when_the_primary_one_is(prefetch):
    patches = patcher().split(FIELD, prefetch=prefetch)
    n = 0
    for patch in patches:
        assert isinstance(patch, MatchedSpatioTemporalPatch)
        (row, col), steps = patch.space, patch.primary.temporal_indices
        assert steps == slice(max(0, patch.time - 1), patch.time + 1)
        assert np.array_equal(patch.primary.data, STACK[steps, :, row : row + 8, col : col + 8])
        assert np.array_equal(patch.members["rain"].data, RAIN[steps, row : row + 8, col : col + 8])
        assert patch.valid_mask.shape == patch.weights.shape
        assert patch.valid_mask.all()
        n += 1
    assert n == len(patches) == 3 * 2 * 3


def test_each_field_is_put_together_by_itself():
    for given, wanted in (
        ({}, RAIN),
        ({"rain": gp.SpatialMax()}, RAIN),
        ({"rain": gp.TemporalForecast()}, {at: RAIN[at : at + 1] for at in (0, 2, 4)}),
        ({"rain": (gp.SpatialMax(), gp.TemporalForecast())}, {at: RAIN[at : at + 1] for at in (0, 2, 4)}),
    ):
        both = patcher(given)
        merged = both.merge(both.split(FIELD), FIELD)
        assert np.allclose(merged["primary"], STACK)
        if isinstance(wanted, dict):
            assert list(merged["rain"]) == list(wanted)
            assert all(np.allclose(merged["rain"][at], field) for at, field in wanted.items())
        else:
            assert np.allclose(merged["rain"], wanted)


def test_the_mask_has_steps_rows_and_columns():
    stack, rain = STACK.copy(), RAIN.copy()
    stack[2, 1, 3, 4], rain[3, 5, 6] = np.nan, np.nan
    (patch, *_) = patcher(sampler=gp.TemporalExplicit([3])).split(MatchedField(stack, {"rain": rain}))
    wanted = np.ones((2, 8, 8), bool)
    wanted[0, 3, 4] = wanted[1, 5, 6] = False
    assert np.array_equal(patch.valid_mask, wanted)


def test_coreg_is_given_both_patches():
    field = MatchedField(STACK, {"rain": RAIN}, coreg={"rain": lambda raw, primary: raw + primary[:, 0]})
    both = patcher()
    assert np.allclose(both.merge(both.split(field), field)["rain"], RAIN + STACK[:, 0])
    flat = MatchedField(STACK, {"rain": RAIN}, coreg={"rain": lambda raw, primary: raw.mean(axis=0)})
    (patch, *_) = both.split(flat)
    assert patch.members["rain"].data.shape == (8, 8)
    assert patch.valid_mask.shape == (1, 8, 8)
    wrong = MatchedField(STACK, {"rain": RAIN}, coreg={"rain": lambda raw, primary: raw[:, 1:]})
    with pytest.raises(ValueError, match="'rain' came back as"):
        list(both.split(wrong))


def test_other_places_or_steps_are_refused():
    for other in (RAIN[:4], RAIN[:, 1:], RAIN[..., 2:]):
        with pytest.raises(ValueError, match="bring it to the grid and the steps"):
            patcher().split(MatchedField(STACK, {"rain": other}))
    coords = {"time": DAYS, "y": -10.0 * np.arange(12), "x": 10.0 * np.arange(16)}
    labelled = xr.DataArray(RAIN, coords, ("time", "y", "x"))
    with pytest.raises(ValueError, match="other labels along time"):
        patcher().split(MatchedField(labelled, {"rain": labelled.assign_coords(time=DAYS + 1)}))
    with pytest.raises(ValueError, match="bring it to the grid"):
        patcher().split(
            MatchedField(labelled, {"rain": labelled.assign_coords(x=5.0 + 10.0 * np.arange(16))})
        )


def test_unknown_names_are_refused():
    wrong = patcher({"snow": gp.SpatialMax()})
    for call in (lambda: wrong.split(FIELD), lambda: wrong.merge([], FIELD)):
        with pytest.raises(ValueError, match="has no source 'snow': it has rain"):
            call()


def test_awaited_patches_are_those_of_split():
    async def go():
        return [patch.anchor async for patch in patcher().asplit(FIELD)]

    assert asyncio.run(go()) == [patch.anchor for patch in patcher().split(FIELD)]
