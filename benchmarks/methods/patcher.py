"""geopatcher, to whatever ``out`` is named after; ``.npy`` stands for "into memory"."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import catalog
from benchmarks.works import WORKS
from geopatcher import ZarrStorage, reconstruct

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.methods import common


def run(
    scene: Path, out: Path, codec: str = "zstd", work: str = "scale", aggregation: str = "overlap-add"
) -> common.Array | None:
    in_memory = out.suffix == ".npy"
    result = reconstruct(
        str(scene),
        WORKS[work].operator,
        None if in_memory else str(out),
        size=catalog.SIZE,
        step=catalog.STEP,
        window="hann",
        memory_limit=catalog.MEMORY_LIMIT,
        chunks=catalog.CHUNK,
        aggregation=aggregation,
        dtype="float32" if work in ("scale", "probabilities") else None,
        outputs=("class", "confidence") if work == "scores" else None,
        overwrite=True,
        storage=ZarrStorage(codec) if out.suffix == ".zarr" else None,
    )
    plan = str(result.plan).replace(str(scene), scene.name)  # results are kept; where they were made is not
    print(json.dumps({"plan": plan, "stats": result.stats.as_dict()}))
    if not in_memory:
        return None
    array = np.asarray(result.array)
    return np.stack([array, *(layer[...] for layer in result.layers.values())]) if work == "scores" else array
