from __future__ import annotations

import json
import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import geopatcher.patching.windows as module
from geopatcher.patching.geometry import SpatialRectangular
from geopatcher.patching.windows import (
    CACHED_CELLS,
    GAUSSIAN_FLOOR,
    WINDOWS,
    SeparableWindow,
    SpatialBoxcar,
    SpatialCustom,
    SpatialGaussian,
    SpatialHann,
    SpatialTukey,
    SpatialWindow,
    window_from_name,
)

settings.register_profile("untimed", deadline=None)  # the machine may be busy with other things
settings.load_profile("untimed")

sizes = st.integers(1, 300)
separable = st.one_of(
    st.builds(SpatialBoxcar),
    st.builds(SpatialHann),
    st.builds(SpatialTukey, st.floats(0, 1)),
    st.builds(SpatialGaussian, st.floats(0, 1e6, exclude_min=True)),
)


def two_rows(size):
    return np.full(size, 2.0)


@given(separable, sizes, sizes)
def test_weights_are_positive_symmetric_products_of_the_profiles(window, height, width):
    weights = window.weights(SpatialRectangular((height, width)))
    assert weights.shape == (height, width)
    assert weights.dtype == np.float64
    assert weights.min() > 0.0
    assert weights.max() <= 1.0
    np.testing.assert_array_equal(weights, weights[::-1, ::-1])
    np.testing.assert_array_equal(weights, window.profile(height)[:, None] * window.profile(width)[None, :])


@given(separable, sizes)
def test_corners_do_not_vanish_as_float32(window, n):
    smallest = np.float32(window.profile(n).min() ** 2)
    assert smallest >= np.finfo(np.float32).tiny


@given(st.integers(1, 400))
def test_hann_is_every_other_sample_of_numpys_of_twice_the_size(n):
    np.testing.assert_allclose(SpatialHann().profile(n), np.hanning(2 * n + 1)[1::2], rtol=1e-9, atol=1e-15)


@given(st.integers(1, 200))
def test_hann_sums_to_one_at_half_overlap(half):
    profile = SpatialHann().profile(2 * half)
    np.testing.assert_allclose(profile[:half] + profile[half:], 1.0, rtol=0, atol=1e-15)


@given(st.integers(1, 200), st.floats(0.01, 1.0))
def test_tukey_follows_its_definition(n, alpha):
    expected = []
    for i in range(n):
        t = (i + 0.5) / n
        t = min(t, 1 - t)
        expected.append(0.5 * (1 + math.cos(math.pi * (2 * t / alpha - 1))) if t < alpha / 2 else 1.0)
    np.testing.assert_allclose(SpatialTukey(alpha).profile(n), expected, rtol=1e-9, atol=1e-12)


def test_tukey_reaches_from_boxcar_to_hann():
    np.testing.assert_array_equal(SpatialTukey(0).profile(9), SpatialBoxcar().profile(9))
    np.testing.assert_array_equal(SpatialTukey(1).profile(9), SpatialHann().profile(9))


@given(st.integers(1, 200), st.floats(0.3, 5.0))
def test_gaussian_follows_its_definition(n, sigma):
    expected = [math.exp(-0.5 * (((i + 0.5) / (n / 2) - 1) / sigma) ** 2) for i in range(n)]
    np.testing.assert_allclose(SpatialGaussian(sigma).profile(n), expected, rtol=1e-9)


def test_a_narrow_gaussian_stops_at_its_floor():
    profile = SpatialGaussian(0.01).profile(101)
    assert profile.min() == GAUSSIAN_FLOOR
    assert profile[50] == 1.0
    assert SpatialGaussian(5e-324).profile(2).tolist() == [GAUSSIAN_FLOOR, GAUSSIAN_FLOOR]


@pytest.mark.parametrize("size", [(16, 16), (CACHED_CELLS // 256 + 1, 256)])
def test_weights_cannot_be_written_to_whether_kept_or_not(size):
    weights = SpatialHann().weights(SpatialRectangular(size))
    with pytest.raises(ValueError, match="read-only"):
        weights[0, 0] = 5.0


def test_small_tapers_are_kept_per_window_and_size(monkeypatch):
    calls = []

    class Counting(SeparableWindow):
        def profile(self, n):
            calls.append(n)
            return np.ones(n)

        def get_config(self):
            return {"type": "Counting"}

    window = Counting()
    first = window.weights(SpatialRectangular((4, 6)))
    assert window.weights(SpatialRectangular((4, 6))) is first
    assert calls == [4, 6]
    window.weights(SpatialRectangular((6, 4)))
    assert calls == [4, 6, 6, 4]
    monkeypatch.setattr(module, "CACHED_CELLS", 10)
    assert window.weights(SpatialRectangular((4, 6))) is not first


def test_different_parameters_do_not_share_a_kept_taper():
    geometry = SpatialRectangular(8)
    tapers = [
        window.weights(geometry)
        for window in (SpatialTukey(0.2), SpatialTukey(0.9), SpatialGaussian(0.2), SpatialGaussian(0.9))
    ]
    tapers += [SpatialBoxcar().weights(geometry), SpatialHann().weights(geometry)]
    assert len({taper.tobytes() for taper in tapers}) == len(tapers)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, math.nan])
def test_tukey_refuses_other_shares(alpha):
    with pytest.raises(ValueError, match=f"0 \\(boxcar\\) to 1 \\(Hann\\), not {alpha}"):
        SpatialTukey(alpha)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_gaussian_refuses_widths_that_are_none(sigma):
    with pytest.raises(ValueError, match=f"positive and finite .* not {sigma}"):
        SpatialGaussian(sigma)


def test_custom_gets_the_geometry_and_gives_float64():
    asked = []

    def ramp(geometry):
        asked.append(geometry)
        return np.arange(np.prod(geometry.size), dtype=np.uint8).reshape(geometry.size)

    weights = SpatialCustom(ramp).weights(SpatialRectangular((2, 3)))
    assert asked == [SpatialRectangular((2, 3))]
    assert weights.dtype == np.float64
    assert weights.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_custom_does_not_lock_or_follow_the_functions_own_array():
    own = np.ones((2, 2))
    weights = SpatialCustom(lambda geometry: own).weights(SpatialRectangular(2))
    own[:] = 7
    assert weights.tolist() == [[1, 1], [1, 1]]
    assert not weights.flags.writeable


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (np.ones(4), r"returned shape \(4,\): it must return one weight for each cell, \(4, 4\); for a 1-D"),
        (np.ones((4, 5)), r"returned shape \(4, 5\)"),
        (np.ones((1, 4, 4)), r"returned shape \(1, 4, 4\)"),
        (np.ones((4, 4), complex), "returned complex128 values: weights are real"),
        (np.full((4, 4), "x"), "returned <U1 values"),
        (np.full((4, 4), np.nan), "returned 16 weights that are not finite, of 16"),
        (np.diag([1, 1, 1, np.inf]), "returned 1 weights that are not finite, of 16"),
        (np.eye(4) - 0.25, "returned a negative weight, -0.25: clip it"),
        (np.zeros((4, 4)), "returned only zeros"),
    ],
)
def test_custom_refuses_what_cannot_be_weights(result, message):
    def window(geometry):
        return result

    with pytest.raises(ValueError, match=message) as caught:
        SpatialCustom(window).weights(SpatialRectangular(4))
    assert "window, called with a geometry of (4, 4)" in str(caught.value)


def test_custom_refuses_an_array_in_place_of_a_function():
    with pytest.raises(TypeError, match=r"a function of the geometry, not ndarray"):
        SpatialCustom(np.ones((4, 4)))


@pytest.mark.parametrize("name", sorted(WINDOWS))
def test_windows_by_name(name):
    window = window_from_name(name)
    assert isinstance(window, SpatialWindow)
    assert window == WINDOWS[name]()


def test_average_counts_every_patch_the_same():
    assert window_from_name("average") == SpatialBoxcar()


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(
        ValueError, match="no window 'hamming': choose one of average, boxcar, gaussian, hann, tu"
    ):
        window_from_name("hamming")


@given(separable)
def test_a_configuration_is_json_and_makes_the_same_window(window):
    config = json.loads(json.dumps(window.get_config()))
    assert type(window)(**config) == type(window).from_config(config) == window


def test_a_custom_windows_configuration_names_its_function_without_addresses():
    assert SpatialCustom(two_rows).get_config() == {"fn": f"{__name__}:two_rows"}
    assert SpatialCustom.forbid_in_yaml
    with pytest.raises(
        TypeError, match=r"was made with the function .*:two_rows, which a configuration only names"
    ):
        SpatialCustom.from_config(SpatialCustom(two_rows).get_config())
    assert SpatialCustom(partial(two_rows)).get_config()["fn"] == "functools:partial"
