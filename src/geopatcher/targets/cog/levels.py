"""Overview levels: tiles put together from quarters that the finer tiles left behind, and encoded."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby, product
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from geopatcher.core.cpu import usable_cores
from geopatcher.targets.cog.packages import PackageReader
from geopatcher.targets.cog.tile_writer import Cells, TileWriter
from geopatcher.targets.folders import make_below, remove_folder
from geopatcher.targets.multiscales import halved_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.gaps import Gaps
    from geopatcher.core.protocols import Array
    from geopatcher.targets.cog.tile_arrays import TileArray

    #: Row and column of a tile in its level.
    Place: TypeAlias = tuple[int, int]


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


class Levels:
    """The overview levels of an array, of which each tile is made when those that it is made of are there.

    `grow` is told which blocks were written, by who writes them in this process, and makes what they make
    possible. What a tile comes to be depends on what is known for certain only at the end: its codec, and
    what says that a cell is missing. Until then it goes by what was found so far, and what was made is made
    again where that turns out to be wrong. `finish` makes all that is left, of a raster whose tiles others
    have written every tile. Any thread may use it; they take turns.

    Parameters
    ----------
    finest
        The tiles of the array itself.
    root
        The folder of the levels, which is made when there is one. That above it is never made.
    spec
        Of a result of this array alone.

    """

    def __init__(self, finest: TileFolder, root: Path, spec: ResultSpec) -> None:
        self.finest, self.spec = finest, spec
        self._root, self._lock = root, threading.Lock()
        self._assumed = finest.array
        self._made = [np.zeros(array.places, bool) for array in _every(finest.array)]

    def grow(self, boxes: Sequence[Box], gaps: Gaps, way: int, n_threads: int) -> None:
        """Make what can be made, now that the blocks of ``boxes`` are written, for the first time or again.

        ``gaps`` is what was found in cells so far, and ``way`` the number of the codec tiles have now. At
        once there are tiles of at most every other block, and what that takes the blocks took when they
        were encoded.

        Raises
        ------
        OSError, TargetError
            A file cannot be read, or the disk cannot take it.

        """
        array = self.finest.array
        with self._lock:
            levels = self._assume(
                replace(self.finest, array=settled(array, came_of(self.spec, gaps, array), way))
            )
            touched = [sorted(_under(boxes, array.tile, number)) for number in range(len(levels))]
            for number, made in enumerate(self._made):
                for place in touched[number]:
                    made[place] = number == 0
            for number in range(1, len(levels)):
                finer = self._made[number - 1]
                ready = [
                    (row, col)
                    for row, col in touched[number]
                    if finer[2 * row : 2 * row + 2, 2 * col : 2 * col + 2].all()
                ]
                if ready:
                    self._make(levels, number, ready, n_threads)

    def finish(self, finest: TileFolder) -> list[TileFolder]:
        """Make what is left; return all levels, the finest first.

        ``finest.array`` says what the result came to be.

        Raises
        ------
        OSError, TargetError
            A file cannot be read, or the disk cannot take it.

        """
        with self._lock:
            levels = self._assume(finest)
            for number in range(1, len(levels)):
                self._make(levels, number, _left(self._made[number]), usable_cores())
            return levels

    def remove(self) -> None:
        """Remove all but the finest.

        Raises
        ------
        TargetError
            They cannot be removed.

        """
        remove_folder(self._root)

    def _assume(self, finest: TileFolder) -> list[TileFolder]:
        """Return the levels of an array of which all is said; if it is another, forget what was made."""
        # NaN differs from itself; what is written is compared.
        if finest.array.to_json() != self._assumed.to_json():
            self._assumed = finest.array
            for made in self._made[1:]:
                made[...] = False
        coarser = list(_every(finest.array))[1:]
        return [finest, *(TileFolder(one, self._root / f"{n}") for n, one in enumerate(coarser, start=1))]

    def _make(
        self, levels: Sequence[TileFolder], number: int, places: Iterable[Place], n_threads: int
    ) -> None:
        """Make tiles of a level; they come in order of their rows."""
        level = levels[number]
        make_below(level.folder, self._root.parent)
        step = _Step(levels[number - 1], level.array, TileWriter(level.array, level.folder))
        with ThreadPoolExecutor(n_threads, "geopatcher-levels") as pool:
            for _, row in groupby(places, itemgetter(0)):
                # One row at a time: what is wrong with a tile ends it soon.
                for place in pool.map(step.run, row):
                    self._made[number][place] = True


def _every(finest: TileArray) -> Iterator[TileArray]:
    """Yield an array and those of its levels, the finest first."""
    yield finest
    while finest.is_halved:
        finest = finest.coarser()
        yield finest


def _left(made: Array) -> Iterator[Place]:
    """Yield where it is false of ``(rows, columns)``."""
    for row, of_row in enumerate(made):
        yield from ((row, col) for col in np.flatnonzero(~of_row).tolist())


def _under(boxes: Sequence[Box], tile: tuple[int, int], number: int) -> set[Place]:
    """Return the tiles of a level that the cells of ``boxes`` lie in."""
    height, width = (length << number for length in tile)
    return {
        place
        for box in boxes
        for place in product(
            range(box.row0 // height, -(-box.row1 // height)),
            range(box.col0 // width, -(-box.col1 // width)),
        )
    }


@dataclass(frozen=True)
class _Step:
    """A level that is made of a finer one."""

    finer: TileFolder
    array: TileArray
    writer: TileWriter

    def run(self, place: Place) -> Place:
        """Make a tile, all its files; that with the mask comes last, when all are known. Return its place."""
        row, col = place
        shape = self.array.box(row, col).shape
        held = np.zeros(shape, bool) if self.array.masked else None
        for number in reversed(range(self.array.n_files)):
            values, known = self._cells(number, row, col, shape)
            if held is not None and known is not None:
                held |= known.any(axis=0)
            self.writer.put((number, row, col), Cells(values, known, held if number == 0 else None))
        return place

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


def came_of(spec: ResultSpec, gaps: Gaps, array: TileArray) -> ResultSpec:
    """Return what a result came to be: a file has one mask for all bands, but a nodata value says it of each.

    Where cells are missing in some bands only, and none that holds data has the value they hold, that one
    stands for missing, unless a compression changes values.
    """
    came = spec.settled(gaps)
    if not came.masked or not gaps.uneven or gaps.met or array.codec.is_lossy:
        return came
    return replace(came, masked=False, domain=replace(came.domain, nodata=came.fill))


def settled(array: TileArray, came: ResultSpec, way: int) -> TileArray:
    """Return an array of which it is known what its result came to be, and its codec, by its number."""
    return replace(array, codec=array.codecs[way], masked=came.masked, nodata=came.domain.nodata)
