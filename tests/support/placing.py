"""Anchors of samplers, and where the patches at them lie."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from geopatcher.patching.geometry import SpatialRectangular
from geopatcher.patching.samplers import SpatialJitteredStride, SpatialPoissonDisk, SpatialRandom

RANDOM_SAMPLERS = [
    lambda seed: SpatialJitteredStride((5, 7), 0.8, seed),
    lambda seed: SpatialRandom(40, seed),
    lambda seed: SpatialPoissonDisk(6.5, 10, seed),
]


def domain_of(shape):
    return SimpleNamespace(shape=shape)


def anchors_of(sampler, shape, size, boundary="cover"):
    return list(sampler.anchors(domain_of(shape), SpatialRectangular(size, boundary)))


def counts(anchors, shape, size):
    """Patches over each pixel, painted one by one."""
    painted = np.zeros(shape, int)
    for row, col in anchors:
        painted[max(row, 0) : row + size[0], max(col, 0) : col + size[1]] += 1
    return painted


def lies_inside(anchor, shape, size):
    """Whether a patch lies whole in the raster, or at 0 on an axis that is too short for it."""
    return all(
        0 <= start <= length - side or (start == 0 and length < side)
        for start, length, side in zip(anchor, shape, size, strict=True)
    )
