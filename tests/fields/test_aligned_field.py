"""Several rasters by name as a field: against GDAL's warp of each, and the patches `reconstruct` gives."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

import geopatcher as gp
from geopatcher.fields.aligned_field import field_over
from geopatcher.fields.raster import RasterField
from geopatcher.runners import parallel_map
from geotiffs import write_geotiff

RNG = np.random.default_rng(2)
S2 = RNG.integers(0, 900, (2, 50, 60)).astype("uint16")
PLACE = Affine(10, 0, 5e5, 0, -10, 5e6)


@pytest.fixture
def rasters(tmp_path):
    """Two bands with holes, and a DEM of 15 m over more than them."""
    dem = RNG.normal(500, 90, (1, 60, 70)).astype("float32")
    dem[0, 20:24, 30:40] = np.nan
    place = Affine(15, 0, 5e5 - 150, 0, -15, 5e6 + 150)
    return {
        "s2": write_geotiff(tmp_path / "s2.tif", S2, transform=PLACE, crs="EPSG:32633", nodata=0),
        "dem": write_geotiff(tmp_path / "dem.tif", dem, transform=place, crs="EPSG:32633", nodata=np.nan),
    }


@pytest.fixture
def warped(rasters):
    grid = {"crs": "EPSG:32633", "transform": PLACE, "height": 50, "width": 60}
    with (
        rasterio.open(rasters["dem"]) as dataset,
        WarpedVRT(dataset, **grid, resampling=Resampling.bilinear) as vrt,
    ):
        return vrt.read()


def patcher(boundary="cover", **more):
    axes = gp.SpatialRectangular(16, boundary), gp.SpatialRegularStride(8), gp.SpatialHann()
    return gp.SpatialPatcher(*axes, gp.SpatialOverlapAdd(), **more)


def test_patches_are_dicts_of_what_lies_there(rasters, warped):
    patches = list(patcher().split(rasters))
    assert len(patches) == patcher().n_anchors(rasters) == 42
    for patch in patches:
        row, col = patch.anchor
        where = slice(row, row + 16), slice(col, col + 16)
        np.testing.assert_array_equal(patch.data["s2"], S2[:, *where])
        np.testing.assert_allclose(patch.data["dem"], warped[:, *where], rtol=1e-6)
    one = patcher().patch_at(rasters, (3, 5))
    np.testing.assert_array_equal(one.data["s2"], S2[:, 3:19, 5:21])


def test_they_are_cut_in_all_ways_alike(rasters, tmp_path):
    wanted = [patch.data for patch in patcher().split(rasters)]

    async def awaited():
        many = gp.AsyncSpatialPatcher(
            gp.SpatialRectangular(16),
            gp.SpatialRegularStride(8),
            gp.SpatialHann(),
            gp.SpatialOverlapAdd(),
        )
        return [patch.data async for patch in many.asplit(rasters)]

    cache = gp.PatchCache(tmp_path / "cache")
    ways = {
        "ahead": patcher().split(rasters, prefetch=3),
        "kept": patcher().split(rasters, cache=cache),
        "from the cache": patcher().split(rasters, cache=cache),
        "threads": parallel_map(patcher(), rasters, lambda data: data, n_workers=2),
    }
    found = {name: [patch.data for patch in patches] for name, patches in ways.items()}
    found["awaited"] = asyncio.run(awaited())
    assert cache.stats()["hits"] >= len(wanted)
    for name, patches in found.items():
        assert len(patches) == len(wanted), name
        for data, want in zip(patches, wanted, strict=True):
            for key in want:
                np.testing.assert_array_equal(data[key], want[key], err_msg=name)


@pytest.mark.parametrize("boundary", ["pad", "reflect", "shrink"])
def test_patches_over_the_edge_are_those_an_operator_sees(rasters, boundary):
    seen = []

    def look(patch):
        seen.append({name: array.copy() for name, array in patch.items()})
        return patch["s2"][:1] * 1.0

    patcher(boundary).reconstruct(rasters, look)
    split = [patch.data for patch in patcher(boundary).split(rasters)]
    assert len(split) >= len(seen)
    keys = [{name: array.tobytes() for name, array in each.items()} for each in split]
    assert all({name: array.tobytes() for name, array in each.items()} in keys for each in seen)


def test_each_is_reduced_by_itself(rasters, warped):
    found = patcher().reduce(rasters, gp.SpatialMeanStd())
    held = np.where(S2 == 0, np.nan, S2.astype(float))
    np.testing.assert_allclose(found["s2"]["mean"], np.nanmean(held, axis=(1, 2)))
    np.testing.assert_allclose(found["dem"]["std"], np.nanstd(warped.astype(float), axis=(1, 2)), rtol=1e-6)
    highest = patcher().reduce(rasters, gp.SpatialMax())
    np.testing.assert_array_equal(highest["s2"], patcher().reduce(rasters["s2"], gp.SpatialMax()))
    np.testing.assert_allclose(highest["dem"], warped, rtol=1e-6)


@pytest.mark.parametrize("stored", [False, True])
def test_two_passes_over_all_of_them(rasters, warped, tmp_path, stored):
    def standardise(data, found):
        assert set(data) == set(found) == {"s2", "dem"}
        return (data["s2"][:1] - found["s2"]["mean"][0]) + (data["dem"] - found["dem"]["mean"])

    target = tmp_path / "out.zarr" if stored else None
    made = patcher().two_pass(rasters, reduce_with=gp.SpatialMeanStd(), apply=standardise, target=target)
    held = np.where(S2 == 0, np.nan, S2.astype(float))
    wanted = held[:1] - np.nanmean(held[0]) + warped - np.nanmean(warped.astype(float))
    known = (S2 != 0).all(axis=0) & ~np.isnan(warped[0])
    np.testing.assert_allclose(np.asarray(made)[0][known], wanted[0][known], rtol=1e-5, atol=1e-3)
    assert np.isnan(np.asarray(made)[0][~known]).all()


def test_a_masked_function_of_two_passes_fills_one_from_the_other(rasters, warped):
    def either(data, found):
        return data["dem"].filled(-1.0)

    either.wants_mask = True
    made = patcher().two_pass(rasters, reduce_with=gp.SpatialMeanStd(), apply=either)
    np.testing.assert_allclose(made, np.where(np.isnan(warped), -1.0, warped), rtol=1e-6)


def test_a_patch_that_cannot_be_read_is_nan_in_each(rasters):
    lost = patcher(on_error="mask").splitting(rasters).mask(gp.Box(0, 16, 0, 8))
    assert {name: (array.shape, str(array.dtype)) for name, array in lost.items()} == {
        "s2": ((2, 16, 8), "float32"),
        "dem": ((1, 16, 8), "float32"),
    }
    assert all(np.isnan(array).all() for array in lost.values())


def test_a_window_and_other_data(rasters):
    field = field_over(rasters)
    np.testing.assert_array_equal(field.select(Window(3, 4, 20, 10))["s2"], S2[:, 4:14, 3:23])
    with pytest.raises(ValueError, match=r"is not inside the raster of \(50, 60\) pixels"):
        field.select(Window(50, 0, 20, 10))
    made = field.with_data(np.ones((3, 50, 60), "float32"))
    assert (made.domain.transform, made.domain.n_bands) == (PLACE, 3)
    assert isinstance(field_over(rasters["s2"]), RasterField)


def test_where_one_raster_is_taken_it_is_said(rasters, tmp_path):
    what = r"several rasters by name \(s2, dem\) are for reconstruct, .*give one of them here, .*BandStack"
    for call in (
        lambda: gp.export(rasters, tmp_path / "copy.tif"),
        lambda: gp.IndexedPatchView(patcher(), rasters),
        lambda: gp.measure_seams(rasters["s2"], source=rasters, size=16, step=8),
    ):
        with pytest.raises(TypeError, match=what):
            call()


def test_a_stack_among_several_keeps_its_dates(tmp_path):
    """An operator sees times and bands apart, and what it returns of them has their names and dates."""
    days = np.stack([S2, S2 + 3, S2 + 5])
    place = {"transform": PLACE, "crs": "EPSG:32633"}
    paths = [write_geotiff(tmp_path / f"{number}.tif", day, **place) for number, day in enumerate(days)]
    dem = write_geotiff(tmp_path / "dem.tif", np.ones((1, 50, 60), "float32"), **place)
    dates = ["2024-01-01", "2024-01-06", "2024-01-11"]
    both = {"dem": dem, "s2": gp.Stack(paths, labels=dates)}
    made = gp.reconstruct(both, lambda given: given["s2"] + given["dem"], tmp_path / "x.zarr", size=32)
    found = made.to_xarray()
    assert found.dims == ("time", "band", "y", "x")
    assert found.time.dt.strftime("%Y-%m-%d").values.tolist() == dates
    np.testing.assert_array_equal(found, days + np.float32(1))
    middle = gp.reconstruct(both, lambda given: np.median(given["s2"], axis=0), size=32, batch_size=1)
    np.testing.assert_array_equal(middle.array, np.median(days, axis=0))
