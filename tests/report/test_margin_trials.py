"""Windows that see the same pixels from different places."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher import Model
from geopatcher.fields.open import as_field
from geopatcher.report.margin_trials import Differences, Layout
from networks import ConvNet


@given(
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.sampled_from([Fraction(1), Fraction(3), Fraction(1, 4), Fraction(3, 2)]),
)
def test_all_windows_see_the_common_pixels_and_the_middle_one_from_further_in(size, scale):
    layout = Layout.of(abs, size, scale)
    width = layout.extent[1]
    rows, cols = np.meshgrid(*(np.arange(int(side * scale)) for side in layout.extent), indexing="ij")
    number = rows * int(width * scale) + cols
    shown = [int(side * scale) for side in layout.shown]
    seen = []
    for corner in [*layout.corners, layout.shift]:
        first = [int(at * scale) for at in corner]
        window = number[first[0] : first[0] + shown[0], first[1] : first[1] + shown[1]]
        assert window.shape == tuple(shown)
        seen.append(window[layout.common(corner)])
    assert seen[0].size > 0
    assert all(np.array_equal(one, seen[0]) for one in seen)
    assert layout.depths()[layout.common(layout.shift)].min() >= layout.widest
    assert min(layout.shown[0] - 2 * size[0], layout.shown[1] - 2 * size[1]) >= 0


@pytest.mark.parametrize("scale", [Fraction(1), Fraction(2), Fraction(1, 4), Fraction(3, 2)])
def test_the_depth_of_a_pixel_is_the_widest_margin_that_leaves_it(scale):
    layout = Layout((32, 48), (8, 12), 4, scale)
    depths = layout.depths()
    for margin in range(0, 16, 4):
        left = np.zeros(depths.shape, bool)
        cut = int(margin * scale)
        left[cut : depths.shape[0] - cut, cut : depths.shape[1] - cut] = True
        np.testing.assert_array_equal(depths >= margin, left)


def test_a_model_says_its_size_and_what_it_is_a_multiple_of(tmp_path):
    fixed = Model(ConvNet.random().save(tmp_path / "a.onnx", size=(64, 96)), multiple=8)
    layout = Layout.of(fixed, (256, 256), Fraction(1))
    assert (layout.shown, layout.shift, layout.unit, layout.is_fixed) == ((64, 96), (16, 24), 8, True)
    free = Model(ConvNet.random().save(tmp_path / "b.onnx"), multiple=32)
    assert Layout.of(free, (100, 30), Fraction(1)).shown == (256, 128)
    small = Model(ConvNet.random().save(tmp_path / "c.onnx", size=(64, 64)), multiple=32)
    with pytest.raises(ValueError, match="c.onnx takes 64x64 pixels at once, in multiples of 32: .* 128x128"):
        Layout.of(small, (256, 256), Fraction(1))


def test_what_is_missing_in_one_window_only_is_no_small_difference():
    found = Differences(Layout.of(abs, (16, 16), Fraction(1)))
    image = np.random.default_rng(0).random((1, 48, 48))
    image[0, 20, 20] = np.nan

    def edges(x):
        result = x.copy()
        result[:, 0] = np.nan
        return result

    found.take(as_field(image), edges)
    assert np.isinf(found.by_margin()[0])
    assert found.by_margin()[1] == 0
    assert (found.low, found.high) == (np.nanmin(image[:, 16:32, 16:32]), np.nanmax(image[:, 16:32, 16:32]))


def test_a_piece_that_is_too_small_is_mirrored():
    seen = []

    def look(x):
        seen.append(x.copy())
        return x

    image = np.arange(20 * 30, dtype="float32").reshape(20, 30)
    Differences(Layout.of(abs, (16, 16), Fraction(1))).take(as_field(image), look)
    assert {one.shape for one in seen} == {(32, 32)}
    mirrored = np.pad(image, [(0, 28), (0, 18)], mode="reflect")
    np.testing.assert_array_equal(seen[0], mirrored[8:40, 8:40])
    np.testing.assert_array_equal(seen[-1], mirrored[9:41, 9:41])
