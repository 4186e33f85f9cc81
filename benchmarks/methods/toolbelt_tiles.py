"""pytorch-toolbelt: ``ImageSlicer`` pads and cuts, ``TileMerger`` accumulates with the window it is given."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks import catalog
from benchmarks.methods import common

if TYPE_CHECKING:
    from pathlib import Path

try:
    import torchvision.ops  # noqa: F401 - only to learn whether it can be loaded
except (ImportError, RuntimeError):
    # The library imports one function of torchvision (overlap of boxes), which tiling never calls; where
    # torchvision is missing or does not fit the installed torch, a stand-in lets the tiling be measured.
    stand_in, operators = ModuleType("torchvision"), ModuleType("torchvision.ops")
    operators.box_iou = None  # type: ignore[attr-defined]
    sys.modules.update({"torchvision": stand_in, "torchvision.ops": operators})

from pytorch_toolbelt.inference.tiles import ImageSlicer, TileMerger


def run(scene: Path, out: Path) -> common.Array:  # noqa: ARG001 - nothing is written
    pixels = np.moveaxis(common.read_all(scene), 0, -1)  # (height, width, bands)
    slicer = ImageSlicer(
        pixels.shape[:2], tile_size=catalog.SIZE, tile_step=catalog.STEP, weight=common.hann_2d()
    )
    merger = TileMerger(slicer.target_shape, channels=pixels.shape[2], weight=slicer.weight)
    with torch.inference_mode():
        for tile, place in zip(slicer.split(pixels), slicer.crops, strict=True):
            patch = np.moveaxis(common.scale(tile), -1, 0)
            merger.accumulate_single(torch.from_numpy(np.ascontiguousarray(patch)), place)
        merged = merger.merge_().numpy()
    return np.moveaxis(slicer.crop_to_orignal_size(np.moveaxis(merged, 0, -1)), -1, 0)
