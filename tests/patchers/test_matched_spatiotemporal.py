"""Several fields with an axis of time."""

from __future__ import annotations

import asyncio
import dataclasses

import numpy as np
import pytest
import rasterio
from affine import Affine

import geopatcher as gp
from geopatcher.matched import MatchedField, MatchedSpatioTemporalPatch, MatchedSpatioTemporalPatcher
from geotiffs import write_geotiff

xr = pytest.importorskip("xarray")

RANDOM = np.random.default_rng(5)
STACK, RAIN = RANDOM.normal(size=(5, 2, 12, 16)), RANDOM.normal(size=(5, 12, 16))


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


@pytest.mark.parametrize("primary", ["file", "array"])
def test_a_nodata_value_of_integers_is_no_data(tmp_path, primary):
    cells = RANDOM.integers(0, 4, (5, 12, 16)).astype("uint8")
    path = write_geotiff(tmp_path / "rain.tif", cells, nodata=0)
    first = path if primary == "file" else np.ones((5, 12, 16), "uint8")
    for patch in patcher().split(MatchedField(first, {"rain": path})):
        (row, col), steps = patch.space, patch.primary.temporal_indices
        wanted = cells[steps, row : row + 8, col : col + 8] != 0
        np.testing.assert_array_equal(patch.valid_mask, wanted)


@pytest.mark.parametrize("boundary", ["pad", "reflect"])
def test_what_is_padded_is_no_data(boundary):
    space = gp.SpatialPatcher(
        gp.SpatialRectangular(10, boundary),
        gp.SpatialRegularStride(10),
        gp.SpatialBoxcar(),
        gp.SpatialOverlapAdd(),
    )
    both = gp.SpatioTemporalPatcher(space, patcher().primary.temporal)
    inside = np.pad(np.ones((12, 16), bool), ((0, 10), (0, 10)), constant_values=boundary != "pad")
    for patch in MatchedSpatioTemporalPatcher(both).split(MatchedField(STACK, {"rain": RAIN})):
        row, col = patch.space
        wanted = np.broadcast_to(inside[row : row + 10, col : col + 10], patch.valid_mask.shape)
        np.testing.assert_array_equal(patch.valid_mask, wanted)


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


def cube(days, pixel, shape, seed=0, left=0.0):
    height, width = shape
    coords = {
        "time": np.datetime64("2026-01-01", "ns") + np.array(days) * np.timedelta64(1, "D"),
        "y": 1000.0 - pixel * (np.arange(height) + 0.5),
        "x": left + pixel * (np.arange(width) + 0.5),
    }
    values = np.random.default_rng(seed).normal(size=(len(days), height, width))
    return xr.DataArray(values, coords, ("time", "y", "x"))


def nearest(raw, primary):
    return raw.sel(y=primary.y, x=primary.x, method="nearest")


FINE, COARSE = cube([0, 5, 10, 15, 20], 10, (12, 16)), cube([1, 3, 9, 16], 20, (8, 10), seed=1, left=-20.0)


@pytest.mark.parametrize("method", ["nearest", "ffill", "bfill", "exact"])
@pytest.mark.parametrize("coupling", ["product", "coupled"])
def test_another_grid_and_other_dates_are_those_of_xarray(method, coupling):
    field = MatchedField(FINE, {"coarse": COARSE}, coreg={"coarse": nearest}, reindex={"coarse": method})
    in_time = COARSE.reindex(time=FINE.time, method=None if method == "exact" else method)
    wanted = nearest(in_time, FINE)
    both = patcher()
    if coupling == "coupled":
        places = gp.SpatialExplicit([(1, 3), (4, 8), (0, 0)])
        both = gp.MatchedSpatioTemporalPatcher(
            gp.SpatioTemporalPatcher(
                dataclasses.replace(both.primary.spatial, sampler=places),
                dataclasses.replace(both.primary.temporal, sampler=gp.TemporalExplicit([4, 0, 2])),
                coupling="coupled",
            )
        )
    patches = list(both.split(field))
    assert len(patches) == (3 if coupling == "coupled" else 18)
    for patch in patches:
        (row, col), steps = patch.space, patch.primary.temporal_indices
        cells = (steps, slice(row, row + 8), slice(col, col + 8))
        for found, whole in ((patch.primary.data, FINE), (patch.members["coarse"].data, wanted)):
            xr.testing.assert_equal(found.drop_vars("spatial_ref"), whole[cells])
        assert np.array_equal(patch.valid_mask, ~np.isnan(wanted.values[cells]))
    merged = both.merge(patches, field)
    if coupling == "product":
        np.testing.assert_allclose(merged["primary"], FINE)
        np.testing.assert_allclose(merged["coarse"], wanted)


def test_a_file_on_another_grid_is_warped(tmp_path):
    cells = RANDOM.normal(size=(5, 6, 8)).astype("float32")
    profile = {"driver": "GTiff", "dtype": "float32", "count": 5, "crs": "EPSG:32633"}
    for name, pixel, values in (("fine", 10, RAIN.astype("float32")), ("coarse", 20, cells)):
        grid = {"height": values.shape[1], "width": values.shape[2]}
        place = Affine(pixel, 0, 5e5, 0, -pixel, 5e6)
        with rasterio.open(tmp_path / f"{name}.tif", "w", transform=place, **grid, **profile) as file:
            file.write(values)
    sources = {"coarse": tmp_path / "coarse.tif"}
    field = MatchedField(tmp_path / "fine.tif", sources, resampling="nearest")
    both = patcher()
    merged = both.merge(both.split(field), field)
    np.testing.assert_allclose(merged["coarse"], cells.repeat(2, axis=1).repeat(2, axis=2), rtol=1e-6)
    np.testing.assert_allclose(merged["primary"], RAIN, rtol=1e-5)


def test_the_same_grid_and_other_dates_need_no_function():
    rain = cube([1, 6, 9], 10, (12, 16), seed=2)
    field = MatchedField(FINE, {"rain": rain}, reindex={"rain": "nearest"}, tolerance={"rain": "2D"})
    both = patcher()
    wanted = rain.reindex(time=FINE.time, method="nearest", tolerance=np.timedelta64(2, "D"))
    assert np.isnan(wanted).any()
    np.testing.assert_allclose(both.merge(both.split(field), field)["rain"], wanted)
    stack = MatchedField(FINE.values, {"rain": rain}, reindex={"rain": "nearest"}, tolerance={"rain": "2D"})
    found = both.merge(both.split(stack, coord=FINE.time.values), stack)["rain"]
    np.testing.assert_allclose(found, wanted)


def test_without_reindex_a_function_is_given_the_dates_of_the_patch():
    seen = []

    def mean(raw, primary):
        seen.append((primary.time.values[0], primary.time.values[-1], raw.time.values))
        return nearest(raw.mean("time"), primary)

    field = MatchedField(FINE, {"coarse": COARSE}, coreg={"coarse": mean})
    both = patcher(sampler=gp.TemporalExplicit([1, 2]))
    for patch in both.split(field):
        first, last, found = seen[-1]
        assert np.array_equal(found, COARSE.time.sel(time=slice(first, last)))
        (row, col) = patch.space
        wanted = nearest(COARSE.sel(time=slice(first, last)).mean("time"), FINE)[row : row + 8, col : col + 8]
        np.testing.assert_allclose(patch.members["coarse"].data, wanted)
    alone = patcher(sampler=gp.TemporalExplicit([0]))  # nothing is dated the first of January
    with pytest.raises(ValueError, match="has no step between the labels of steps 0 to 0 .* say by reindex="):
        list(alone.split(field))


def test_without_a_place_on_the_ground_a_field_of_another_size_covers_the_same():
    def double(raw, primary):
        assert raw.shape == (*primary.shape[:1], primary.shape[-2] // 2, primary.shape[-1] // 2)
        return raw.repeat(2, axis=1).repeat(2, axis=2)

    field = MatchedField(STACK, {"rain": RAIN[:, ::2, ::2]}, coreg={"rain": double})
    both = patcher()
    merged = both.merge(both.split(field), field)["rain"]
    np.testing.assert_allclose(merged, RAIN[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2))


def test_what_is_ambiguous_is_refused():
    for other in (RAIN[:4], RAIN[:, 1:], RAIN[..., 2:]):
        with pytest.raises(ValueError, match=r"nothing says which belong together|is on another grid"):
            patcher().split(MatchedField(STACK, {"rain": other}))
    with pytest.raises(ValueError, match=r"reindex=\{'rain': 'nearest'\}, or give coreg"):
        patcher().split(MatchedField(FINE, {"rain": FINE.assign_coords(time=FINE.time + 1)}))
    with pytest.raises(ValueError, match=r"on another grid .* Give coreg=\{'rain': f\}"):
        patcher().split(MatchedField(FINE, {"rain": FINE.assign_coords(x=FINE.x + 5)}))
    with pytest.raises(ValueError, match="which of its pixels belong to a patch cannot be known"):
        patcher().split(MatchedField(FINE, {"rain": RAIN[:, ::2, ::2]}, coreg={"rain": nearest}))
    twice = COARSE.assign_coords(time=COARSE.time.values[[0, 1, 1, 2]])
    with pytest.raises(ValueError, match="has to increase"):
        patcher().split(
            MatchedField(FINE, {"rain": twice}, coreg={"rain": nearest}, reindex={"rain": "nearest"})
        )
    apart = COARSE.assign_coords(x=COARSE.x + 9000)
    both = MatchedField(FINE, {"rain": apart}, coreg={"rain": nearest}, reindex={"rain": "nearest"})
    with pytest.raises(ValueError, match="."):
        list(patcher().split(both))


def test_unknown_names_are_refused():
    wrong = patcher({"snow": gp.SpatialMax()})
    for call in (lambda: wrong.split(FIELD), lambda: wrong.merge([], FIELD)):
        with pytest.raises(ValueError, match="has no source 'snow': it has rain"):
            call()


def test_awaited_patches_are_those_of_split():
    async def go():
        return [patch.anchor async for patch in patcher().asplit(FIELD)]

    assert asyncio.run(go()) == [patch.anchor for patch in patcher().split(FIELD)]
