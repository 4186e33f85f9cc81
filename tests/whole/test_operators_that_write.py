"""What an operator writes into, and what it gives again: no other patch sees it."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import xarray
import zarr

import geopatcher as gp
from geopatcher import (
    SpatialHann,
    SpatialMeanStd,
    SpatialOverlapAdd,
    SpatialRectangular,
    SpatialRegularStride,
)
from geopatcher.api.runners import parallel_map
from geopatcher.executors import ProcessExecutor
from geotoolz import patch_ops

SIZES = {"size": 16, "step": 8}
IMAGE = np.random.default_rng(5).random((2, 40, 56), dtype="float32") + 1


def patcher(**keywords):
    axes = SpatialRectangular(16), SpatialRegularStride(8), SpatialHann(), SpatialOverlapAdd()
    return gp.SpatialPatcher(*axes, **keywords)


def in_place(patch, *_):
    patch *= 2
    return patch


def in_place_by_bands(patch, *_):
    """Write into the input, and return views of it."""
    patch *= 2
    patch[..., 0, 0] += 0
    return patch[..., ::-1, :][..., ::-1, :]


class SameMemory:
    """Returns all of its results in one array."""

    __name__ = "same_memory"

    def __init__(self):
        self.out = {}

    def __call__(self, patch, *_):
        data = np.asarray(patch)
        out = self.out.setdefault(data.shape, np.empty(data.shape, data.dtype))
        return np.multiply(data, 2, out=out)


class SameMemoryFailsInBatches(SameMemory):
    """The same, but for batches of more than one patch, in which it fails."""

    def __call__(self, patch, *_):
        if patch.ndim == 4 and len(patch) > 1:
            raise ValueError("one by one, please")
        return super().__call__(patch)


def stored(tmp_path):
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=56, height=40, count=2, dtype="float32", nodata=-1
    ) as out:
        out.write(IMAGE)
    zarr.save_array(tmp_path / "a.zarr", IMAGE)
    return {"tif": str(tmp_path / "a.tif"), "zarr": str(tmp_path / "a.zarr")}


def held():
    array = IMAGE.copy()
    labelled = xarray.DataArray(array, dims=("band", "y", "x"))
    masked = np.ma.array(array, mask=np.zeros(array.shape, bool))
    return {"ndarray": (array, array), "DataArray": (labelled, array), "masked": (masked, array)}


@pytest.mark.parametrize("operator", [in_place, in_place_by_bands, SameMemory()])
@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"batch_size": 4},
        {"on_error": "retry", "max_retries": 2},
        {"boundary": "pad"},
        {"boundary": "reflect"},
        {"boundary": "shrink"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["ndarray", "DataArray", "masked", "tif", "zarr"])
def test_what_one_patch_is_written_into_no_other_sees(operator, keywords, kind, tmp_path):
    source, array = held()[kind] if kind in held() else (stored(tmp_path)[kind], None)
    result = gp.reconstruct(source, operator, **SIZES, **keywords)
    np.testing.assert_allclose(result.array, 2 * IMAGE, rtol=1e-6)
    if array is not None:
        np.testing.assert_array_equal(array, IMAGE)


@pytest.mark.parametrize("keywords", [{}, {"batch_size": 4}], ids=str)
def test_nor_where_it_is_blended_behind_the_next_call(keywords, monkeypatch):
    monkeypatch.setattr("geopatcher.engine.run.pays_behind", lambda _: True)
    for _ in range(20):
        result = gp.reconstruct(IMAGE, SameMemory(), **SIZES, **keywords)
        np.testing.assert_allclose(result.array, 2 * IMAGE, rtol=1e-6)


def test_nor_in_workers():
    array = IMAGE.copy()
    result = gp.reconstruct(array, in_place, executor=ProcessExecutor(2), chunks=16, **SIZES)
    np.testing.assert_allclose(result.array, 2 * IMAGE, rtol=1e-6)
    np.testing.assert_array_equal(array, IMAGE)


@pytest.mark.parametrize("operator", [in_place, in_place_by_bands, SameMemory(), SameMemoryFailsInBatches()])
def test_nor_on_other_ways(operator):
    array = IMAGE.copy()
    grid = patcher()
    ways = [
        gp.reconstruct(array, operator, on_error="skip", batch_size=4, **SIZES).array,
        gp.reconstruct(array, gp.masked(operator), batch_size=4, on_error="skip", **SIZES).array,
        grid.merge(parallel_map(grid, array, operator, n_workers=1, batch_size=8), array),
        grid.merge(list(parallel_map(grid, array, operator, n_workers=1, batch_size=8)), array),
        grid.two_pass(array, reduce_with=SpatialMeanStd(), apply=operator),
        grid.merge((patch.with_data(operator(patch.data)) for patch in grid.split(array)), array),
        grid.merge((task.compute() for task in grid.to_delayed(array, in_place)), array),
        patch_ops.Stitch(SpatialOverlapAdd(), array)(
            patch_ops.ApplyToChips(operator)(patch_ops.GridSampler(grid)(array))
        ),
    ]
    for way in ways:
        np.testing.assert_allclose(way, 2 * IMAGE, rtol=1e-6)
    np.testing.assert_array_equal(array, IMAGE)


@pytest.mark.parametrize("aggregation", ["median", "max", "mean"])
def test_nor_where_an_aggregation_keeps_what_it_is_given(aggregation):
    result = gp.reconstruct(IMAGE, SameMemory(), aggregation=aggregation, **SIZES)
    np.testing.assert_allclose(result.array, 2 * IMAGE, rtol=1e-6)
