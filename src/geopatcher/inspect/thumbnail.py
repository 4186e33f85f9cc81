"""A whole band, thinned until it fits in memory, filled in piece by piece."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.box import Box
from geopatcher.inspect.levels import decoded_bytes, float_dtype

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from geopatcher.core.protocols import Array
    from geopatcher.inspect.levels import Raster

#: Longest side of a sample.
SAMPLE_PX = 2048
#: Most bytes decoded to make one: beyond, one cell of a block stands for all of it.
SCAN_BYTES = 16 << 30
#: Cells of a piece, a side, before thinning.
PIECE_PX = 2048


class Sampled:
    """One band of a raster, one cell in ``step`` by ``step``; `fill` reads it, `read` gives what is there.

    The memory taken follows from ``longest`` alone, and so does what is read once blocks are
    finer than ``step``. `read` may be called from other threads while `fill` is at work.

    >>> from geopatcher.inspect.levels import raster_of
    >>> from geopatcher.fields.array_source import ArraySource
    >>> band = Sampled(raster_of(ArraySource.of(np.arange(64.0).reshape(8, 8))), 0, longest=4)
    >>> band.fill()
    >>> band.step, band.cells.shape, band.share
    (2, (4, 4), 1.0)
    """

    def __init__(self, raster: Raster, band: int, longest: int = SAMPLE_PX) -> None:
        self.raster = raster
        self.band = band
        height, width = raster.domain.grid_shape
        self.step = _step_for(raster, longest)
        shape = (-(-height // self.step), -(-width // self.step))
        self.cells: Array = np.full(shape, np.nan, float_dtype(raster.domain.dtype))
        self._pieces = 0
        self._done = 0

    @property
    def share(self) -> float:
        """How much has been read, 0 to 1."""
        return self._done / self._pieces if self._pieces else 0.0

    def fill(self, stop: threading.Event | None = None) -> None:
        """Read everything, in an order that shows the whole early; ``stop`` ends it before its time."""
        side = max(1, PIECE_PX // self.step)
        pieces = list(Box.of_shape((self.cells.shape[0], self.cells.shape[1])).tiles((side, side)))
        self._pieces = len(pieces)
        for index in _scattered(len(pieces)):
            if stop is not None and stop.is_set():
                return
            piece = pieces[index]
            self.cells[piece.slices()] = self._piece(piece)
            self._done += 1

    def read(self, box: Box, step: int) -> Array:
        """Return the cells of a box of the raster, as far as they are known.

        Shaped ``(ceil(h / step), ceil(w / step))``.
        """
        rows = np.arange(box.row0, box.row1, step) // self.step
        cols = np.arange(box.col0, box.col1, step) // self.step
        found: Array = self.cells[np.ix_(rows, cols)]
        return found

    def _piece(self, piece: Box) -> Array:
        height, width = self.raster.domain.grid_shape
        whole = Box(
            piece.row0 * self.step,
            min(piece.row1 * self.step, height),
            piece.col0 * self.step,
            min(piece.col1 * self.step, width),
        )
        if self.step <= _sparse_step(self.raster):
            values: Array = self.raster.read(whole, [self.band], self.step)[0]
            return values
        cells = np.full(piece.shape, np.nan, self.cells.dtype)
        for row, col in np.ndindex(piece.shape):
            at = _middle(whole, row, col, self.step)
            cells[row, col] = self.raster.read(at, [self.band])[0, 0, 0]
        return cells


def overview(raster: Raster, band: int, longest: int) -> Array:
    """Return a band thinned to at most ``longest`` cells a side, ``(h, w)`` float, missing cells NaN."""
    sampled = Sampled(raster, band, longest)
    sampled.fill()
    return sampled.cells


def _step_for(raster: Raster, longest: int) -> int:
    """Return the smallest power of two that keeps the sample small, and its making affordable."""
    height, width = raster.domain.grid_shape
    step = 1
    while -(-max(height, width) // step) > longest:
        step *= 2
    whole = Box.of_shape((height, width))
    block = math.prod(raster.block_shape) * raster.domain.dtype.itemsize
    while decoded_bytes(raster, whole, 1, step) > SCAN_BYTES:
        points = -(-height // step) * -(-width // step)
        if step > _sparse_step(raster) and points * block <= SCAN_BYTES:
            break
        step *= 2
    return step


def _sparse_step(raster: Raster) -> int:
    """Return the step beyond which single cells decode less than whole pieces."""
    return max(PIECE_PX, *raster.block_shape, *raster.levels)


def _middle(whole: Box, row: int, col: int, step: int) -> Box:
    """Return the cell in the middle of one cell of the sample."""
    at_row = min(whole.row0 + row * step + step // 2, whole.row1 - 1)
    at_col = min(whole.col0 + col * step + step // 2, whole.col1 - 1)
    return Box(at_row, at_row + 1, at_col, at_col + 1)


def _scattered(count: int) -> Iterator[int]:
    """Yield the numbers below ``count``, each once, near ones far apart: steps of the golden section.

    >>> list(_scattered(8))
    [0, 5, 2, 7, 4, 1, 6, 3]
    """
    stride = max(1, round(count * 0.618))
    while math.gcd(stride, count) != 1:
        stride += 1
    for index in range(count):
        yield index * stride % count
