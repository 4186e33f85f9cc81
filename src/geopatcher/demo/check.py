"""Compares results with the whole-array truth, and thins everything to pictures on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import zarr

from geopatcher.demo.scene import NODATA, SCALE, STRIP
from geopatcher.formats.gdal_environment import opened

if TYPE_CHECKING:
    from pathlib import Path

    from geopatcher.core.protocols import Array

#: Single precision keeps seven digits: more than this is not rounding.
TOLERANCE = 5e-7
#: Pixels of a thinned picture, at most.
THUMBNAIL = 1024


@dataclass(frozen=True)
class Comparison:
    """How far results are from the truth, and pictures of everything.

    ``rgb`` is reflectance ``(h, w, 3)``, ``index`` the result and ``difference`` the largest absolute
    difference within each thinned cell, both ``(h, w)``; NaN where there is no data.
    """

    zarr_error: float
    tiff_error: float
    wrong_mask: int
    missing: int
    rgb: Array
    index: Array
    difference: Array

    @property
    def passed(self) -> bool:
        """Whether both results are the truth, up to rounding, with data where it has data."""
        return max(self.zarr_error, self.tiff_error) <= TOLERANCE and self.wrong_mask == 0


def truth(scene: Array) -> Array:
    """Return the index of a scene ``(4, h, w)`` computed directly, in double precision; NaN for nodata."""
    red, infrared = scene[2].astype(np.float64), scene[3].astype(np.float64)
    missing = (scene[2] == NODATA) | (scene[3] == NODATA)
    with np.errstate(invalid="ignore"):
        return np.where(missing, np.nan, (infrared - red) / (infrared + red))


def compare(scene: Path, store: Path, tiff: Path) -> Comparison:
    """Compare both results with the truth at every pixel."""
    stored = zarr.open_group(store, mode="r", use_consolidated=False)["data"]
    errors = {"zarr": 0.0, "tiff": 0.0}
    wrong, missing = 0, 0
    pictures: dict[str, list[Array]] = {"rgb": [], "index": [], "difference": []}
    with opened(scene) as source, opened(tiff) as written:
        thin = max(1, -(-source.width // THUMBNAIL))
        for row in range(0, source.height, STRIP):
            stop = min(row + STRIP, source.height)
            window = ((row, stop), (0, source.width))
            pixels = source.read(window=window)
            expected = truth(pixels)
            results = {"zarr": np.asarray(stored[0, row:stop]), "tiff": written.read(1, window=window)}
            missing += int(np.isnan(expected).sum())
            for name, result in results.items():
                wrong += int((np.isnan(result) != np.isnan(expected)).sum())
                distance = np.abs(result - expected)
                errors[name] = max(errors[name], float(np.nanmax(distance, initial=0.0)))
            gaps = np.isnan(expected)
            rgb = np.where(gaps, np.nan, pixels[[2, 1, 0]] / SCALE)
            pictures["rgb"].append(np.moveaxis(_cells(rgb, thin).mean(axis=(-3, -1)), 0, -1))
            pictures["index"].append(_cells(results["zarr"], thin).mean(axis=(-3, -1)))
            pictures["difference"].append(_cells(np.abs(results["zarr"] - expected), thin).max(axis=(-3, -1)))
    joined = {name: np.concatenate(parts) for name, parts in pictures.items()}
    return Comparison(errors["zarr"], errors["tiff"], wrong, missing, **joined)


def _cells(array: Array, side: int) -> Array:
    """Return ``(..., rows, side, columns, side)``: cells to thin, without an incomplete last one."""
    *leading, height, width = array.shape
    rows, cols = height // side, width // side
    whole = array[..., : rows * side, : cols * side]
    return whole.reshape(*leading, rows, side, cols, side)


def detail(scene: Path, store: Path, *, corner: tuple[int, int], side: int) -> tuple[Array, Array, Array]:
    """Return a square at full resolution: reflectance ``(side, side, 3)``, result, absolute difference."""
    row, col = corner
    stored = zarr.open_group(store, mode="r", use_consolidated=False)["data"]
    with opened(scene) as source:
        pixels = source.read(window=((row, row + side), (col, col + side)))
    result = np.asarray(stored[0, row : row + side, col : col + side])
    return np.moveaxis(pixels[[2, 1, 0]] / SCALE, 0, -1), result, np.abs(result - truth(pixels))
