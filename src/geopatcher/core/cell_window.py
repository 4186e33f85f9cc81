"""A rectangle of cells of which some belong to a patch, and which may run around the globe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window

from geopatcher.core.box import Box

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


class CellWindow(Window):  # type: ignore[misc] # rasterio has no types
    """A rasterio ``Window`` that says which of its cells belong to a neighbourhood.

    Parameters
    ----------
    box
        The rectangle in pixels.
    inside
        ``(height, width)`` bool: the cells of the neighbourhood.
    around
        Columns of a raster that goes once round the globe, whose last column is followed by its first:
        columns of the window from there on are counted from 0 again. ``None`` where the window does not reach
        that far.

    Examples
    --------
    >>> window = CellWindow(Box(0, 2, 358, 362), np.ones((2, 4), bool), around=360)
    >>> [str(part) for part, _ in window.parts()]
    ['rows 0:2, columns 358:360', 'rows 0:2, columns 0:2']

    """

    __slots__ = ("around", "inside")

    def __init__(self, box: Box, inside: NDArray[np.bool_], around: int | None = None) -> None:
        super().__init__(col_off=box.col0, row_off=box.row0, width=box.width, height=box.height)
        object.__setattr__(self, "inside", inside)
        object.__setattr__(self, "around", around)

    @property
    def box(self) -> Box:
        """The rectangle; its last columns may lie beyond the raster's."""
        row, col = int(self.row_off), int(self.col_off)
        return Box(row, row + int(self.height), col, col + int(self.width))

    def parts(self) -> Iterator[tuple[Box, slice]]:
        """Yield rectangles of the raster from left to right, and the columns of the window each is.

        Yields
        ------
        tuple
            A `Box` inside the raster, and a slice of the window's columns.

        """
        box, at = self.box, 0
        period = box.col1 if self.around is None else self.around
        while at < box.width:
            col = (box.col0 + at) % period if self.around is not None else box.col0 + at
            width = min(box.width - at, period - col)
            yield Box(box.row0, box.row1, col, col + width), slice(at, at + width)
            at += width

    def columns(self) -> NDArray[np.int64]:
        """Return the raster's column for each column of the window.

        Returns
        -------
        numpy.ndarray
            ``(width,)`` int64.

        """
        return np.concatenate([np.arange(part.col0, part.col1) for part, _ in self.parts()])

    def __reduce__(self) -> tuple[object, ...]:
        return CellWindow, (self.box, self.inside, self.around)

    def __repr__(self) -> str:
        around = "" if self.around is None else f", around the globe of {self.around} columns"
        return f"CellWindow({self.box}, {np.count_nonzero(self.inside)} cells inside{around})"
