"""Reading strips once, and holding the rows that patches are cut from."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher.core.box import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from geopatcher.core.protocols import Array

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


#: Which cells are valid where none is: one for all.
NOTHING = np.zeros((1, 1, 1), dtype=bool)


_BANDS = slice(None)


class Loss(NamedTuple):
    """A rectangle that could not be read: why, and how often it was tried."""

    box: Box
    error: Exception
    attempts: int


class Unit(NamedTuple):
    """Rows as they were read: ``pixels`` and ``valid`` are ``(bands, rows, cols)``.

    ``losses`` are the rectangles among them that could not be read; their pixels mean nothing.
    ``columns`` counts, for each column, those before it that have a valid cell and those that have one
    that is not: of a patch between two columns that often tells all.
    """

    pixels: Array
    valid: Array | None
    losses: tuple[Loss, ...] = ()
    columns: tuple[Array, Array] | None = None

    @classmethod
    def of(cls, pixels: Array, valid: Array | None, losses: tuple[Loss, ...] = ()) -> Unit:
        """Return a unit with its columns looked at, which spares looking at all cells of most patches."""
        columns = None
        if valid is not None:
            columns = (
                _counted(np.logical_or.reduce(valid, (0, 1))),
                _counted(~np.logical_and.reduce(valid, (0, 1))),
            )
        return cls(pixels, valid, losses, columns)

    def valid_in(self, where: tuple[slice, slice, slice]) -> Array | None:
        """Return which cells of a part are valid, ``None`` for all; of none, it may be one for all."""
        if self.valid is None:
            return None
        if self.columns is not None:
            some, gaps = self.columns
            first, last = where[2].start, where[2].stop
            if gaps[first] == gaps[last]:
                return None
            if some[first] == some[last]:
                return NOTHING
        known: Array = self.valid[where]
        return None if known.all() else known

    @property
    def n_bytes(self) -> int:
        """Bytes held."""
        return self.pixels.nbytes + (self.valid.nbytes if self.valid is not None else 0)


def _counted(marks: Array) -> Array:
    """Return how many marks lie before each place, and before the end."""
    return np.concatenate([[0], np.cumsum(marks)])


def read_units(
    read: Callable[[Box], Unit], box: Box, rows: int, first: int = 0
) -> Generator[Unit, None, None]:
    """Yield the rows of ``box`` from the top, each read once; see `unit_boxes`."""
    yield from map(read, unit_boxes(box, rows, first))


def unit_boxes(box: Box, rows: int, first: int = 0) -> Iterator[Box]:
    """Yield the rows of ``box`` from the top, cut at multiples of ``rows`` after ``first``.

    The storage begins at row ``first``: so whole blocks of it are read.
    """
    row = box.row0
    while row < box.row1:
        stop = min((row - first) // rows * rows + rows + first, box.row1)
        yield Box(row, stop, box.col0, box.col1)
        row = stop


class RowBuffer:
    """The rows in hand: units come in at the bottom, those no patch needs any more leave at the top.

    `advance` makes a span of rows available; `cut` copies a rectangle out of them. Without
    ``copy_empty`` one that holds no data is not cut at all: who asked will do nothing with its pixels.
    """

    def __init__(self, units: Iterator[Unit], box: Box, *, copy_empty: bool = True) -> None:
        self._units = units
        self._box = box
        self._copy_empty = copy_empty
        self._held: deque[tuple[int, Unit]] = deque()  # first row and unit
        self._end = box.row0
        self._losses: list[Loss] = []

    def advance(self, row0: int, row1: int) -> None:
        """Hold the rows ``[row0, row1)`` that exist; rows above ``row0`` will not be asked for again."""
        self._drop_above(row0)
        while self._end < min(row1, self._box.row1):
            unit = next(self._units)
            self._held.append((self._end, unit))
            self._end += unit.pixels.shape[1]
            self._losses += unit.losses
            self._drop_above(row0)

    def cut(self, box: Box) -> tuple[Array, Array | None]:
        """Return a copy of ``box``'s pixels, ``(bands, h, w)``, and where they are valid (``None``: all)."""
        row0, row1 = box.row0, box.row1
        cols = slice(box.col0 - self._box.col0, box.col1 - self._box.col0)
        parts: list[tuple[Unit, tuple[slice, slice, slice]]] = []
        valid: list[Array | None] = []
        whole, empty = True, not self._copy_empty
        for row, unit in self._held:
            if row < row1 and row + unit.pixels.shape[1] > row0:
                where = (_BANDS, slice(max(row0 - row, 0), row1 - row), cols)
                known = unit.valid_in(where)
                whole = whole and known is None
                empty = empty and (known is NOTHING or (known is not None and not known.any()))
                parts.append((unit, where))
                valid.append(known)
        if empty:
            return parts[0][0].pixels, NOTHING
        pixels = [unit.pixels[where] for unit, where in parts]
        if whole:
            return _gathered(pixels), None
        masks = [
            np.broadcast_to(True if known is None else known, part.shape)
            for part, known in zip(pixels, valid, strict=True)
        ]
        return _gathered(pixels), _gathered(masks)

    @property
    def has_losses(self) -> bool:
        """Whether some of the rows in hand could not be read."""
        return bool(self._losses)

    def loss_in(self, box: Box) -> Loss | None:
        """Return what of ``box`` could not be read, the first of it; ``None`` when all could."""
        return next((loss for loss in self._losses if loss.box.intersect(box).n_pixels), None)

    def _drop_above(self, row0: int) -> None:
        while self._held and self._held[0][0] + self._held[0][1].pixels.shape[1] <= row0:
            self._held.popleft()
        if self._losses:
            self._losses = [loss for loss in self._losses if loss.box.row1 > row0]


def _gathered(parts: list[Array]) -> Array:
    """Return a copy of rows that lie one below the other: operators may write into what they are given."""
    return parts[0].copy() if len(parts) == 1 else np.concatenate(parts, axis=1)
