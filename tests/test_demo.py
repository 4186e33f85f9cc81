"""The demo: its scene, its check, its picture, and the command."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio
import zarr
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from geopatcher.cli import main
from geopatcher.demo.check import compare, truth
from geopatcher.demo.noise import Noise, spline
from geopatcher.demo.picture import natural
from geopatcher.demo.scene import BANDS, NODATA_FROM, Ground, Scene, smooth

PIXELS = 512


@given(st.lists(st.floats(0, 40), min_size=1, max_size=20))
def test_spline_weights_are_those_of_scipy(positions):
    first, weights = spline(np.array(positions))
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-12)
    for position, start, found in zip(positions, first, weights.T, strict=True):
        for knot in range(4):
            basis = BSpline.basis_element(np.arange(5.0) + start + knot - 3)
            expected = basis(position) if start + knot - 3 <= position <= start + knot + 1 else 0
            assert found[knot] == pytest.approx(float(expected), abs=1e-9)


def test_noise_is_a_surface_of_unit_variance_that_does_not_depend_on_the_strips():
    noise = Noise(seed=3, knots=20, octaves=4, width=300)
    y = np.arange(300) / 300
    whole = noise.rows(y)
    parts = np.concatenate([noise.rows(y[:77]), noise.rows(y[77:])])
    np.testing.assert_allclose(parts, whole, atol=1e-4)
    assert abs(whole.mean()) < 0.15
    assert 0.8 < whole.std() < 1.2
    assert np.abs(np.diff(whole, axis=0)).max() < 1  # no jumps


def test_noise_that_is_shifted_is_the_same_surface_elsewhere():
    shifted = Noise(seed=3, knots=5, octaves=1, width=50, shift=(0.25, 0.5))
    y = np.arange(10) / 50
    assert shifted.rows(y).shape == (10, 50)
    wide = Noise(seed=3, knots=5, octaves=1, width=50, shift=(0.0, 0.5))
    np.testing.assert_allclose(shifted.rows(y), wide.rows(y + 0.25), atol=1e-5)


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
def folder(tmp_path_factory):
    """A folder with the demo run in it, and what it printed."""
    path = tmp_path_factory.mktemp("demo")
    result = CliRunner().invoke(main, ["demo", "--out", str(path), "--pixels", str(PIXELS)])
    assert result.exit_code == 0, result.output
    return path, result.output


@pytest.fixture(scope="module")
def scene(folder):
    with rasterio.open(folder[0] / "scene.tif") as dataset:
        return dataset.read()


def test_the_scene_is_the_same_every_time(scene):
    again = Scene(PIXELS)
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in again.strips()], axis=1), scene)
    assert (Scene(PIXELS, seed=8).rows(0, 16) != scene[:, :16]).any()


def test_the_scene_has_what_a_scene_has(folder, scene):
    with rasterio.open(folder[0] / "scene.tif") as dataset:
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


def test_both_results_are_the_index_computed_at_once(folder, scene):
    expected = (scene[3].astype("float64") - scene[2]) / np.maximum(scene[3].astype("float64") + scene[2], 1)
    expected[scene[2] == 0] = np.nan
    stored = zarr.open_group(folder[0] / "ndvi.zarr", mode="r")["data"][0]
    with rasterio.open(folder[0] / "ndvi.tif") as dataset:
        written = dataset.read(1)
    np.testing.assert_array_equal(stored, written)
    np.testing.assert_allclose(stored, expected, atol=5e-7, rtol=0)


def test_it_prints_the_summaries_the_check_and_where_the_picture_is(folder):
    path, output = folder
    assert f"{PIXELS:,} x {PIXELS:,} pixels, 4 x uint16" in output
    assert output.count("overlap 50%") == 2
    assert f"result     {path / 'ndvi.zarr'}" in output
    assert f"result     {path / 'ndvi.tif'}" in output
    assert "check      largest error" in output
    picture = output.strip().splitlines()[-1].split(maxsplit=1)[1]
    assert picture == str((path / "demo.png").resolve())
    with rasterio.open(picture) as drawn:
        pixels = drawn.read()[:3, ::3, ::3]
    assert drawn.driver == "PNG"
    assert min(drawn.shape) > 800
    assert len(np.unique(pixels.reshape(3, -1), axis=1).T) > 1000


def test_the_check_finds_a_wrong_value_and_a_wrong_mask(folder):
    path = folder[0]
    files = (path / "scene.tif", path / "ndvi.zarr", path / "ndvi.tif")
    right = compare(*files)
    assert right.passed
    assert right.missing == np.isnan(truth(rasterio.open(files[0]).read())).sum()
    array = zarr.open_group(files[1], mode="r+")["data"]
    kept = array[0, 5:7, 5]
    try:
        array[0, 5, 5] = kept[0] + 1e-5
        array[0, 6, 5] = np.nan
        wrong = compare(*files)
    finally:
        array[0, 5:7, 5] = kept
    assert not wrong.passed
    assert wrong.zarr_error == pytest.approx(1e-5, rel=0.1)
    assert wrong.tiff_error == right.tiff_error
    assert wrong.wrong_mask == 1
    assert wrong.difference[5, 5] == pytest.approx(1e-5, rel=0.1)


def test_a_demo_that_finds_a_difference_fails(folder, tmp_path, monkeypatch):
    def off(*arguments):
        return replace(compare(*arguments), zarr_error=0.5)

    monkeypatch.setattr("geopatcher.cli.demo.compare", off)
    result = CliRunner().invoke(main, ["demo", "--out", str(tmp_path / "new" / "demo"), "--pixels", "256"])
    assert result.exit_code == 1
    assert "Error: the results differ from the whole-array truth" in result.output


def test_colours_are_between_black_and_white():
    shown = natural(np.array([[[0.0, 0.05, 0.2], [2.0, np.nan, np.nan]]]))
    assert shown[0, 0, 0] == 0
    assert (np.diff(shown[0, 0]) > 0).all()
    assert 0.99 < shown[0, 1, 0] <= 1
    assert (shown[0, 1, 1:] == 0.92).all()
