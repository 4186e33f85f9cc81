from __future__ import annotations

import numpy as np
import pytest
import rasterio

from geopatcher.demo.check import truth
from geopatcher.demo.scene import BANDS, NODATA_FROM, Ground, Scene, smooth

PIXELS = 512


def test_covers_hide_what_is_below_and_shares_add_up():
    ground = Ground((2, 3))
    ground.cover((1.0, 0.0), 0.25)
    ground.shade(np.full((2, 3), 0.5, np.float32))
    ground.cover((0.0, 1.0), 1.0, light=2.0)
    ground.cover((9.0, 9.0), 1.0)
    red, blue = ground.reflectance()
    np.testing.assert_allclose(red, 0.25)
    np.testing.assert_allclose(blue, 0.75)  # 0.75 left, half the light, twice the brightness


def test_smooth_is_a_step_without_corners():
    value = np.linspace(-1, 2, 301)
    step = smooth(0, 1, value)
    assert (step[value <= 0] == 0).all()
    assert (step[value >= 1] == 1).all()
    assert (np.diff(step) >= 0).all()
    assert np.abs(np.diff(step, 2)).max() < 0.001


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    Scene(PIXELS).write(path)
    return path


@pytest.fixture(scope="module")
def scene(file):
    with rasterio.open(file) as dataset:
        return dataset.read()


def test_the_scene_is_the_same_every_time(scene):
    again = Scene(PIXELS)
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in again.strips()], axis=1), scene)
    assert (Scene(PIXELS, seed=8).rows(0, 16) != scene[:, :16]).any()


def test_the_scene_has_what_a_scene_has(file, scene):
    with rasterio.open(file) as dataset:
        assert (dataset.count, dataset.dtypes[0], dataset.nodata) == (4, "uint16", 0)
        assert dataset.crs.to_epsg() == 32633
        assert dataset.res == (10, 10)
        assert dataset.descriptions == BANDS
        assert dataset.block_shapes[0] == (256, 256)
        assert dataset.compression.value == "DEFLATE"
    row, col = np.mgrid[:PIXELS, :PIXELS] / PIXELS
    gone = col + 0.55 * row > NODATA_FROM
    np.testing.assert_array_equal((scene == 0).all(axis=0), gone)
    np.testing.assert_array_equal((scene == 0).any(axis=0), gone)
    assert 0.005 < gone.mean() < 0.05
    index = truth(scene)
    clouds = scene[0] > 4000
    assert 0.005 < clouds.mean() < 0.3
    assert (index > 0.6).mean() > 0.2  # vegetation
    assert (index < 0).mean() > 0.005  # water
    assert ((index > 0) & (index < 0.4)).mean() > 0.1  # soil
