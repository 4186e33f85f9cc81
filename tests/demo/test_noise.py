from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from geopatcher.demo.noise import Noise, spline


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
