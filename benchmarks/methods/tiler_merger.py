"""tiler: ``Tiler`` cuts, ``Merger`` accumulates with the window it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tiler import Merger, Tiler

from benchmarks import catalog
from benchmarks.methods import common

if TYPE_CHECKING:
    from pathlib import Path


def run(scene: Path, out: Path) -> common.Array:  # noqa: ARG001 - nothing is written
    pixels = common.read_all(scene)
    bands, size = pixels.shape[0], catalog.SIZE
    cutter = Tiler(
        data_shape=pixels.shape,
        tile_shape=(bands, size, size),
        overlap=(0, size - catalog.STEP, size - catalog.STEP),
        channel_dimension=0,
        mode="reflect",
    )
    window = np.broadcast_to(common.hann_2d(), (bands, size, size))
    merger = Merger(cutter, window=np.ascontiguousarray(window), save_visits=False)
    for number, tile in cutter(pixels, copy_data=False):
        merger.add(number, common.scale(tile))
    merged: common.Array = merger.merge(unpad=True, dtype=np.float32)
    return merged
