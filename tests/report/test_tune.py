"""Advice on overlap, for operators whose need of it is known."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.report.choices import Choice
from geopatcher.report.seams import Seam, Seams
from geopatcher.report.tune import Tuning, tune


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((240, 260), dtype="float32")


def shaded(patch):
    """An operator that is wrong at the border of its patch: zeros beyond it are averaged in."""
    padded = np.pad(patch, 4)
    height, width = patch.shape
    return sum(padded[row : row + height, col : col + width] for row in range(9) for col in range(9)) / 81


def test_a_pixelwise_operator_needs_no_overlap(image):
    tuning = tune(image, lambda x: x * 3, size=64, samples=1)
    assert tuning.recommended.step == (64, 64)
    assert tuning.recommended.seams.strongest.ratio == pytest.approx(1.0, abs=1e-5)
    assert tuning.reason == "the cheapest whose seams are not visible"


def test_an_operator_with_bad_borders_needs_overlap_and_a_taper(image):
    tuning = tune(image, shaded, size=64, samples=2, steps=(64, 32), windows=("boxcar", "hann"))
    found = {(choice.step[0], choice.window): choice.seams.strongest for choice in tuning.choices}
    assert found[32, "boxcar"].verdict == "visible"
    assert found[32, "boxcar"].ratio > 2 * found[32, "hann"].ratio
    assert (tuning.recommended.step, tuning.recommended.window) == ((32, 32), "hann")


def test_choices_go_from_cheap_to_dear_and_cost_what_their_patches_do(image):
    tuning = tune(image, lambda x: x, size=32, samples=1)
    assert [choice.step[0] for choice in tuning.choices] == [32] + [24] * 3 + [16] * 3 + [8] * 3
    for choice in tuning.choices:
        assert choice.patches_per_mpx == pytest.approx(1e6 / choice.step[0] ** 2)
        assert choice.overlap == pytest.approx(1 - choice.step[0] / 32)
    rates = {round(choice.seconds_per_mpx / choice.patches_per_mpx, 12) for choice in tuning.choices}
    assert len(rates) == 1


def test_the_operator_is_called_once_per_patch_whatever_the_windows(image):
    calls = []

    def counted(patch):
        calls.append(patch.shape)
        return patch

    tune(image[:96, :96], counted, size=32, samples=1, steps=(16,), windows=("hann", "boxcar", "tukey"))
    # 5 x 5 patches of the choice, and 5 x 5 of the reference, which begins four pixels further in.
    assert len(calls) == 25 + 25


def test_results_of_another_scale(image):
    def twice(patch):
        return shaded(patch).repeat(2, axis=0).repeat(2, axis=1)

    def half(patch):
        return shaded(patch).reshape(patch.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3))

    for operator, scale in ((twice, 2), (half, "1/2")):
        tuning = tune(
            image[:-1],  # which is no multiple of the scale
            operator,
            size=64,
            samples=1,
            steps=(64, 32),
            windows=("boxcar", "hann"),
            output_scale=scale,
        )
        found = {(choice.step[0], choice.window): choice.seams.strongest for choice in tuning.choices}
        assert found[32, "boxcar"].ratio > 2 * found[32, "hann"].ratio
        assert tuning.recommended.step == (32, 32)
        assert tuning.choices[0].patches_per_mpx == pytest.approx(1e6 / 64**2)


def test_a_margin_takes_the_seams_away(image):
    bare, wide = (
        tune(image, shaded, size=64, samples=1, steps=(64,), windows=("boxcar",), margin=margin)
        for margin in (0, 4)
    )
    assert bare.recommended.seams.strongest.ratio > 2
    assert wide.recommended.seams.strongest.ratio == pytest.approx(1.0, abs=1e-5)


def test_what_it_prints_names_every_choice_and_the_one_it_recommends(image):
    tuning = tune(image, shaded, size=(32, 64), samples=1, steps=((16, 32), 32), windows=("hann",))
    text = str(tuning)
    assert "shaded, patches of 32 x 64, 1 samples" in text
    assert text.count("<- recommended") == 1
    assert "16x32" in text
    assert text.splitlines()[-1].startswith("recommended: hann, step ")


def test_the_picture_is_written(image, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    tuning = tune(image, shaded, size=64, samples=1, steps=(64, 32), windows=("boxcar", "hann"))
    tuning.save(tmp_path / "tune.png")
    assert (tmp_path / "tune.png").read_bytes()[:4] == b"\x89PNG"
    ax = tuning.plot()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["boxcar", "hann"]
    assert "Recommended: " in ax.get_title(loc="left")


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"steps": ()}, "nothing to try"),
        ({"windows": ()}, "nothing to try"),
        ({"steps": (65,)}, r"step \(65, 65\) is longer than the size \(64, 64\)"),
        ({"steps": (0,)}, "step is a whole number of pixels"),
        ({"samples": 0}, "samples must be 1 or more, not 0"),
        ({"windows": ("nope",)}, "no window 'nope'"),
    ],
)
def test_what_cannot_be_tried_is_refused(image, keywords, message):
    with pytest.raises(ValueError, match=message):
        tune(image, lambda x: x, size=64, **keywords)


def test_a_raster_of_nothing_has_no_sample():
    with pytest.raises(ValueError, match="no sample of ndarray float32"):
        tune(np.full((99, 99), np.nan, "float32"), lambda x: x, size=32)


def choice(step, low, high):
    seam = Seam("both", "jump", (low + high) / 2, low, high, 1.0, 1.0, 9, 9)
    return Choice((step, step), "hann", 0.0, 1e6 / step**2, 1.0, Seams("b", seam, seam, seam, seam))


@pytest.mark.parametrize(
    ("low", "high", "reason"),
    [
        (0.9, 1.0, "the cheapest whose seams are not visible"),
        (0.9, 1.4, "may be none; give more samples to be sure"),
        (2.0, 3.0, "the faintest seams of those tried; try a larger size"),
    ],
)
def test_reasons_follow_the_verdict(low, high, reason):
    one = choice(32, low, high)
    assert reason in Tuning((64, 64), "f", [one], one, 1).reason


# ---------------------------------------------------------------- labels


def majority(patch):
    """Classes by comparison with the mean of the patch: they depend on where it lies."""
    return (patch > patch.mean()).astype("uint8")


@pytest.fixture(scope="module")
def slope():
    """Land that rises from one corner to the other, with noise."""
    rows, cols = np.mgrid[0:240, 0:260] / 60
    return (rows + cols + np.random.default_rng(0).normal(0, 0.1, rows.shape)).astype("float32")


def test_labels_are_compared_with_those_of_other_patches(slope):
    tuning = tune(slope, majority, size=64, samples=1, aggregation="mode", windows=("boxcar",))
    assert all(choice.of_labels for choice in tuning.choices)
    assert min(choice.disagreement for choice in tuning.choices) > 0.01
    least = min(tuning.choices, key=lambda choice: choice.disagreement)
    assert tuning.recommended is least
    assert tuning.reason.startswith("the fewest labels that differ of those tried")
    assert "% of the labels differ   <- recommended" in str(tuning)
    assert "nan" not in str(tuning)


def test_labels_that_no_patch_changes_need_no_overlap(slope):
    tuning = tune(slope, lambda x: (x > 4).astype("uint8"), size=64, samples=1, aggregation="mode")
    assert (tuning.recommended.step, tuning.recommended.disagreement) == ((64, 64), 0.0)
    assert tuning.reason == "the cheapest of which no more than 0.1% of the labels differ"


def test_disagreement_is_that_of_a_count_by_hand(slope):
    area = slope[:192, :192]
    tuning = tune(area, majority, size=64, samples=1, aggregation="mode", steps=(64,), windows=("boxcar",))
    own = np.zeros((192, 192), "uint8")
    for row in range(0, 192, 64):
        for col in range(0, 192, 64):
            own[row : row + 64, col : col + 64] = majority(area[row : row + 64, col : col + 64])
    reference = gp.reconstruct(area[8:, 8:], majority, size=64, aggregation="mode").array
    assert tuning.recommended.disagreement == pytest.approx(np.mean(own[8:, 8:] != reference))


def test_it_may_be_said_whether_results_are_labels(slope):
    keywords = {"size": 64, "samples": 1, "steps": (64, 32), "windows": ("hann",)}
    with_labels = tune(slope, np.floor, labels=True, **keywords)
    assert all(choice.of_labels for choice in with_labels.choices)
    without = tune(slope, majority, labels=False, aggregation="mode", **keywords)
    assert not any(choice.of_labels for choice in without.choices)


def test_where_nothing_was_measured_nothing_is_recommended(tmp_path):
    flat = np.ones((200, 200), "float32")
    tuning = tune(flat, lambda x: x, size=64, samples=1)
    assert tuning.recommended is None
    assert tuning.name == "none"
    assert "recommended: none: nothing could be measured" in str(tuning)
    assert "nan" not in str(tuning)
    pytest.importorskip("matplotlib").use("Agg")
    tuning.save(tmp_path / "none.png")
    assert (tmp_path / "none.png").stat().st_size > 0


def test_disagreement_is_drawn(slope, tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    tuning = tune(slope, majority, size=64, samples=1, aggregation="mode", steps=(64, 32))
    ax = tuning.plot()
    assert ax.get_ylabel() == "share of labels that differ"


def test_several_rasters_are_tried_together(image):
    """One that is smoothed with bad borders needs what it needs alone, whatever lies beside it."""
    other = np.arange(image.size, dtype="float64").reshape(image.shape)
    how = {"size": 64, "samples": 2, "steps": (64, 32), "windows": ("boxcar", "hann")}
    alone = tune(image, shaded, **how)
    both = tune({"a": image, "b": other}, lambda patch: shaded(patch["a"][0]) + 0 * patch["b"][0], **how)
    assert [str(choice.seams) for choice in both.choices] == [str(choice.seams) for choice in alone.choices]
    assert both.recommended.window == "hann"
    fine = other.repeat(2, 0).repeat(2, 1)
    native = tune({"a": image, "b": fine}, lambda patch: patch["b"][:, ::2, ::2], native="b", **how)
    assert native.recommended.step == (64, 64)


def test_how_a_source_is_read(image):
    tuning = tune(np.stack([image, image]), lambda patch: patch[0], size=32, samples=1, bands=[2])
    assert tuning.recommended.step == (32, 32)
    with pytest.raises(TypeError, match=r"tune\(\) got an unexpected keyword argument 'codec'"):
        tune(image, np.copy, codec="zstd")


def test_one_that_fills_a_raster_from_another_sees_both_here_too(image):
    def filled(patch):
        return np.where(patch["a"].mask, patch["b"].filled(0), patch["a"].filled(0))

    filled.wants_mask = True
    holes = np.where(image < 0.9, np.nan, image)
    tuning = tune({"a": holes, "b": image}, filled, size=32, samples=1)
    assert tuning.recommended.step == (32, 32)
