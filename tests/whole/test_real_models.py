"""Real models over real pixels: what tiles give is what the library that runs the model gives by hand."""

from __future__ import annotations

import json

import lightgbm
import numpy as np
import onnxruntime
import pytest
import rasterio
from scipy.ndimage import gaussian_filter
from scipy.special import entr, softmax

import geopatcher as gp
from wheels import inside

pytestmark = pytest.mark.once

BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
#: The ten bands of s2cloudless, in its order.
TEN = ("B01", "B02", "B04", "B05", "B08", "B8A", "B09", "B10", "B11", "B12")
UNETS = ("4b_l1c", "4b_l2a", "6b_l1c", "6b_l2a")
WINDOW = 256  # what the networks take, and nothing else
PROFILE = {
    "driver": "GTiff",
    "dtype": "uint16",
    "nodata": 0,
    "crs": "EPSG:32719",
    "transform": rasterio.Affine(10, 0, 600000, 0, -10, 4700020),
}


@pytest.fixture(scope="module")
def pixels():
    """Six Sentinel-2 bands, 200 x 300, with a cloud that is made up: the real ones are of a clear sky."""
    folder = inside("xarray-spatial==0.5.3") / "xrspatial" / "datasets" / "sentinel-2"
    read = []
    for name in ("blue", "green", "red", "nir", "swir1", "swir2"):
        with rasterio.open(folder / f"{name}_band.nc") as dataset:
            read.append(dataset.read(1))
    cloud = gaussian_filter(np.random.default_rng(0).normal(size=(200, 300)), 12)
    cloud = np.clip(cloud / cloud.max(), 0, 1)
    return np.round(np.stack(read) * (1 - cloud) + 7000 * cloud).astype("uint16")


def write(path, bands, names, **more):
    shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    with rasterio.open(path, "w", **PROFILE, **shape, **more) as dataset:
        dataset.write(bands)
        dataset.descriptions = names
    return path


@pytest.fixture(scope="module")
def mosaic(pixels, tmp_path_factory):
    """The bands and their mirror images, 400 x 600, in an order that no model asks for."""
    wide = np.concatenate([pixels, pixels[:, :, ::-1]], axis=2)
    whole = np.concatenate([wide, wide[:, ::-1]], axis=1)
    path = tmp_path_factory.mktemp("mosaic") / "mosaic.tif"
    return write(path, whole[::-1], BANDS[::-1], tiled=True), whole


# -- LightGBM, pixel by pixel ---------------------------------------------------------------------


def ten_bands(pixels):
    """Return the bands of s2cloudless: what was not measured is made of its neighbours in the spectrum."""
    blue, _, red, nir, swir1, swir2 = pixels.astype("float64")
    made = [blue * 1.05, blue, red, (red + nir) / 2, nir, nir, nir * 0.4, blue * 0.02, swir1, swir2]
    return np.stack(made).astype("uint16")


def test_the_trees_of_s2cloudless_give_in_tiles_what_they_give_at_once(pixels, tmp_path):
    trees = inside("s2cloudless==1.7.3") / "s2cloudless/models/pixel_s2_cloud_detector_lightGBM_v0.1.txt"
    bands = ten_bands(pixels[:, 60:180, 90:290])
    bands[:, 40:60, 70:110] = 0  # nodata
    scene = write(tmp_path / "scene.tif", bands[::-1], TEN[::-1])
    rows = bands.reshape(10, -1).T * 1e-4
    whole = lightgbm.Booster(model_file=trees).predict(rows).reshape(120, 200)
    known = (bands != 0).all(axis=0)
    assert 0.1 < (whole[known] > 0.4).mean() < 0.9, "there are clouds, and there is clear sky"

    model = gp.Model(trees, bands=TEN, scale=1e-4, classes=["clear", "cloud"])
    outputs = ("class", "probability", "entropy")
    here = gp.reconstruct(scene, model, tmp_path / "map.tif", outputs=outputs, size=96, chunks=64)
    assert here.plan.n_patches == 2 * 3, "single pixels need no overlap"
    two = gp.reconstruct(scene, model, tmp_path / "two.tif", outputs=outputs, size=64, chunks=64, workers=2)
    both = np.stack([1 - whole, whole])
    for result in (here, two):
        np.testing.assert_array_equal(result.valid, known)
        np.testing.assert_array_equal(result.array[:][known], (whole > 0.5)[known])
        made = result.layers["probability"][:]
        np.testing.assert_allclose(made[:, known], both[:, known], rtol=0, atol=1e-6)
        assert np.isnan(made[:, ~known]).all()
        expected = entr(both).sum(axis=0)
        np.testing.assert_allclose(result.layers["entropy"][:][known], expected[known], rtol=0, atol=1e-5)


# -- U-Nets in ONNX -------------------------------------------------------------------------------


def network(kind, folder):
    """Put one of the networks beside a record of what its own JSON says; return its path, and that."""
    source = inside("ukis-csmask==1.0.0") / "ukis_csmask" / f"model_{kind}.onnx"
    told = json.loads(source.with_suffix(".json").read_text())["data"]
    mean, std = told["dataset_statistics"]["img"]
    bands = BANDS[: told["in_channels"]]
    record = {
        "mlm:input": [{"bands": list(bands)}],
        "mlm:output": [
            {
                "classification:classes": [
                    {"value": 0, "name": "clear", "color_hint": "1b9e6a"},
                    {"value": 1, "name": "cloud", "color_hint": "eeeeee"},
                    {"value": 2, "name": "shadow", "color_hint": "333366"},
                ]
            }
        ],
        "geopatcher:steps": [
            [{"type": "scale", "value": 10_000}],
            [
                {"type": "z-score", "mean": one_mean, "stddev": one_std}
                for one_mean, one_std in zip(mean, std, strict=True)
            ],
        ],
        "geopatcher:activation": "softmax",
    }
    path = folder / f"{kind}.onnx"
    path.symlink_to(source)
    (folder / f"{kind}.mlm.json").write_text(json.dumps(record))
    return path, mean, std


class ByHand:
    """What somebody writes who has onnxruntime and NumPy."""

    def __init__(self, kind, folder):
        self.path, mean, std = network(kind, folder)
        self.mean, self.std = np.float32(mean)[:, None, None], np.float32(std)[:, None, None]
        self.session = onnxruntime.InferenceSession(self.path, providers=["CPUExecutionProvider"])

    def probabilities(self, window):
        """Return those of ``(bands, 256, 256)`` numbers as they are in the file."""
        bands = window[: len(self.mean)].astype("float32") / np.float32(10_000)
        (scores,) = self.session.run(None, {"input": ((bands - self.mean) / self.std)[None]})
        return softmax(scores[0].astype("float64"), axis=0)

    def blended(self, whole, rows, cols):
        """Return the mean of windows under a Hann taper, and its weight."""
        side = np.sin(np.pi * (np.arange(WINDOW) + 0.5) / WINDOW) ** 2
        taper = np.outer(side, side)
        total, weight = np.zeros((3, *whole.shape[1:])), np.zeros(whole.shape[1:])
        for row in rows:
            for col in cols:
                where = slice(row, row + WINDOW), slice(col, col + WINDOW)
                total[:, *where] += taper * self.probabilities(whole[:, *where])
                weight[where] += taper
        return total / weight, weight


@pytest.mark.slow
@pytest.mark.parametrize("kind", UNETS)
def test_the_unets_of_ukis_csmask_give_what_their_session_gives(kind, mosaic, tmp_path):
    scene, whole = mosaic
    hand = ByHand(kind, tmp_path)
    result = gp.reconstruct(
        scene, hand.path, tmp_path / "map.tif", outputs=("class", "probability"), step=192, chunks=256
    )
    assert result.plan.n_patches == 2 * 3
    expected, weight = hand.blended(whole, rows=(0, 144), cols=(0, 192, 344))
    made = result.layers["probability"][:]
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-3)
    # Weights are counted in steps of 4e-9, and those at the corner of a patch are smaller than that.
    np.testing.assert_allclose(made[:, weight > 1e-3], expected[:, weight > 1e-3], rtol=0, atol=1e-5)
    first, second = np.sort(expected, axis=0)[:0:-1]
    sure = first - second > 2e-3
    assert sure.mean() > 0.95
    np.testing.assert_array_equal(result.array[:][sure], expected.argmax(axis=0)[sure])
    assert len(np.unique(result.array[:])) > 1, "there is more than one class to be seen"
    numbers = list(range(1, len(hand.mean) + 1))
    # A raster that is one window is one call: the whole array at once, and nothing to blend.
    single = gp.reconstruct(
        whole[:, :WINDOW, :WINDOW], gp.Model(hand.path, bands=numbers), outputs="probability"
    )
    np.testing.assert_allclose(
        single.array, hand.probabilities(whole[:, :WINDOW, :WINDOW]), rtol=0, atol=1e-5
    )


@pytest.mark.slow
def test_no_margin_is_enough_for_networks_that_weigh_channels_by_all_of_a_patch(mosaic, tmp_path):
    """Their encoder has squeeze-and-excitation: how far they look has no end."""
    path, *_ = network("4b_l1c", tmp_path)
    found = gp.tune_margin(mosaic[0], path, samples=1)
    assert (found.shown, found.widest, found.recommended) == ((WINDOW, WINDOW), 64, None)
    assert min(found.differences) > 100 * 1e-5 * found.value_range


def test_another_size_than_the_network_takes_is_refused_with_it(mosaic, tmp_path):
    path, *_ = network("4b_l1c", tmp_path)
    for sizes in ({"size": 128}, {"size": 256, "margin": 16}):
        with pytest.raises(ValueError, match="4b_l1c.*256"):
            gp.reconstruct(mosaic[0], path, **sizes)
