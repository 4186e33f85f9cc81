"""Compares a result with its input at every pixel: ``python -m benchmarks.check SCENE RESULT WORK``.

What is right is computed here from the scene alone, by the work: see `benchmarks.works`. Where the scene has
no data, the result has to say so: NaN, its own nodata value, or zero. Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import rasterio
import zarr
from numpy.typing import NDArray
from rasterio.windows import Window

from benchmarks import catalog
from benchmarks.works import WORKS, Work

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Array = NDArray[Any]


@dataclass
class Verdict:
    """The worst of what was found; `fine` is what counts."""

    shape: tuple[int, ...]
    max_error: float = 0.0
    worst: tuple[int, int, int] | None = None  # band, row, column of the largest error
    not_a_number: int = 0  # pixels that have data in the scene and none in the result
    made_up: int = 0  # pixels that have none in the scene and some in the result
    problem: str | None = None

    @property
    def fine(self) -> bool:
        """Whether every pixel is as it should be."""
        within = self.max_error <= catalog.LARGEST_ERROR
        return within and not self.not_a_number and not self.made_up and self.problem is None


class Result(Protocol):
    """What a result of any kind is read through."""

    nodata: float | None

    @property
    def shape(self) -> tuple[int, ...]:
        """``(bands, height, width)``."""
        ...

    def rows(self, top: int, stop: int) -> Array:
        """Return ``(bands, rows, width)``."""
        ...


class ArrayResult:
    """A zarr array or a .npy file; leading axes of length one are ignored."""

    nodata: float | None = None

    def __init__(self, array: zarr.Array[Any] | Array) -> None:
        self._array = array
        self._extra = max(0, len(array.shape) - 3)
        self.shape = tuple(array.shape[self._extra :]) if len(array.shape) > 2 else (1, *array.shape)

    def rows(self, top: int, stop: int) -> Array:
        rows = np.asarray(self._array[..., top:stop, :])
        return rows.reshape(self.shape[0], stop - top, self.shape[2])


class TiffResult:
    """A GeoTIFF."""

    def __init__(self, path: Path) -> None:
        self._source = rasterio.open(path)
        self.nodata = self._source.nodata
        self.shape = (self._source.count, self._source.height, self._source.width)

    def rows(self, top: int, stop: int) -> Array:
        pixels: Array = self._source.read(window=Window(0, top, self.shape[2], stop - top))
        return pixels


class PartsResult:
    """A folder of results, one for each tile of the scene, called ``ROW-COLUMN`` and a suffix."""

    def __init__(self, folder: Path) -> None:
        paths = [path for path in folder.iterdir() if path.suffix in (".zarr", ".tif")]  # not the ledgers
        self._parts = {tuple(map(int, path.stem.split("-"))): open_result(path) for path in paths}
        down, across = (1 + max(place[axis] for place in self._parts) for axis in (0, 1))
        bands, self._height, width = self._parts[0, 0].shape
        self.nodata = self._parts[0, 0].nodata
        self._across, self.shape = across, (bands, down * self._height, across * width)

    def rows(self, top: int, stop: int) -> Array:
        row, first = divmod(top, self._height)
        last = stop - row * self._height
        return np.concatenate([self._parts[row, col].rows(first, last) for col in range(self._across)], -1)


class Pixels(Protocol):
    """What is right is made of these: a scene as rasterio opens it, or a series."""

    count: int
    height: int
    width: int
    nodata: float | None

    def read(self, *, window: Window) -> Array:
        """Return ``(bands, rows, columns)``."""
        ...


class Median:
    """The median over the rasters of a folder, rounded half to even."""

    nodata = None

    def __init__(self, rasters: Sequence[Any]) -> None:
        self._rasters = rasters
        self.count, self.height, self.width = rasters[0].count, rasters[0].height, rasters[0].width

    def read(self, *, window: Window) -> Array:
        dates = np.stack([raster.read(window=window) for raster in self._rasters])
        return np.rint(np.median(dates, axis=0)).astype(dates.dtype)


@contextmanager
def opened_scene(path: Path) -> Iterator[Pixels]:
    """Open a raster, or all of a folder."""
    with ExitStack() as stack:
        if path.is_dir():
            yield Median([stack.enter_context(rasterio.open(one)) for one in sorted(path.iterdir())])
        else:
            yield stack.enter_context(rasterio.open(path))


def raster_of(store: Path) -> zarr.Array[Any]:
    """Return the array of a store, or of a group the one with the most cells (coordinates are smaller)."""
    node = zarr.open(store, mode="r")
    if isinstance(node, zarr.Array):
        return node
    arrays = [array for _, array in node.arrays() if array.ndim >= 2]
    if not arrays:
        raise SystemExit(f"no array of two or more dimensions in {store.name}")
    return max(arrays, key=lambda array: array.size)


def open_result(path: Path) -> Result:
    """Open by suffix."""
    if path.suffix == ".zarr":
        return ArrayResult(raster_of(path))
    if not path.suffix:
        return PartsResult(path)
    if path.suffix == ".npy":
        return ArrayResult(np.load(path, mmap_mode="r"))
    return TiffResult(path)


def compare(
    verdict: Verdict,
    top: int,
    pixels: Array,
    found: Array,
    missing: tuple[float | None, float | None],
    work: Work = WORKS["scale"],
) -> None:
    """Take in the strip that starts at row ``top``; ``missing`` is the nodata of scene and of result."""
    scene_nodata, result_nodata = missing
    error = work.error(pixels, found)
    if scene_nodata is not None:
        outside = pixels == scene_nodata
        nothing = np.isnan(found) | (found == 0)
        if result_nodata is not None:
            nothing |= found == result_nodata
        verdict.made_up += int(np.count_nonzero(outside & ~nothing))
        error[outside] = 0
    blank = ~np.isfinite(error)
    verdict.not_a_number += int(np.count_nonzero(blank))
    error[blank] = 0
    largest = float(error.max())
    if largest > verdict.max_error or verdict.worst is None:
        band, row, col = (int(at) for at in np.unravel_index(int(error.argmax()), error.shape))
        verdict.max_error, verdict.worst = largest, (band, top + row, col)


def check(scene: Path, result: Path, work: str = "scale") -> Verdict:
    """Compare strip by strip, so that a result larger than memory can be checked."""
    found = open_result(result)
    verdict = Verdict(found.shape)
    with rasterio.Env(GDAL_CACHEMAX=64), opened_scene(scene) as source:
        expected = (WORKS[work].out_bands(source.count), source.height, source.width)
        if found.shape != expected:
            verdict.problem = f"shape {found.shape} instead of {expected}"
            return verdict
        rows = max(1, min(catalog.CHUNK, 2**25 // (source.width * expected[0])))
        for top in range(0, source.height, rows):
            stop = min(top + rows, source.height)
            pixels = source.read(window=Window(0, top, source.width, stop - top))
            compare(verdict, top, pixels, found.rows(top, stop), (source.nodata, found.nodata), WORKS[work])
    return verdict


def main(arguments: list[str]) -> None:
    """Check one result."""
    verdict = check(Path(arguments[0]), Path(arguments[1]), *arguments[2:])
    print(json.dumps({**asdict(verdict), "fine": verdict.fine}))


if __name__ == "__main__":
    main(sys.argv[1:])
