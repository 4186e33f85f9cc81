from __future__ import annotations

import numpy as np
import pytest
import rasterio
import zarr

import geopatcher as gp
from geopatcher.demo import check
from geopatcher.demo.check import TOLERANCE, compare, detail, truth
from geopatcher.demo.scene import SCALE, Scene

PIXELS = 300


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A scene, and its index as zarr and as GeoTIFF."""
    folder = tmp_path_factory.mktemp("check")
    found = (folder / "scene.tif", folder / "ndvi.zarr", folder / "ndvi.tif")
    Scene(PIXELS).write(found[0])
    ndvi = gp.Expression("(b4 - b3) / (b4 + b3)")
    for target in found[1:]:
        gp.reconstruct(found[0], ndvi, target, size=128)
    return found


def test_the_truth_is_the_index_in_double_precision():
    scene = np.array([[[9, 9, 9, 9]], [[9, 9, 9, 9]], [[1, 1000, 0, 5]], [[3, 1000, 8, 0]]], "uint16")
    np.testing.assert_array_equal(truth(scene), [[0.5, 0.0, np.nan, np.nan]])


def test_pictures_are_thinned_and_a_detail_is_not(files, monkeypatch):
    monkeypatch.setattr(check, "THUMBNAIL", 100)
    found = compare(*files)
    with rasterio.open(files[0]) as dataset:
        scene = dataset.read()
    expected = truth(scene)
    # Three pixels of the scene are one of the picture, in each strip of 256 rows by itself.
    assert found.index.shape == (85 + 14, 100)
    assert found.rgb.shape == (99, 100, 3)
    assert found.index[4, 7] == pytest.approx(expected[12:15, 21:24].mean(), rel=1e-6)
    assert found.rgb[4, 7, 0] == pytest.approx(scene[2, 12:15, 21:24].mean() / SCALE)
    rgb, index, difference = detail(files[0], files[1], corner=(40, 50), side=8)
    np.testing.assert_allclose(index, expected[40:48, 50:58], atol=TOLERANCE)
    np.testing.assert_array_equal(rgb[..., 2], scene[0, 40:48, 50:58] / SCALE)
    assert difference.max() <= TOLERANCE


def test_the_check_finds_a_wrong_value_and_a_wrong_mask(files):
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
