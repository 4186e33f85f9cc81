"""The margin an operator needs, for operators whose need of it is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import geopatcher as gp
from geopatcher.errors import OperatorError
from geopatcher.report.margins import MarginTuning, tune_margin
from networks import ConvNet

IMAGE = np.random.default_rng(0).random((3, 220, 260), dtype="float32")


def mean_of(side):
    return lambda image: np.stack([ndimage.uniform_filter(band, side, mode="constant") for band in image])


def blocks(image):
    """A mean of neighbouring blocks of 8 x 8 pixels, in a result of as many pixels."""
    coarse = image.reshape(len(image), image.shape[1] // 8, 8, -1, 8).mean(axis=(2, 4))
    return ndimage.uniform_filter(coarse, (1, 3, 3)).repeat(8, axis=1).repeat(8, axis=2)


@pytest.mark.parametrize("radius", [0, 1, 5, 16])
def test_it_is_how_far_an_operator_looks(radius):
    found = tune_margin(IMAGE, mean_of(2 * radius + 1), size=64, samples=2)
    assert found.needed == found.recommended == radius
    assert min(found.differences[:radius], default=1) > 1e-3
    assert not found.has_a_grid


@pytest.mark.parametrize("shape", [(3, 220, 260), (1, 50, 300), (40, 41), (3, 3)])
def test_rasters_of_any_size(shape):
    image = np.random.default_rng(1).random(shape)
    found = tune_margin(image, lambda x: mean_of(5)(x.reshape(-1, *x.shape[-2:])), size=32)
    assert found.needed == 2


def test_a_network_of_a_file_and_the_run_that_takes_its_margin(tmp_path):
    net = ConvNet.random(bands=2)
    model = gp.Model(net.save(tmp_path / "net.onnx"), bands=[3, 1], activation="softmax", classes=list("abc"))
    found = tune_margin(IMAGE, model, size=48, samples=1)
    assert found.needed == 2
    assert found.value_range <= 1, "probabilities, not classes"
    scores = net.scores(IMAGE[[2, 0]])
    powers = np.exp(scores - scores.max(axis=0))
    sizes = {"size": 40, "step": 40, "window": "boxcar", "outputs": "probability"}
    for margin, equal in ((found.recommended, True), (found.recommended - 1, False)):
        tiled = gp.reconstruct(IMAGE, model, margin=margin, **sizes).array
        assert np.allclose(tiled, powers / powers.sum(axis=0), rtol=0, atol=1e-5) is equal


def test_an_operator_that_sees_all_of_its_patch_needs_more_than_any_margin():
    found = tune_margin(IMAGE, lambda x: x - x.mean(), size=64, samples=1)
    assert (found.needed, found.recommended) == (None, None)
    assert min(found.differences) > 1e-4
    assert "no margin up to 32 is enough" in str(found)


def test_an_operator_that_works_on_a_grid_is_known_by_windows_one_pixel_apart():
    found = tune_margin(IMAGE, blocks, size=64, samples=1)
    assert (found.needed, found.has_a_grid) == (8, True)
    assert "note: patches that begin one pixel apart differ by 0.0" in str(found)


def test_margins_of_a_model_are_multiples_of_its_own(tmp_path):
    path = ConvNet.random().save(tmp_path / "net.onnx", size=(64, 64))
    found = tune_margin(IMAGE, gp.Model(path, multiple=16), samples=1)
    assert (found.shown, found.needed, found.recommended) == ((64, 64), 2, 16)
    assert "recommended: margin 16 and size 32: the smallest of the multiples of 16" in str(found)


@pytest.mark.parametrize(
    ("operator", "scale", "needed", "recommended"),
    [
        (lambda x: ndimage.zoom(x, (1, 2, 2), order=1, mode="nearest", grid_mode=True), 2, 1, 1),
        (lambda x: blocks(x)[:, ::8, ::8], "1/8", 1, 8),
    ],
)
def test_results_of_another_scale(operator, scale, needed, recommended):
    found = tune_margin(IMAGE, operator, size=64, samples=1, output_scale=scale)
    assert (found.needed, found.recommended) == (needed, recommended)


def test_a_valid_convolution_is_told_the_margin_by_its_shape():
    with pytest.raises(OperatorError, match="or have margin=2"):
        tune_margin(IMAGE, lambda x: x[:, 2:-2, 2:-2], size=32)


@pytest.mark.parametrize(
    ("source", "keywords", "message"),
    [
        (np.full((99, 99), np.nan, "float32"), {}, "no sample of ndarray float32"),
        (IMAGE, {"samples": 0}, "samples must be 1 or more, not 0"),
        (IMAGE, {"size": 0}, "size is a whole number of pixels"),
    ],
)
def test_what_cannot_be_measured_is_refused(source, keywords, message):
    with pytest.raises(ValueError, match=message):
        tune_margin(source, lambda x: x, **{"size": 32} | keywords)


def test_the_table_ends_where_it_is_enough():
    found = MarginTuning("net", (64, 64), (0.5, 0.3, 0.2, 1e-6, 0.0, 0.0), 1.0, unit=4, samples=3)
    *table, last = str(found).splitlines()
    assert table == [
        "net, shown 64 x 64 pixels, 3 samples",
        "   margin   largest difference   of the range",
        "        0                  0.5        5.0e-01",
        "        1                  0.3        3.0e-01",
        "        2                  0.2        2.0e-01",
        "        3                1e-06        1.0e-06   <- enough",
    ]
    assert last.startswith("recommended: margin 4: the smallest of the multiples of 4 that leaves no more")


def test_a_result_of_one_value_needs_no_margin():
    assert tune_margin(IMAGE, np.zeros_like, size=32, samples=1).recommended == 0


def test_several_rasters_need_what_the_one_needs_that_is_looked_around_in():
    smooth = mean_of(7)
    found = tune_margin({"a": IMAGE, "b": IMAGE[0]}, lambda patch: smooth(patch["a"]) + patch["b"], size=64)
    assert found.needed == 3
    with pytest.raises(
        ValueError, match=r"several rasters are not mirrored, .* 220x260 pixels: give a smaller"
    ):
        tune_margin({"a": IMAGE, "b": IMAGE[0]}, lambda patch: patch["a"], size=128)
