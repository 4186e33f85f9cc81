"""The plain copy in memory: read strips of 512 rows and scale them into one array."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks import catalog
from benchmarks.methods import common

if TYPE_CHECKING:
    from pathlib import Path


def run(scene: Path, out: Path) -> common.Array:  # noqa: ARG001 - nothing is written
    result = np.empty(common.shape_of(scene), np.float32)
    for top, pixels in common.strips(scene):
        np.multiply(pixels, np.float32(catalog.SCALE), out=result[:, top : top + pixels.shape[1]])
    return result
