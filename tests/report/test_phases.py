"""Rows that repeat, and rows that do not."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.report.phases import alike, period_of

PLACES = np.arange(-64, 65)


@pytest.mark.parametrize("period", [2, 3, 4, 6, 10, 17, 32])
@pytest.mark.parametrize("phase", [0, 1])
def test_the_period_of_steps_is_found_whatever_phase_the_middle_has(period, phase):
    rng = np.random.default_rng(period)
    row = 0.3 + ((PLACES + phase) % period == 0) + rng.normal(0, 0.05, len(PLACES))
    assert period_of(row) == period


def test_what_was_interpolated_repeats_too():
    # Jumps of noise that was made three times as fine by lines between its values.
    coarse = np.random.default_rng(0).normal(size=(4000, 60))
    fine = np.stack([np.interp(np.arange(0, 43, 1 / 3), np.arange(60), line) for line in coarse])
    bends = np.abs(np.diff(fine, 2, axis=1)).mean(axis=0)[:129]
    assert period_of(bends) == 3


@pytest.mark.parametrize("seed", range(40))
def test_noise_does_not_repeat(seed):
    rng = np.random.default_rng(seed)
    row = 1 + rng.normal(0, 0.1, len(PLACES))
    row[rng.random(len(row)) < 0.1] = np.nan
    assert period_of(row) == 1


@pytest.mark.parametrize("width", [0, 1, 3])
def test_a_seam_however_strong_is_no_repetition(width):
    row = 1 + np.random.default_rng(0).normal(0, 0.05, len(PLACES))
    row += 5.0 * np.exp(-np.abs(PLACES) / max(width, 0.1))
    assert period_of(row) == 1


def test_without_another_place_of_the_same_phase_there_is_nothing_to_compare_with():
    row = 0.5 + (PLACES % 8 == 0) + np.random.default_rng(0).normal(0, 0.02, len(PLACES))
    assert period_of(row) == 8
    row[PLACES % 8 == 0] = np.nan  # all of them are borders, too
    assert period_of(row) == 1


@pytest.mark.parametrize("row", [[], [1.0], [np.nan] * 9, [2.0] * 129])
def test_nothing_and_what_is_flat_does_not_repeat(row):
    assert period_of(np.array(row)) == 1


def test_places_that_lie_alike_are_near_ones_of_the_same_phase():
    assert PLACES[alike(PLACES, 1, 8)].tolist() == [*range(-8, 0), *range(1, 9)]
    assert PLACES[alike(PLACES, 3, 8)].tolist() == [-6, -3, 3, 6]
    assert PLACES[alike(PLACES, 10, 8)].tolist() == [-20, -10, 10, 20]
