"""A `PatchDataset` over an `IndexedPatchView`, in `SharedBatches`."""

from __future__ import annotations

import geopatcher as gp
from benchmarks import catalog
from geopatcher.torch import PatchDataset, SharedBatches


def image(sample: dict[str, object]) -> object:
    """Return the image alone, as floats."""
    return sample["image"].float()  # type: ignore[attr-defined]


def arguments(path: str, count: int) -> dict[str, object]:
    """Return what a loader takes."""
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(catalog.SIZE),
        gp.SpatialRandom(count, seed=1),
        gp.SpatialBoxcar(),
        gp.SpatialOverlapAdd(),
    )
    dataset = PatchDataset(gp.IndexedPatchView(patcher, path), image)
    return {"dataset": dataset, "shuffle": True, "collate_fn": SharedBatches()}
