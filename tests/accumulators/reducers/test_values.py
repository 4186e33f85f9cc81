from __future__ import annotations

import math

import numpy as np

from geopatcher import (
    Patch,
)
from geopatcher.accumulators.reducers import values as feeding
from geopatcher.accumulators.reducers.values import pixel_keys
from geopatcher.core.box import Box
from reducing import SAME_BITS, H, W, equal, whole


def test_keys_are_uniform_different_and_a_matter_of_position():
    keys = pixel_keys(Box(0, 300, 0, 400), seed=5)
    assert np.unique(keys).size == keys.size
    for bits in (np.uint64(0), np.uint64(28), np.uint64(56)):
        share = np.bincount(((keys >> bits) & np.uint64(255)).reshape(-1).astype(int), minlength=256)
        expected = keys.size / 256
        assert ((share - expected) ** 2 / expected).sum() < 255 + 5 * math.sqrt(2 * 255)
    assert (pixel_keys(Box(100, 110, 7, 9), seed=5) == keys[100:110, 7:9]).all()
    assert not np.intersect1d(pixel_keys(Box(0, 100, 0, 100), seed=6), keys).size


def test_large_patches_are_reduced_piece_by_piece(monkeypatch):
    monkeypatch.setattr(feeding, "PIECE_CELLS", 40)
    data = np.random.default_rng(6).integers(0, 9, (2, H, W))
    for aggregation in SAME_BITS:
        assert equal(aggregation.merge([Patch(data, (0, 0), None)], data), whole(aggregation, data))
