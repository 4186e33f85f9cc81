"""MONAI ``PatchInferer`` with ``ZarrAvgMerger``: sums and counts in zarr stores; it takes no window."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import torch
from monai.inferers import PatchInferer, SlidingWindowSplitter, ZarrAvgMerger

from benchmarks import catalog
from benchmarks.methods import common

if TYPE_CHECKING:
    from pathlib import Path


def run(scene: Path, out: Path) -> None:
    pixels = torch.from_numpy(common.read_all(scene).astype(np.float32))[None]
    # Its default stores are temporary folders of which one is removed while in use.
    sums, counts = out.with_suffix(".sums"), out.with_suffix(".counts")
    inferer = PatchInferer(
        splitter=SlidingWindowSplitter(patch_size=catalog.SIZE, overlap=catalog.SIZE - catalog.STEP),
        merger_cls=ZarrAvgMerger,
        store=str(out),
        value_store=str(sums),
        count_store=str(counts),
        chunks=(1, pixels.shape[1], catalog.CHUNK, catalog.CHUNK),
    )
    with torch.inference_mode():
        inferer(pixels, lambda patch: patch * catalog.SCALE)
    shutil.rmtree(sums)
    shutil.rmtree(counts)
