"""Tapers over time."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal.windows import tukey

from geopatcher.temporal.geometry import TemporalFixedLookback
from geopatcher.temporal.windows import (
    TemporalCausalBoxcar,
    TemporalExponentialDecay,
    TemporalPeriodic,
    TemporalTaperedTukey,
)

ALL = [TemporalCausalBoxcar(), TemporalExponentialDecay(2.0), TemporalTaperedTukey(), TemporalPeriodic(6)]


@pytest.mark.parametrize("window", ALL, ids=lambda window: type(window).__name__)
@given(length=st.integers(1, 60))
def test_weights_are_one_for_each_step_and_positive(window, length):
    weights = window.weights(TemporalFixedLookback(length), length)
    assert (weights.shape, weights.dtype) == ((length,), np.float64)
    assert (weights > 0).all()
    assert weights.max() <= 1


def test_decay_is_exponential_in_age():
    weights = TemporalExponentialDecay(tau=3.0).weights(None, 5)
    assert np.array_equal(weights, np.exp(-np.array([4, 3, 2, 1, 0]) / 3.0))
    assert weights[-1] == 1.0
    assert (TemporalExponentialDecay(1e-300).weights(None, 4) > 0).all()


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_tukey_is_that_of_scipy_at_half_steps(alpha):
    twice = tukey(2 * 8 + 1, alpha)[1::2]  # the half steps of eight
    assert np.allclose(TemporalTaperedTukey(alpha).weights(None, 8), twice)


def test_periodic_weights_repeat_from_the_newest_step_backwards():
    weights = TemporalPeriodic(period=5).weights(None, 16)
    assert weights[-1] == weights[-6] == weights[-11] == weights[0] == 1.0
    assert np.array_equal(weights[:5], weights[5:10])
    assert np.allclose(weights[-5:], 0.5 * (1 + np.cos(2 * np.pi * np.arange(4, -1, -1) / 5)))


@pytest.mark.parametrize("value", [0, -1.0, float("inf"), float("nan")])
def test_wrong_numbers_are_refused(value):
    with pytest.raises(ValueError, match="tau"):
        TemporalExponentialDecay(value)
    with pytest.raises(ValueError, match="period"):
        TemporalPeriodic(value)
    if value != 0:
        with pytest.raises(ValueError, match="alpha"):
            TemporalTaperedTukey(value)


@pytest.mark.parametrize("window", ALL, ids=lambda window: type(window).__name__)
def test_configs_make_them_again(window):
    config = json.loads(json.dumps(window.get_config()))
    assert type(window).from_config(config) == window
