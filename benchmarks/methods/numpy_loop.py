"""The floor: overlap-add by hand, in memory, the loop one would write for this one window and lattice.

The sum of the weights is an outer product of two sums along the axes, so it is never accumulated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks import catalog
from benchmarks.methods import common
from benchmarks.works import WORKS

if TYPE_CHECKING:
    from pathlib import Path


def weight_sum(length: int) -> common.Array:
    """Return the sum of the windows along an axis of ``length`` pixels."""
    total = np.zeros(length, np.float32)
    for start in common.starts(length):
        total[start : start + catalog.SIZE] += common.hann()
    return total


def run(scene: Path, out: Path, work: str = "scale") -> common.Array:  # noqa: ARG001 - nothing is written
    pixels = common.read_all(scene)
    operator, bands = WORKS[work].operator, WORKS[work].out_bands(pixels.shape[0])
    height, width = pixels.shape[1:]
    window, size = common.hann_2d(), catalog.SIZE
    result = np.zeros((bands, height, width), np.float32)
    weighted = np.empty((bands, size, size), np.float32)
    for row in common.starts(height):
        for col in common.starts(width):
            patch = operator(pixels[:, row : row + size, col : col + size])
            np.multiply(patch, window, out=weighted)
            view = result[:, row : row + size, col : col + size]
            np.add(view, weighted, out=view)
    result /= weight_sum(height)[:, None]
    result /= weight_sum(width)
    return result
