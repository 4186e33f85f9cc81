"""Integer rectangles on a raster grid: boxes in, boxes out, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from geopatcher.core.places import cell_at

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """Half-open rectangle of pixels: rows ``[row0, row1)``, columns ``[col0, col1)``.

    Parameters
    ----------
    row0, row1
        First row, and the one after the last; they may lie outside a raster.
    col0, col1
        First column, and the one after the last.

    Examples
    --------
    >>> Box(0, 4, 0, 4).intersect(Box(2, 6, 3, 9))
    Box(row0=2, row1=4, col0=3, col1=4)

    """

    row0: int
    row1: int
    col0: int
    col1: int

    @classmethod
    def at(cls, anchor: object, size: tuple[int, int]) -> Box:
        """Return the rectangle whose upper-left pixel an anchor is.

        Parameters
        ----------
        anchor
            ``(row, col)``.
        size
            ``(height, width)`` in pixels.

        Returns
        -------
        Box
            From the anchor on.

        Raises
        ------
        TypeError
            The anchor is no pair of whole numbers.

        Examples
        --------
        >>> Box.at((2, 3), (4, 5))
        Box(row0=2, row1=6, col0=3, col1=8)

        """
        row, col = cell_at(anchor)
        return cls(row, row + size[0], col, col + size[1])

    @classmethod
    def of_shape(cls, shape: tuple[int, int]) -> Box:
        """Return the box of a whole raster of ``(height, width)`` pixels.

        Parameters
        ----------
        shape
            ``(height, width)`` in pixels.

        Returns
        -------
        Box
            From row 0 and column 0.

        """
        return cls(0, shape[0], 0, shape[1])

    @property
    def height(self) -> int:
        """Rows in the box, at least 0."""
        return max(0, self.row1 - self.row0)

    @property
    def width(self) -> int:
        """Columns in the box, at least 0."""
        return max(0, self.col1 - self.col0)

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``."""
        return (self.height, self.width)

    @property
    def empty(self) -> bool:
        """Whether there is no pixel in the box."""
        return self.row0 >= self.row1 or self.col0 >= self.col1

    @property
    def n_pixels(self) -> int:
        """Pixels in the box."""
        return self.height * self.width

    def intersect(self, other: Box) -> Box:
        """Return the pixels in both boxes (possibly an empty box).

        Parameters
        ----------
        other
            The other box.

        Returns
        -------
        Box
            Empty where they share no pixel.

        """
        return Box(
            max(self.row0, other.row0),
            min(self.row1, other.row1),
            max(self.col0, other.col0),
            min(self.col1, other.col1),
        )

    def contains(self, other: Box) -> bool:
        """Whether ``other`` lies in this box, edges compared: an empty box elsewhere does not.

        Parameters
        ----------
        other
            The other box.

        Returns
        -------
        bool
            True for this box itself.

        """
        return (
            self.row0 <= other.row0
            and other.row1 <= self.row1
            and self.col0 <= other.col0
            and other.col1 <= self.col1
        )

    def shift(self, rows: int, cols: int) -> Box:
        """Return the box moved by whole pixels.

        Parameters
        ----------
        rows, cols
            Pixels down and to the right; negative ones up and to the left.

        Returns
        -------
        Box
            Of the same size.

        """
        return Box(self.row0 + rows, self.row1 + rows, self.col0 + cols, self.col1 + cols)

    def grown(self, by: tuple[int, int, int, int]) -> Box:
        """Return the box with more pixels at its sides.

        Parameters
        ----------
        by
            Pixels above, below, left and right.

        Returns
        -------
        Box
            Around this one.

        """
        above, below, left, right = by
        return Box(self.row0 - above, self.row1 + below, self.col0 - left, self.col1 + right)

    def slices(self, origin: Box | None = None) -> tuple[slice, slice]:
        """Return the numpy index of this box inside an array whose first pixel is ``origin``'s.

        Without an ``origin`` the array starts at (0, 0), and nothing is checked: this is called for
        every patch.

        Parameters
        ----------
        origin
            The box of the array; by default one that starts at (0, 0).

        Returns
        -------
        tuple of slice
            Rows and columns.

        Raises
        ------
        ValueError
            The box has pixels before ``origin``: numpy would count them from the array's end.

        """
        if origin is None:
            return slice(self.row0, self.row1), slice(self.col0, self.col1)
        row, col = origin.row0, origin.col0
        if self.n_pixels and (self.row0 < row or self.col0 < col):
            msg = f"{self} starts before the first pixel of the array, ({row}, {col}): intersect them first"
            raise ValueError(msg)
        # Stops come from the extents: those of an empty box could turn negative, and count from the end.
        return (
            slice(self.row0 - row, self.row0 - row + self.height),
            slice(self.col0 - col, self.col0 - col + self.width),
        )

    def snap_out(self, grid: tuple[int, int], within: Box) -> Box:
        """Grow to whole cells of a ``(height, width)`` grid, cut off at ``within``; empty stays empty.

        Parameters
        ----------
        grid
            ``(height, width)`` of a cell, counted from row 0 and column 0.
        within
            What the result must not leave.

        Returns
        -------
        Box
            Whole cells, but at the edges of ``within``.

        """
        if self.n_pixels == 0:
            return self.intersect(within)
        height, width = grid
        return Box(
            self.row0 // height * height,
            -(-self.row1 // height) * height,
            self.col0 // width * width,
            -(-self.col1 // width) * width,
        ).intersect(within)

    def tiles(self, grid: tuple[int, int]) -> Iterator[Box]:
        """Cut into pieces along the lines of a ``(height, width)`` grid, row-major; none is empty.

        Parameters
        ----------
        grid
            ``(height, width)`` of a cell, counted from row 0 and column 0.

        Yields
        ------
        Box
            A piece, at most as large as a cell.

        """
        if self.n_pixels == 0:
            return
        height, width = grid
        for row in range(self.row0 // height * height, self.row1, height):
            for col in range(self.col0 // width * width, self.col1, width):
                yield Box(row, row + height, col, col + width).intersect(self)

    def __str__(self) -> str:
        return f"rows {self.row0}:{self.row1}, columns {self.col0}:{self.col1}"


class PixelWindow(Protocol):
    """A rectangle of whole pixels; rasterio's ``Window`` is one."""

    @property
    def row_off(self) -> float:
        """First row."""
        ...

    @property
    def col_off(self) -> float:
        """First column."""
        ...

    @property
    def height(self) -> float:
        """Rows."""
        ...

    @property
    def width(self) -> float:
        """Columns."""
        ...


def box_of(window: PixelWindow | tuple[slice, slice]) -> Box:
    """Return a rasterio window as a box of whole pixels; slices of rows and columns are one, too.

    >>> box_of((slice(2, 6), slice(0, 3)))
    Box(row0=2, row1=6, col0=0, col1=3)
    """
    if isinstance(window, tuple):
        rows, cols = window
        return Box(int(rows.start or 0), int(rows.stop), int(cols.start or 0), int(cols.stop))
    row, col = int(window.row_off), int(window.col_off)
    return Box(row, row + int(window.height), col, col + int(window.width))
