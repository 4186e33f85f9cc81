"""`merge` of patches in memory: with a plan, and of the same patches in any order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

import geopatcher
from benchmarks import catalog
from benchmarks.methods import common
from benchmarks.works import scale
from geopatcher import Patch, SpatialOverlapAdd
from geopatcher.merging.merge import PlannedPatches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def run(scene: Path, out: Path, order: str) -> common.Array:  # noqa: ARG001 - nothing is written
    pixels = common.read_all(scene)
    rows, cols = map(common.starts, pixels.shape[1:])
    anchors = [(row, col) for row in rows for col in cols]
    window = common.hann_2d()

    def patches() -> Iterator[Patch[object]]:
        for row, col in anchors:
            yield Patch(
                scale(pixels[:, row : row + catalog.SIZE, col : col + catalog.SIZE]), (row, col), None, window
            )

    if order == "shuffled":
        random.Random(0).shuffle(anchors)
        return np.asarray(SpatialOverlapAdd().merge(patches(), pixels))
    plan = geopatcher.plan(pixels, size=catalog.SIZE, step=catalog.STEP)
    return np.asarray(SpatialOverlapAdd().merge(PlannedPatches(plan, patches()), pixels))
