"""Patches over space and time become patches over time."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.windows import Window

import geopatcher as gp
from geopatcher.patchers.stitching import grouped, stitched

DOMAIN = gp.RasterDomain((4, 8))


class Weighs:
    def weights_of(self, steps):
        return np.array([0.25, 1.0, 0.5])[: steps.stop - steps.start]


def patch(col, time, data, steps=slice(0, 3), weights=None):
    return gp.SpatioTemporalPatch(data, (0, col), time, Window(col, 0, 4, 4), steps, weights)


def test_patches_of_the_same_steps_are_one_group():
    made = [patch(0, 2, 1), patch(4, 2, 2), patch(0, 3, 3), patch(0, 3, 4, slice(1, 3))]
    assert [[one.data for one in group] for group in grouped(iter(made), gather=False)] == [[1, 2], [3], [4]]


def test_those_that_come_again_are_refused_or_gathered():
    made = [patch(0, 2, 1), patch(0, 3, 2), patch(4, 2, 3)]
    with pytest.raises(ValueError, match="at step 2 come again"):
        [list(group) for group in grouped(made, gather=False)]
    assert [[one.data for one in group] for group in grouped(made, gather=True)] == [[1, 3], [2]]


@pytest.mark.parametrize("leading", [(), (3,), (3, 2), (1, 1, 2)])
def test_a_group_is_stitched_with_the_weights_of_its_pixels(leading):
    by_pixel = np.random.default_rng(0).uniform(0.1, 1, (4, 4))
    weights = np.array([0.25, 1.0, 0.5])[:, None, None] * by_pixel
    data = np.random.default_rng(1).normal(size=(2, *leading, 4, 4))
    made = [patch(2 * n, 5, data[n], weights=weights) for n in range(2)]
    result = stitched(made, gp.SpatialOverlapAdd(), Weighs(), DOMAIN)
    total, share = np.zeros((*leading, 4, 8)), np.zeros((4, 8))
    for n in range(2):
        total[..., 2 * n : 2 * n + 4] += data[n] * by_pixel
        share[:, 2 * n : 2 * n + 4] += by_pixel
    covered = share > 0
    assert result.data.shape == (*leading, 4, 8)
    assert np.allclose(result.data[..., covered], total[..., covered] / share[covered])
    assert np.isnan(result.data[..., ~covered]).all()
    assert (result.anchor, result.indices, result.weights.tolist()) == (5, slice(0, 3), [0.25, 1.0, 0.5])


def test_axes_that_differ_are_told_of():
    made = [patch(0, 5, np.zeros((3, 4, 4))), patch(4, 5, np.zeros((4, 4)))]
    with pytest.raises(ValueError, match=r"at \(0, 4\), step 5, is shaped \(4, 4\)"):
        stitched(made, gp.SpatialOverlapAdd(), Weighs(), DOMAIN)
    with pytest.raises(ValueError, match=r"is shaped \(\)"):
        stitched([patch(0, 5, 3.0)], gp.SpatialOverlapAdd(), Weighs(), DOMAIN)
