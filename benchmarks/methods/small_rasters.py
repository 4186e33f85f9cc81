"""geopatcher on one mosaic, or on each of the rasters that it is made of, one run after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks import catalog
from benchmarks.scenes import parts_of
from benchmarks.works import scale
from geopatcher import reconstruct

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.methods import common


def run(scene: Path, out: Path, which: str, ending: str) -> common.Array | None:
    if which == "mosaic":
        out = out / f"00-00{ending}" if ending else out
        out.parent.mkdir(exist_ok=True)
        return one(scene, out, ending)
    parts = sorted(parts_of(scene).iterdir())
    if ending:
        out.mkdir()
        for part in parts:
            one(part, out / f"{part.stem}{ending}", ending)
        return None
    made = {part.stem: one(part, out, ending) for part in parts}
    rows: dict[str, list[common.Array | None]] = {}
    for name, array in made.items():
        rows.setdefault(name.partition("-")[0], []).append(array)
    return np.block([[*row] for row in rows.values()])


def one(source: Path, target: Path, ending: str) -> common.Array | None:
    """Run on one raster; without an ending into memory."""
    result = reconstruct(
        str(source),
        scale,
        str(target) if ending else None,
        size=catalog.SIZE,
        step=catalog.STEP,
        window="hann",
        memory_limit=catalog.MEMORY_LIMIT,
        chunks=catalog.CHUNK,
        dtype="float32",
    )
    return None if ending else np.asarray(result.array)
