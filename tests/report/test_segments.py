"""What is read at borders and compared: seams are found, and jumps of the picture itself are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from geopatcher.core.axis import Axis
from geopatcher.report.borders import LatticeBorders
from geopatcher.report.seams import estimate, measure
from geopatcher.report.segments import FAR, Control, sample

SIDE, PATCH = 512, 64


def borders(patch: int = PATCH) -> LatticeBorders:
    axis = Axis(SIDE, patch, patch)
    return LatticeBorders.of(axis, axis)


def coarse(times: int, seed: int = 0, bands: int = 1) -> np.ndarray:
    """Smooth land with noise of a sensor that sees squares of so many pixels a side."""
    rng = np.random.default_rng(seed)
    small = -(-SIDE // times)
    land = ndimage.gaussian_filter(rng.normal(size=(bands, small, small)), (0, 9, 9)) * 40
    cells = 100 + land + rng.normal(0, 1, (bands, small, small))
    return cells.repeat(times, 1).repeat(times, 2)[:, :SIDE, :SIDE]


def tiled(picture: np.ndarray, operator) -> np.ndarray:
    """Run an operator over patches side by side."""
    result = np.empty_like(picture)
    for row in range(0, SIDE, PATCH):
        for col in range(0, SIDE, PATCH):
            part = slice(row, row + PATCH), slice(col, col + PATCH)
            result[part] = operator(picture[part])
    return result


def seams(result, source=None, *, labels=False, of_labels=False, lines=None):
    control = None if source is None else Control(lambda box: source[(..., *box.slices())], of_labels)
    return measure(
        lambda box: result[box.slices()], lines or borders(), result.shape, labels=labels, control=control
    )


# ---------------------------------------------------------------- pictures that repeat


@pytest.mark.parametrize("times", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("given", [True, False])
def test_an_exact_result_over_coarse_pixels_has_no_seams(times, given):
    bands = coarse(times, bands=2)
    index = (bands[1] - bands[0]) / (bands[1] + bands[0])
    found = seams(index, bands if given else None)
    assert not found.visible
    assert found.both.period == times


@pytest.mark.parametrize("times", [1, 2, 4])
@pytest.mark.parametrize("given", [True, False])
def test_patches_of_another_level_are_seen_over_coarse_pixels(times, given):
    picture = coarse(times)[0]
    jump = np.abs(np.diff(picture[:, ::times], axis=1)).mean()
    shifted = picture + (np.indices(picture.shape) // PATCH).sum(axis=0) % 2 * jump
    assert seams(shifted, picture if given else None).visible


@pytest.mark.parametrize("times", [1, 2, 4])
@pytest.mark.parametrize("given", [True, False])
def test_a_convolution_that_pads_with_zeros_is_seen_over_coarse_pixels(times, given):
    picture = coarse(times)[0]
    result = tiled(picture, lambda x: ndimage.uniform_filter(x, 5, mode="constant"))
    found = seams(result, picture if given else None)
    assert found.visible
    exact = ndimage.uniform_filter(picture, 5, mode="constant")
    assert not seams(exact, picture if given else None).visible


def test_the_input_may_repeat_where_the_result_does_not():
    picture = coarse(2)[0]
    smooth = ndimage.gaussian_filter(picture, 3) + np.random.default_rng(1).normal(0, 0.05, picture.shape)
    assert not seams(smooth, picture).visible
    level = (np.arange(SIDE) // PATCH % 2) * 0.1
    found = seams(smooth + level, picture)
    assert found.columns.verdict == "visible"
    assert found.rows.verdict != "visible"


# ---------------------------------------------------------------- against the input


def fields(seed: int) -> np.ndarray:
    """Fields with codes from 10 to 100, whose sides lie where those of patches do."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(1, 11, (SIDE // PATCH,) * 2).repeat(PATCH, 0).repeat(PATCH, 1) * 10
    wild = rng.random((SIDE, SIDE)) < 0.3
    return np.where(wild, rng.integers(1, 11, (SIDE, SIDE)) * 10, codes).astype(float)


@pytest.mark.parametrize("seed", range(3))
def test_an_exact_copy_of_classes_has_no_seams_where_the_input_has_them_too(seed):
    codes = fields(seed)
    copied = seams(codes, codes, labels=True, of_labels=True)
    assert (copied.both.ratio, copied.both.low, copied.both.high) == (1.0, 1.0, 1.0)
    assert copied.both.natural > 1.2
    assert "ratio to the input 1.00" in copied.both.sentence


@pytest.mark.parametrize("of_labels", [True, False])
def test_classes_that_change_from_patch_to_patch_are_seen(of_labels):
    rng = np.random.default_rng(0)
    land = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 6)
    exact = np.digitize(land, np.quantile(land, (0.25, 0.5, 0.75))).astype(float)
    moved = tiled(
        land, lambda x: np.digitize(x - x.mean(), np.quantile(land, (0.25, 0.5, 0.75))).astype(float)
    )
    source = exact if of_labels else land
    assert not seams(exact, source, labels=True, of_labels=of_labels).visible
    assert seams(moved, source, labels=True, of_labels=of_labels).visible


def test_lines_in_the_input_alone_hide_no_seam_elsewhere():
    picture = np.random.default_rng(0).normal(size=(SIDE, SIDE))
    striped = picture.copy()
    striped[:, ::PATCH] += 2
    stepped = striped + (np.arange(SIDE)[:, np.newaxis] // PATCH % 2) * 2
    assert seams(stepped, striped).rows.verdict == "visible"
    assert seams(stepped, striped).columns.verdict != "visible"


def test_only_borders_jump_in_both_and_that_is_no_seam():
    stairs = np.broadcast_to((np.arange(SIDE) // PATCH)[:, np.newaxis], (SIDE, SIDE)).astype(float)
    assert seams(stairs).rows.ratio == np.inf
    assert seams(stairs, stairs).rows.ratio == 1.0


def test_bands_of_an_input_count_alike_whatever_their_units():
    rng = np.random.default_rng(0)
    bands = rng.normal(size=(2, SIDE, SIDE))
    bands[0, :, PATCH::PATCH] += 3
    one, other = (
        sample(
            lambda box: bands[0][box.slices()],
            borders(),
            1,
            (SIDE, SIDE),
            control=Control(lambda box, by=by: bands[(..., *box.slices())] * np.array([[[1.0]], [[by]]])),
        )
        for by in (1.0, 1000.0)
    )
    assert estimate(one.compared()).natural == pytest.approx(estimate(other.compared()).natural)


def test_what_is_compared_lies_near_the_border_unless_the_picture_repeats():
    picture = np.random.default_rng(0).normal(size=(SIDE, SIDE))
    near = sample(lambda box: picture[box.slices()], borders(), 0, (SIDE, SIDE)).compared()
    known = np.flatnonzero(np.isfinite(near.jumps).any(axis=0)) - FAR
    assert known.tolist() == list(range(-8, 9))
    repeated = picture[::2, ::2].repeat(2, 0).repeat(2, 1)
    even = sample(lambda box: repeated[box.slices()], borders(), 0, (SIDE, SIDE)).compared()
    known = np.flatnonzero(np.isfinite(even.jumps).any(axis=0)) - FAR
    assert (even.period, known.tolist()) == (2, list(range(-8, 9, 2)))
