from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import zarr
from click.testing import CliRunner

from geopatcher.cli import main
from geopatcher.demo.check import compare

PIXELS = 512


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
    *_, picture, following = output.strip().splitlines()
    assert following.startswith("next       geopatcher view ")
    picture = picture.split(maxsplit=1)[1]
    assert picture == str((path / "demo.png").resolve())
    with rasterio.open(picture) as drawn:
        pixels = drawn.read()[:3, ::3, ::3]
    assert drawn.driver == "PNG"
    assert min(drawn.shape) > 800
    assert len(np.unique(pixels.reshape(3, -1), axis=1).T) > 1000


def test_without_matplotlib_all_is_done_but_the_picture(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # as where it is not installed
    result = CliRunner().invoke(main, ["demo", "--out", str(tmp_path), "--pixels", "256"])
    assert result.exit_code == 0, result.output
    assert "check      largest error" in result.output
    *_, picture, _ = result.output.strip().splitlines()
    assert picture.startswith("picture    none: matplotlib.figure is needed for this")
    assert "pip install 'geopatcher[viz]'" in picture
    assert (tmp_path / "ndvi.tif").exists()
    assert not (tmp_path / "demo.png").exists()


def test_a_demo_that_finds_a_difference_fails(folder, tmp_path, monkeypatch):
    def off(*arguments):
        return replace(compare(*arguments), zarr_error=0.5)

    monkeypatch.setattr("geopatcher.cli.demo.compare", off)
    result = CliRunner().invoke(main, ["demo", "--out", str(tmp_path / "new" / "demo"), "--pixels", "256"])
    assert result.exit_code == 1
    assert "Error: the results differ from the whole-array truth" in result.output
