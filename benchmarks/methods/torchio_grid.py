"""TorchIO ``GridSampler`` and ``GridAggregator``, with its own Hann window (positive everywhere too)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torchio

from benchmarks import catalog
from benchmarks.methods import common

if TYPE_CHECKING:
    from pathlib import Path


def run(scene: Path, out: Path) -> common.Array:  # noqa: ARG001 - nothing is written
    pixels = torch.from_numpy(common.read_all(scene).astype(np.float32))[..., None]  # volumes have a depth
    overlap, size = catalog.SIZE - catalog.STEP, catalog.SIZE
    sampler = torchio.GridSampler(
        torchio.Subject(image=torchio.ScalarImage(tensor=pixels)),
        patch_size=(size, size, 1),
        patch_overlap=(overlap, overlap, 0),
    )
    aggregator = torchio.GridAggregator(sampler, overlap_mode="hann")
    for batch in torchio.SubjectsLoader(sampler, batch_size=1):
        patches = batch["image"][torchio.DATA] * catalog.SCALE
        aggregator.add_batch(patches, batch[torchio.LOCATION])
    merged: common.Array = aggregator.get_output_tensor()[..., 0].numpy()
    return merged
