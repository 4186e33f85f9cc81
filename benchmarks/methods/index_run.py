"""An index without overlap: geopatcher with the expression that `benchmarks.works` has as a function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import catalog
from geopatcher import Expression, ZarrStorage, reconstruct

if TYPE_CHECKING:
    from pathlib import Path


def run(scene: Path, out: Path, work: str) -> None:  # noqa: ARG001 - the check is told by it
    reconstruct(
        str(scene),
        Expression("(b4 - b3) / (b4 + b3)"),
        str(out),
        size=catalog.CHUNK,
        step=catalog.CHUNK,
        window="boxcar",
        memory_limit=catalog.MEMORY_LIMIT,
        chunks=catalog.CHUNK,
        overwrite=True,
        storage=ZarrStorage("zstd"),
    )
