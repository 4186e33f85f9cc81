"""What the methods share: reading, the operator, the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from benchmarks import catalog, works

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Array = NDArray[Any]
#: The operator of most methods.
scale = works.scale
CACHE_MB = 64  # of GDAL's blocks; read once, in order, a larger cache gains nothing and counts as memory


def hann(n: int = catalog.SIZE) -> NDArray[np.float32]:
    """Return the half-sample Hann window ``sin^2(pi (i + 1/2) / n)``, ``(n,)``: positive everywhere."""
    return (np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2).astype(np.float32)


def hann_2d(n: int = catalog.SIZE) -> NDArray[np.float32]:
    """Return the window of a patch, ``(n, n)``."""
    return np.outer(hann(n), hann(n))


def starts(length: int, size: int = catalog.SIZE, step: int = catalog.STEP) -> list[int]:
    """Return where patches start along an axis; the last one moves in, so that every pixel is covered."""
    last = length - size
    return [*range(0, last, step), last]


def shape_of(scene: Path) -> tuple[int, int, int]:
    """Return ``(bands, height, width)``."""
    with rasterio.open(scene) as source:
        return source.count, source.height, source.width


def strips(scene: Path, rows: int = catalog.CHUNK) -> Iterator[tuple[int, Array]]:
    """Yield ``(first row, pixels)`` from top to bottom; pixels are ``(bands, rows, width)``."""
    with rasterio.Env(GDAL_CACHEMAX=CACHE_MB), rasterio.open(scene) as source:
        for top in range(0, source.height, rows):
            tall = min(rows, source.height - top)
            yield top, source.read(window=Window(0, top, source.width, tall))


def read_all(scene: Path) -> Array:
    """Return all pixels, ``(bands, height, width)``."""
    with rasterio.Env(GDAL_CACHEMAX=CACHE_MB), rasterio.open(scene) as source:
        pixels: Array = source.read()
    return pixels
