"""Overview levels: tiles put together from quarters that the finer tiles left behind, and encoded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.cpu import usable_cores
from geopatcher.targets.cog.packages import PackageReader
from geopatcher.targets.cog.tile_store import create_tiles
from geopatcher.targets.cog.tile_writer import Cells, TileWriter
from geopatcher.targets.multiscales import halved_shape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geopatcher.core.protocols import Array
    from geopatcher.targets.cog.tile_arrays import TileArray


@dataclass(frozen=True)
class TileFolder:
    """An array, and the folder its files are in; those that were encoded anew are in another."""

    array: TileArray
    folder: Path
    anew: Path | None = None

    def file(self, number: int, row: int, col: int) -> Path:
        """Return the file of a tile, by its number among those of a block."""
        key = self.array.encode_chunk_key((number, row, col))
        if self.anew is not None and (self.anew / key).exists():
            return self.anew / key
        return self.folder / key


def build_levels(finest: TileFolder, name: str, root: Path) -> list[TileFolder]:
    """Make the levels of an array in folders below ``root``; return all there are, the finest first.

    Each is made of the one before, tile by tile, in threads. ``finest.array`` says what the result came to
    be: of the cells at half the resolution that its tiles left, those are taken.

    Raises
    ------
    OSError, TargetError
        A file cannot be read, or the disk cannot take it.

    """
    levels = [finest]
    while levels[-1].array.is_halved:
        finer = levels[-1]
        array = finer.array.coarser()
        store = create_tiles(root / f"{name}.{len(levels)}", {name: array})
        step = _Step(finer, array, store.writer(name))
        with ThreadPoolExecutor(usable_cores(), "geopatcher-levels") as pool:
            for row in range(array.places[0]):
                # One row at a time: what is wrong with a tile ends it soon.
                list(pool.map(partial(step.run, row), range(array.places[1])))
        levels.append(TileFolder(array, store.path / name))
    return levels


@dataclass(frozen=True)
class _Step:
    """A level that is made of a finer one."""

    finer: TileFolder
    array: TileArray
    writer: TileWriter

    def run(self, row: int, col: int) -> None:
        """Make a tile, all its files; that with the mask comes last, when all are known."""
        shape = self.array.box(row, col).shape
        held = np.zeros(shape, bool) if self.array.masked else None
        for number in reversed(range(self.array.n_files)):
            values, known = self._cells(number, row, col, shape)
            if held is not None and known is not None:
                held |= known.any(axis=0)
            self.writer.put((number, row, col), Cells(values, known, held if number == 0 else None))

    def _cells(self, number: int, row: int, col: int, shape: tuple[int, int]) -> tuple[Array, Array | None]:
        """Return the cells of a file of a tile, and which hold data, where they do not tell."""
        n_bands = self.array.bands_per_file
        values = np.full((n_bands, *shape), self.array.fill, self.array.dtype)
        known = np.zeros(values.shape, bool) if self.array.masked else None
        for (top, left), parent in self._parents(number, row, col):
            height, width = parent.shape
            where = (slice(None), slice(top, top + height), slice(left, left + width))
            try:
                reader = PackageReader(parent.file)
            except FileNotFoundError:
                continue
            with reader:
                # Where a value says what is missing, no mean has it.
                half = reader.half((n_bands, height, width), self.array.dtype, aside=not self._plain)
                if half is not None:
                    values[where] = half
                if known is not None:
                    known[where] = reader.known((n_bands, height, width))
        return values, known

    @property
    def _plain(self) -> bool:
        return self.array.nodata is None

    def _parents(self, number: int, row: int, col: int) -> Iterator[tuple[tuple[int, int], _Parent]]:
        """Yield where the four tiles that a tile is made of lie in it, in its pixels, and their files."""
        rows, cols = self.finer.array.places
        height, width = (length // 2 for length in self.array.tile)
        for down in (0, 1):
            for right in (0, 1):
                at = (2 * row + down, 2 * col + right)
                if at[0] < rows and at[1] < cols:
                    shape = halved_shape(self.finer.array.box(*at).shape)
                    yield (down * height, right * width), _Parent(self.finer.file(number, *at), shape)


@dataclass(frozen=True)
class _Parent:
    """A file of the finer level, and ``(height, width)`` of it at half the resolution."""

    file: Path
    shape: tuple[int, int]


def settled(array: TileArray, way: int, *, masked: bool, nodata: float | int | None) -> TileArray:
    """Return an array of which it is known now whether a value says what is missing, or a mask.

    So is its codec, by its number.
    """
    return replace(array, codec=array.codecs[way], masked=masked, nodata=nodata)
