"""MONAI ``sliding_window_inference`` with the window given as ``roi_weight_map``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference

from benchmarks import catalog
from benchmarks.methods import common

if TYPE_CHECKING:
    from pathlib import Path


def run(scene: Path, out: Path) -> common.Array:  # noqa: ARG001 - nothing is written
    pixels = torch.from_numpy(common.read_all(scene).astype(np.float32))[None]
    with torch.inference_mode():
        merged = sliding_window_inference(
            pixels,
            roi_size=(catalog.SIZE, catalog.SIZE),
            sw_batch_size=1,
            predictor=lambda patch: patch * catalog.SCALE,
            overlap=1 - catalog.STEP / catalog.SIZE,
            roi_weight_map=torch.from_numpy(common.hann_2d()),
        )
    result: common.Array = merged[0].numpy()
    return result
