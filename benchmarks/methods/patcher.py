"""geopatcher, to whatever ``out`` is named after; ``.npy`` stands for "into memory"."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import catalog
from benchmarks.methods import common
from geopatcher import ZarrStorage, reconstruct

if TYPE_CHECKING:
    from pathlib import Path


def run(scene: Path, out: Path, codec: str = "zstd") -> common.Array | None:
    in_memory = out.suffix == ".npy"
    result = reconstruct(
        str(scene),
        common.scale,
        None if in_memory else str(out),
        size=catalog.SIZE,
        step=catalog.STEP,
        window="hann",
        memory_limit=catalog.MEMORY_LIMIT,
        chunks=catalog.CHUNK,
        dtype="float32",
        overwrite=True,
        storage=ZarrStorage(codec) if out.suffix == ".zarr" else None,
    )
    plan = str(result.plan).replace(str(scene), scene.name)  # results are kept; where they were made is not
    print(json.dumps({"plan": plan, "stats": result.stats.as_dict()}))
    return np.asarray(result.array) if in_memory else None
