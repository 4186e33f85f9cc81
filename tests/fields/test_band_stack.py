"""Bands of several rasters in one, against rasterio and NumPy over whole arrays."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields.band_stack import BandStack
from geotiffs import write_geotiff

RNG = np.random.default_rng(8)
WHOLE = Box(0, 120, 0, 180)


def place(side=10.0, col=0.0, row=0.0):
    return Affine(side, 0, 500_000 + 10 * col, 0, -side, 4_600_000 - 10 * row)


def written(path, array, side=10.0, **keywords):
    return write_geotiff(path, array, **({"crs": "EPSG:32633", "transform": place(side)} | keywords))


@pytest.fixture
def item(tmp_path):
    """Bands of 10, 20 and 60 m of one item, 0 where there is no data."""
    paths = {}
    for name, side in (("B04", 10), ("B11", 20), ("B01", 60)):
        array = RNG.integers(1, 5000, (1, 1200 // side, 1800 // side)).astype("uint16")
        array[:, :2, :3] = 0
        paths[name] = written(tmp_path / f"{name}.tif", array, side, nodata=0)
    return paths


def warped(path, method="nearest"):
    with (
        rasterio.Env(GDAL_VRT_WARP_USE_DATASET_RASTERIO="NO"),
        rasterio.open(path) as dataset,
        WarpedVRT(
            dataset, crs="EPSG:32633", transform=place(), width=180, height=120, resampling=Resampling[method]
        ) as vrt,
    ):
        return vrt.read()


@pytest.mark.parametrize("method", [None, "bilinear"])
def test_bands_of_an_item_on_the_grid_of_the_first(item, method):
    stack = BandStack(item, resampling=method)
    wanted = np.concatenate([warped(path, method or "nearest") for path in item.values()])
    assert np.array_equal(stack.read(WHOLE), wanted)
    assert stack.domain.band_names == ("B04", "B11", "B01")
    assert stack.domain.nodata == 0
    assert stack.domain.dtype == np.uint16
    part = Box(7, 61, 3, 99)
    pixels = stack.read(part)
    assert np.array_equal(pixels, wanted[:, 7:61, 3:99])
    assert np.array_equal(stack.valid(part, pixels), wanted[:, 7:61, 3:99] != 0)
    assert np.array_equal(stack.valid(part, pixels.copy()), wanted[:, 7:61, 3:99] != 0)


def test_a_run_over_a_stack_is_the_operator_over_the_whole(item, tmp_path):
    target = tmp_path / "ratio.tif"

    def ratio(patch):
        return patch[1:] / np.maximum(patch[:1], 1).astype("float32")

    result = gp.reconstruct(BandStack(item), ratio, target, size=64, skip_empty=False)
    bands = [warped(path) for path in item.values()]
    wanted = np.concatenate(bands[1:]) / np.where(bands[0] == 0, 1, bands[0])
    missing = np.broadcast_to((np.concatenate(bands) == 0).any(axis=0), wanted.shape)
    assert np.allclose(result.array[:][~missing], wanted[~missing])
    assert np.isnan(result.array[:][missing]).all()
    again = gp.reconstruct(BandStack(item), ratio, target, size=64, skip_empty=False)
    assert np.array_equal(again.array[:], result.array[:], equal_nan=True)
    with pytest.raises(gp.errors.GeopatcherError, match="source"):
        gp.reconstruct(BandStack(dict(reversed(item.items()))), ratio, target, size=64)


def test_it_is_put_on_another_grid(item):
    stack = BandStack(list(item.values()), gp.Grid(resolution=60))
    assert stack.domain.grid_shape == (20, 30)
    assert stack.domain.band_names == ("b1", "b2", "b3")
    assert BandStack(item, item["B11"]).domain.grid_shape == (60, 90)


def test_some_bands_are_read_alone(item):
    several = written(item["B04"].with_name("three.tif"), RNG.integers(1, 9, (3, 120, 180)).astype("uint8"))
    stack = BandStack({"rgb": several, "B11": item["B11"]})
    assert stack.domain.band_names == ("rgb b1", "rgb b2", "rgb b3", "B11")
    whole = stack.read(WHOLE)
    for picked in ([2], [3, 0], [1, 2, 0, 3], [3, 3]):
        part = stack.select_bands(picked)
        assert np.array_equal(part.read(WHOLE), whole[picked])
        assert part.domain.band_names == tuple(stack.domain.band_names[band] for band in picked)
    assert stack.select_bands([1]).files() == (several,)
    assert np.array_equal(pickle.loads(pickle.dumps(stack)).read(WHOLE), whole)  # noqa: S301 - made here


def test_dtypes_that_one_holds(tmp_path, item):
    mask = written(tmp_path / "mask.tif", RNG.integers(0, 2, (1, 120, 180)).astype("uint8"))
    dem = written(tmp_path / "dem.tif", RNG.random((1, 120, 180), "float32"))
    assert BandStack([item["B04"], mask]).domain.dtype == np.uint16
    stack = BandStack({"B04": item["B04"], "dem": dem})
    assert stack.domain.dtype == np.float32
    pixels = stack.read(WHOLE)
    assert np.array_equal(np.isnan(pixels[0]), warped(item["B04"])[0] == 0)
    assert stack.valid(WHOLE, pixels) is None
    assert stack.domain.nodata is None
    wide = gp.RasterField.from_array(np.zeros((1, 120, 180), "int64"), transform=place(), crs="EPSG:32633")
    with pytest.raises(SourceError, match="holds int64, .* only float64 would hold all, and not exactly"):
        BandStack([dem, wide])


def test_where_one_does_not_reach_its_band_is_missing(tmp_path):
    left = written(tmp_path / "left.tif", np.full((1, 120, 90), 3, "uint8"))
    whole = written(tmp_path / "whole.tif", np.full((1, 120, 180), 4, "uint8"))
    stack = BandStack([whole, left])
    pixels = stack.read(WHOLE)
    known = stack.valid(WHOLE, pixels)
    assert known[0].all()
    assert known[1, :, :90].all()
    assert not known[1, :, 90:].any()


def test_refusals(item, tmp_path):
    far = written(tmp_path / "far.tif", np.ones((1, 9, 9), "uint16"), transform=place(10, 9000))
    with pytest.raises(SourceError, match=r"far \(.*far\.tif\) lies nowhere on .*B04\.tif"):
        BandStack({"B04": item["B04"], "far": far})
    with pytest.raises(ValueError, match="there is none"):
        BandStack([])
    with pytest.raises(ValueError, match="resampling is one of"):
        BandStack(item, resampling="best")
    with pytest.raises(TypeError, match="a list of rasters"):
        BandStack("a.tif")
    with pytest.raises(TypeError, match="a scene is a path"):
        BandStack([np.zeros((3, 3))])


def test_repr_and_name(item):
    assert repr(BandStack(item)) == "BandStack(3 bands, 120 x 180 pixels)"
    assert "a stack of 3 band(s), " in BandStack(item).name
