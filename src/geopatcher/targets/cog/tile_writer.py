"""Blocks of an array, encoded in threads as tiles of a GeoTIFF and put into files."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.gaps import MISSING, Gaps, gaps_of, together
from geopatcher.targets.chunk_files import grid_of
from geopatcher.targets.chunk_writer import holds_only
from geopatcher.targets.cog.choosing import Trials
from geopatcher.targets.cog.encoders import packed_mask
from geopatcher.targets.cog.packages import Package
from geopatcher.targets.digests import NO_FILE
from geopatcher.targets.files import FolderFiles
from geopatcher.targets.multiscales import halve, halve_known, known_cells
from geopatcher.targets.statistics import moments_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array
    from geopatcher.targets.cog.tile_arrays import TileArray
    from geopatcher.targets.digests import FileRecord


@dataclass(frozen=True)
class Cells:
    """What is in a file of a block: ``(bands, h, w)``, and which of them hold data, where that is said.

    ``held`` is where any band of the raster does, ``(h, w)``, for the one file of a block that has its mask.
    """

    values: Array
    known: Array | None = None
    held: Array | None = None
    gaps: Gaps = Gaps()  # noqa: RUF009 - it is immutable


class TileWriter:
    """Writes blocks of an array whose files lie in ``folder``; used as `ChunkWriter` is.

    ``folder`` itself is never made: where it is gone, nothing is written. What became of the files is kept
    until it is asked for, by `take`.

    Raises
    ------
    OSError
        From a task, or while tasks are made: a file or folder cannot be written.

    """

    def __init__(self, array: TileArray, folder: Path) -> None:
        self._array, self._files = array, FolderFiles(folder)
        self._fill = array.dtype.type(array.fill)
        self._trials = Trials(array.codecs, array.tried)
        self._written: dict[tuple[int, ...], FileRecord] = {}
        self._gaps, self._lock = Gaps(), threading.Lock()

    @property
    def way(self) -> int:
        """The number of the codec for the next tile, by what was tried so far."""
        return self._trials.way

    @property
    def gaps(self) -> Gaps:
        """What was found in all cells so far."""
        return self._gaps

    def tasks(self, box: Box, values: Array, said: Array | None = None) -> Iterator[Callable[[], None]]:
        """Yield what writes ``values``, ``(bands, h, w)``, at a box that begins where tiles do.

        ``said`` says which of them hold data; see `geopatcher.core.gaps`. Files whose cells hold nothing but
        fill, which is no data where that is said, are not there.
        """
        height, width = self._array.tile
        for row in range(box.row0 // height, -(-box.row1 // height)):
            for col in range(box.col0 // width, -(-box.col1 // width)):
                where = self._array.box(row, col).slices(box)
                told = None if said is None else said[(slice(None), *where)]
                for number in range(self._array.n_files):
                    cells = values[(self._array.bands_of(number), *where)]
                    yield partial(self._write, (number, row, col), cells, told)

    def take(self, box: Box) -> Array:
        """Return, once, what is known of the files of a box: ``(files, rows, columns, 3)``."""
        numbers, rows, cols = grid_of(self._array, box)
        known = [
            self._written.pop((number, row, col), NO_FILE)
            for number in numbers
            for row in rows
            for col in cols
        ]
        return np.array(known, np.int64).reshape(len(numbers), len(rows), len(cols), 3)

    def _write(self, where: tuple[int, ...], values: Array, said: Array | None) -> None:
        """Write cells of which codes, of all bands, say which hold data."""
        if said is None:
            self.put(where, Cells(values))
            return
        own = said[self._array.bands_of(where[0])]
        held, uneven = None, 0
        if where[0] == 0:
            held, uneven = (said != MISSING).any(axis=0), gaps_of(said).uneven
        gaps = gaps_of(own)._replace(uneven=uneven)
        with self._lock:
            self._gaps = together(self._gaps, gaps)
        self.put(where, Cells(values, own != MISSING, held, gaps))

    def put(self, where: tuple[int, ...], cells: Cells) -> None:
        """Encode what is in a file, by its number among those of a block, row and column, and write it."""
        key = self._array.encode_chunk_key(where)
        is_fill = holds_only(cells.values, self._fill) and (cells.known is None or not cells.known.any())
        if is_fill and (cells.held is None or not cells.held.any()):
            self._files.remove(key)
            self._written.pop(where, None)
            return
        self._written[where] = self._files.put(key, self._packed(where, cells, is_fill=is_fill).pack())

    def _packed(self, where: tuple[int, ...], cells: Cells, *, is_fill: bool) -> Package:
        array, values, known = self._array, np.ascontiguousarray(cells.values, self._array.dtype), cells.known
        if known is not None and known.all():
            known = None
        mask = b"" if cells.held is None else packed_mask(cells.held, array.tile)
        if is_fill:
            return Package(b"", mask, None, None, None, np.zeros((len(values), 5)), cells.gaps)
        half = aside = held = None
        if array.is_halved:
            half, aside, held = self._halved(values, known)
        moments = moments_of(values, known, None if array.masked else array.nodata, to_all_digits=True)
        _, row, col = where
        way, tried = self._trials.choose((row, col), values)
        tile = array.encoders[way](self._whole(values))
        return Package(tile, mask, half, aside, held, moments, cells.gaps, way, tuple(tried.tolist()))

    def _whole(self, values: Array) -> Array:
        """Return a whole tile: what is beyond the grid costs little, and does not show within it."""
        rows, cols = (whole - part for whole, part in zip(self._array.tile, values.shape[1:], strict=True))
        if not (rows or cols):
            return values
        beyond = ((0, 0), (0, rows), (0, cols))
        if self._array.codec.is_lossy:
            return np.pad(values, beyond, mode="edge")
        return np.pad(values, beyond, constant_values=self._array.fill)

    def _halved(self, values: Array, known: Array | None) -> tuple[Array, Array | None, Array | None]:
        """Return cells at half the resolution, those of which no mean is nodata, and which hold data.

        Where a mask may be needed it is known only at the end whether a value is nodata.
        """
        array, method = self._array, self._array.method or ""
        if not array.masked:
            alone = [
                halve(band, method, known_cells(band, array.nodata), array.fill, array.nodata)
                for band in values
            ]
            return np.stack(alone), None, None
        held = None if known is None else np.stack([halve_known(band, method) for band in known])
        plain = np.stack([self._half(values, known, band, None) for band in range(len(values))])
        nodata = array.nodata
        if nodata is None or nodata != nodata:  # noqa: PLR0124 - no mean equals NaN
            return plain, None, held
        taken = plain == plain.dtype.type(nodata)
        if not (taken if held is None else taken & held).any():
            return plain, None, held
        apart = np.stack([self._half(values, known, band, nodata) for band in range(len(values))])
        return plain, apart, held

    def _half(self, values: Array, known: Array | None, band: int, nodata: float | int | None) -> Array:
        held = None if known is None else known[band]
        return halve(values[band], self._array.method or "", held, self._array.fill, nodata)
