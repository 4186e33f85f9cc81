"""The carriers of series."""

from __future__ import annotations

import pickle

import numpy as np

from geopatcher.temporal.patch import SpatioTemporalPatch, TemporalPatch


def test_a_temporal_patch_has_four_parts():
    patch = TemporalPatch(np.zeros((3, 2)), 4, slice(2, 5), np.ones(3))
    assert (patch.anchor, patch.indices, patch.weights.shape) == (4, slice(2, 5), (3,))
    assert repr(patch) == "TemporalPatch(ndarray (3, 2) at 4, steps 2:5)"
    other = patch.with_data("x")
    assert (other.data, other.anchor, other.indices) == ("x", 4, slice(2, 5))
    assert other.weights is patch.weights


def test_a_spatio_temporal_patch_has_six():
    patch = SpatioTemporalPatch(np.zeros((3, 8, 8)), (0, 8), 4, None, slice(2, 5), None)
    assert (patch.space, patch.time, patch.anchor) == ((0, 8), 4, ((0, 8), 4))
    assert patch.temporal_indices == slice(2, 5)
    assert repr(patch) == "SpatioTemporalPatch(ndarray (3, 8, 8) at (0, 8), 4, steps 2:5)"
    assert patch.with_data(1).data == 1


def test_patches_pickle():
    patch = pickle.loads(pickle.dumps(TemporalPatch(np.arange(3), 4, slice(2, 5), np.ones(3))))  # noqa: S301 - our own
    assert patch.data.tolist() == [0, 1, 2]
