"""How a source is read: on another grid."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling

import geopatcher as gp
from warps import warped_whole

IMAGE = np.random.default_rng(0).integers(1, 1000, (2, 120, 140)).astype("uint16")


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.tif"
    profile = {"driver": "GTiff", "count": 2, "height": 120, "width": 140, "dtype": "uint16", "nodata": 0}
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_300_000)}
    with rasterio.open(path, "w", **profile, **place) as dataset:
        dataset.write(IMAGE)
    return path


def test_another_crs_is_what_gdal_warps(scene):
    result = gp.reconstruct(scene, np.copy, size=64, dst_crs="EPSG:4326", resampling="bilinear")
    cells, held = warped_whole(scene, result.domain, "bilinear")
    assert np.array_equal(result.array, np.where(held, cells, 0))


def test_another_resolution_in_a_list_and_in_a_plan(scene):
    made = gp.plan([scene], size=32, resolution=20)
    assert made.shape[-2:] == (60, 70)
    result = gp.reconstruct([scene], np.copy, size=32, resolution=20, resampling="average")
    with rasterio.open(scene) as dataset:
        wanted = dataset.read(out_shape=(2, 60, 70), resampling=Resampling.average)
    assert np.abs(result.array.astype(int) - wanted.astype(int)).max() <= 1


def test_a_patcher_passes_it_on(scene):
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(32), gp.SpatialRegularStride(16), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    assert patcher.plan(scene, resolution=20).shape[-2:] == (60, 70)
    assert patcher.reconstruct(scene, np.copy, resolution=20).array.shape == (2, 60, 70)


@pytest.mark.parametrize("verb", [gp.plan, lambda source, **more: gp.reconstruct(source, np.copy, **more)])
def test_what_makes_no_sense_is_refused(scene, verb):
    with pytest.raises(ValueError, match="resampling='cubic' .* give dst_crs or resolution"):
        verb(scene, resampling="cubic")
    with pytest.raises(TypeError, match=r"files, not ndarray: give geopatcher\.ReprojectingRasterField"):
        verb(IMAGE, dst_crs="EPSG:4326")
    with pytest.raises(TypeError, match=r"got an unexpected keyword argument 'crs': it takes aggregation"):
        verb(scene, crs="EPSG:4326")
