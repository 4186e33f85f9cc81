"""Reading strips once, and holding the rows that patches are cut from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher.box import Box
from geopatcher.buffers import zeros

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from geopatcher.protocols import Array

#: Rows read at once where the storage has no opinion, or a small one.
MIN_UNIT_ROWS = 256
#: Most rows read at once: a file stored as one huge strip must not be held whole.
MAX_UNIT_ROWS = 1024


def unit_rows(block_height: int) -> int:
    """Return how many rows to read at once: whole blocks of the storage.

    >>> unit_rows(512), unit_rows(1), unit_rows(48), unit_rows(10980)
    (512, 256, 288, 1024)
    """
    whole = -(-MIN_UNIT_ROWS // block_height) * block_height
    return min(whole, MAX_UNIT_ROWS) if block_height <= MAX_UNIT_ROWS else MAX_UNIT_ROWS


class Loss(NamedTuple):
    """A rectangle that could not be read: why, and how often it was tried."""

    box: Box
    error: Exception
    attempts: int


class Unit(NamedTuple):
    """Rows as they were read: ``pixels`` and ``valid`` are ``(bands, rows, cols)``.

    ``losses`` are the rectangles among them that could not be read; their pixels mean nothing.
    """

    pixels: Array
    valid: Array | None
    losses: tuple[Loss, ...] = ()

    @property
    def n_bytes(self) -> int:
        """Bytes held."""
        return self.pixels.nbytes + (self.valid.nbytes if self.valid is not None else 0)


def read_units(read: Callable[[Box], Unit], box: Box, rows: int) -> Generator[Unit, None, None]:
    """Yield the rows of ``box`` from the top, cut at multiples of ``rows``, each read once."""
    row = box.row0
    while row < box.row1:
        stop = min(row // rows * rows + rows, box.row1)
        piece = Box(row, stop, box.col0, box.col1)
        yield read(piece)
        row = stop


class RowBuffer:
    """The rows in hand: units come in at the bottom, rows no patch needs leave at the top.

    `advance` makes a span of rows available; `cut` copies a rectangle out of them.
    """

    def __init__(self, units: Iterator[Unit], box: Box) -> None:
        self._units = units
        self._box = box
        self._pixels: Array = np.empty((0, 0, 0))
        self._valid: Array | None = None
        self._row0 = self._row1 = box.row0  # rows in hand
        self._at = 0  # where row0 sits in the buffer
        self._losses: list[Loss] = []

    def advance(self, row0: int, row1: int) -> None:
        """Hold the rows ``[row0, row1)`` that exist; rows above ``row0`` will not be asked for again."""
        row0 = min(max(row0, self._row0), self._box.row1)
        if self._losses:
            self._losses = [loss for loss in self._losses if loss.box.row1 > row0]
        while self._row1 <= row0 < self._box.row1:  # rows no patch needs
            self._at = 0
            self._row0 = self._row1
            self._append(next(self._units))
        self._at += row0 - self._row0
        self._row0 = row0
        while self._row1 < min(row1, self._box.row1):
            self._append(next(self._units))

    def cut(self, box: Box) -> tuple[Array, Array | None]:
        """Return a copy of ``box``'s pixels, ``(bands, h, w)``, and where they are valid (``None``: all)."""
        rows, cols = box.shift(self._at - self._row0, -self._box.col0).slices()
        pixels = self._pixels[:, rows, cols].copy()  # operators may write into what they are given
        if self._valid is None:
            return pixels, None
        valid = self._valid[:, rows, cols]
        return pixels, None if valid.all() else valid.copy()

    @property
    def has_losses(self) -> bool:
        """Whether some of the rows in hand could not be read."""
        return bool(self._losses)

    def loss_in(self, box: Box) -> Loss | None:
        """Return what of ``box`` could not be read, the first of it; ``None`` when all could."""
        return next((loss for loss in self._losses if loss.box.intersect(box).n_pixels), None)

    def _append(self, unit: Unit) -> None:
        self._losses += unit.losses
        held, new = self._row1 - self._row0, unit.pixels.shape[1]
        span = slice(self._at, self._at + held)
        room = self._pixels.shape[1]
        if span.stop + new > room:
            self._pixels = _moved_up(self._pixels, span, max(room, held + new), unit.pixels)
            if self._valid is not None:
                self._valid = _moved_up(self._valid, span, max(room, held + new), self._valid)
            self._at = 0
        if unit.valid is not None and self._valid is None:
            self._valid = np.ones(self._pixels.shape, dtype=bool)
        stop = self._at + held + new
        self._pixels[:, stop - new : stop] = unit.pixels
        if self._valid is not None:
            self._valid[:, stop - new : stop] = True if unit.valid is None else unit.valid
        self._row1 += new


def _moved_up(buffer: Array, span: slice, rows: int, like: Array) -> Array:
    """Return a buffer of ``rows`` rows that starts with the rows in ``span``."""
    held = span.stop - span.start
    if buffer.shape[1] == rows:
        buffer[:, :held] = buffer[:, span]
        return buffer
    grown = zeros((like.shape[0], rows, like.shape[2]), like.dtype)
    if held:
        grown[:, :held] = buffer[:, span]
    return grown
