"""Finished blocks, thinned: what a person may look at while a run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array

#: Longest side of a result that is thinned, in cells, and how many of its bands are shown.
PREVIEW_PX, PREVIEW_BANDS = 512, 3


class Preview(NamedTuple):
    """A few cells of a finished block.

    ``box`` is the block, in pixels of a result of ``grid`` (height, width). ``cells``, ``(bands, h, w)``
    float32 of up to three bands, are those of every ``step``-th row and column of the result, from
    ``step // 2``, that lie in it; NaN where there is no value.
    """

    box: Box
    cells: Array
    step: int
    grid: tuple[int, int]

    @property
    def places(self) -> tuple[slice, slice]:
        """Which rows and columns of the result thinned these are."""
        _, height, width = self.cells.shape
        row, col = (_first(edge, self.step) for edge in (self.box.row0, self.box.col0))
        return slice(row, row + height), slice(col, col + width)


def preview_of(box: Box, cells: Array, known: Array | None, grid: tuple[int, int]) -> Preview:
    """Return a few cells of a block, of all of which a result of ``grid`` has `PREVIEW_PX` a side.

    ``cells`` are ``(bands, h, w)``; ``known`` is shaped like them or ``(h, w)``, ``None`` says all are.

    >>> from geopatcher.core.box import Box
    >>> found = preview_of(Box(0, 4, 0, 2), np.arange(8.0).reshape(1, 4, 2), None, (1024, 2))
    >>> found.cells.tolist(), found.places
    ([[[3.0], [7.0]]], (slice(0, 2, None), slice(0, 1, None)))
    """
    step = max(1, -(-max(grid) // PREVIEW_PX))
    rows, cols = (
        slice(_first(edge, step) * step + step // 2 - edge, None, step) for edge in (box.row0, box.col0)
    )
    thin = (slice(PREVIEW_BANDS), rows, cols)
    with np.errstate(over="ignore"):
        shown = cells[thin].astype(np.float32)
    if known is not None:
        shown[~np.broadcast_to(known, cells.shape)[thin]] = np.nan
    return Preview(box, shown, step, grid)


def thinned_shape(grid: tuple[int, int], step: int) -> tuple[int, int]:
    """Return how many rows and columns of a result are shown.

    >>> thinned_shape((1025, 3), 3)
    (342, 1)
    """
    height, width = (len(range(step // 2, length, step)) for length in grid)
    return height, width


def _first(edge: int, step: int) -> int:
    """Return the number of the first row that is shown at or behind an edge."""
    return max(0, -(-(edge - step // 2) // step))
