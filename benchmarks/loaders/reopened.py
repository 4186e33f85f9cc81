"""Each patch from a file that is opened for it."""

from __future__ import annotations

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

from benchmarks import catalog


class Reopened:
    """Patches at random places."""

    def __init__(self, path: str, count: int) -> None:
        with rasterio.open(path) as dataset:
            free = (dataset.height - catalog.SIZE + 1, dataset.width - catalog.SIZE + 1)
        self.path = path
        self.places = np.random.default_rng(1).integers(0, free, size=(count, 2)).tolist()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.places)

    def __getitem__(self, index: int) -> object:
        """Return one, as floats."""
        row, col = self.places[index]
        with rasterio.open(self.path) as dataset:
            pixels = dataset.read(window=Window(col, row, catalog.SIZE, catalog.SIZE))
        return torch.from_numpy(pixels).float()


def arguments(path: str, count: int) -> dict[str, object]:
    """Return what a loader takes."""
    return {"dataset": Reopened(path, count)}
