"""Stored results, opened with their layers and smaller copies."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

import geopatcher as gp
from geopatcher.errors import SourceError
from geopatcher.inspect.arrays import RESULT, rasters_of, result_rasters, stored_rasters
from geopatcher.inspect.levels import ArrayRaster, FileRaster


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((2, 90, 120), dtype="float32")


def test_a_result_in_zarr_comes_first_and_its_layers_follow(tmp_path, image):
    target = tmp_path / "x.zarr"
    gp.reconstruct(image, lambda x: x, target, size=32, layers=("weight", "spread"))
    rasters = stored_rasters(target)
    assert next(iter(rasters)) == RESULT
    assert set(rasters) == {RESULT, "weight", "spread"}
    assert rasters[RESULT].domain.shape == image.shape
    assert rasters["weight"].domain.shape == image.shape[1:]
    assert np.allclose(rasters[RESULT].read(_box(image), [0, 1]), image)
    assert rasters["weight"].read(_box(image), [0]).min() > 0


def test_a_result_in_a_geotiff_is_a_file(tmp_path, image):
    target = tmp_path / "x.tif"
    gp.reconstruct(image, lambda x: x, target, size=32)
    rasters = stored_rasters(target)
    assert isinstance(rasters[RESULT], FileRaster)
    assert np.allclose(rasters[RESULT].read(_box(image), [1])[0], image[1])


def test_layers_beside_a_geotiff_are_those_its_ledger_names(tmp_path, image):
    target = tmp_path / "x.tif"
    result = gp.reconstruct(image, lambda x: x, target, size=32, layers=("count",))
    rasters = result_rasters(target)
    assert list(rasters) == [RESULT, "count"]
    np.testing.assert_array_equal(rasters["count"].read(_box(image), [0])[0], result.layers["count"][:])
    target.with_name("x.tif.ledger.jsonl").unlink()
    assert list(result_rasters(target)) == [RESULT]


def test_a_ledger_of_another_raster_names_no_layers(tmp_path, image):
    gp.reconstruct(image, lambda x: x, tmp_path / "x.tif", size=32, layers=("count",))
    gp.export(image[:, :50], tmp_path / "y.tif")
    for name in ("tif.ledger.jsonl", "count.tif"):
        (tmp_path / f"x.{name}").rename(tmp_path / f"y.{name}")
    assert list(result_rasters(tmp_path / "y.tif")) == [RESULT]


def test_a_result_in_memory_is_not_copied(image):
    result = gp.reconstruct(image, lambda x: x, size=32, layers=("count",))
    rasters = rasters_of(None, result.array, result.layers, result.domain)
    assert list(rasters) == [RESULT, "count"]
    assert isinstance(rasters[RESULT], ArrayRaster)
    assert rasters[RESULT].array is result.array
    assert rasters["count"].domain.dtype == np.dtype("uint16")


def test_overview_levels_are_found_by_their_size(tmp_path):
    path = tmp_path / "pyramid.zarr"
    whole = np.random.default_rng(0).random((101, 67), dtype="float32")
    group = zarr.create_group(path)
    levels = {"": whole}
    for number in (1, 2):
        above = levels[str(number - 1) if number > 1 else ""]
        levels[str(number)] = above[::2, ::2]
    for name, cells in levels.items():
        parent = group if not name else group.create_group(name)
        parent.create_array("data", data=cells, chunks=(32, 32))
    group.create_group("other").create_array("data", data=np.zeros((7, 7)))
    raster = stored_rasters(path)[RESULT]
    assert raster.levels == (2, 4)
    assert raster.read(_box(whole), [0], 4).shape == (1, 26, 17)


def test_a_single_array_is_a_result(tmp_path):
    path = tmp_path / "alone.zarr"
    zarr.save_array(path, np.arange(12.0).reshape(3, 4))
    assert list(stored_rasters(path)) == [RESULT]


def test_a_folder_that_is_no_store_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"nowhere\.tif"):
        stored_rasters(tmp_path / "nowhere.tif")


def _box(image):
    return gp.Box(0, image.shape[-2], 0, image.shape[-1])
