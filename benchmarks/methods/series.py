"""geopatcher: the median over the rasters of a folder, as a mosaic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks import catalog
from benchmarks.works import unchanged
from geopatcher import Mosaic, reconstruct

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.methods import common


def run(scene: Path, out: Path, work: str) -> common.Array:  # noqa: ARG001 - nothing is written
    result = reconstruct(
        Mosaic(sorted(map(str, scene.iterdir())), order="median"),
        unchanged,
        size=catalog.SIZE,
        step=catalog.SIZE,
        window="boxcar",
        memory_limit=catalog.MEMORY_LIMIT,
        chunks=catalog.CHUNK,
    )
    return np.asarray(result.array)
