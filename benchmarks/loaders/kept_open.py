"""Each patch from one open file, with GDAL's cache as large as ours: what GDAL alone needs."""

from __future__ import annotations

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

from benchmarks import catalog
from geopatcher.torch import SharedBatches

CACHE_BYTES = 256 << 20


class KeptOpen:
    """Patches at random places; each worker opens the file once."""

    def __init__(self, path: str, count: int) -> None:
        with rasterio.open(path) as dataset:
            free = (dataset.height - catalog.SIZE + 1, dataset.width - catalog.SIZE + 1)
        self.path = path
        self.places = np.random.default_rng(1).integers(0, free, size=(count, 2)).tolist()
        self.open: list[rasterio.DatasetReader] = []

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.places)

    def __getitem__(self, index: int) -> object:
        """Return one, as floats."""
        if not self.open:
            rasterio.env.set_gdal_config("GDAL_CACHEMAX", CACHE_BYTES)
            self.open = [rasterio.open(self.path)]
        row, col = self.places[index]
        pixels = self.open[0].read(window=Window(col, row, catalog.SIZE, catalog.SIZE))
        return torch.from_numpy(pixels).float()


def arguments(path: str, count: int) -> dict[str, object]:
    """Return what a loader takes."""
    return {"dataset": KeptOpen(path, count), "collate_fn": SharedBatches()}
