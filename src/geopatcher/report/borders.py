"""Where the borders of patches fall: integer geometry only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from geopatcher.planning.anchors import Lattice, Listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geopatcher.core.axis import Axis
    from geopatcher.planning.anchors import AnchorSet

#: Cells along a border that are measured together.
SEGMENT = 128


class Segment(NamedTuple):
    """A piece of a border: it lies between the cells ``position - 1`` and ``position`` of ``axis``.

    ``axis`` is 0 for borders between rows and 1 for borders between columns; the piece covers the
    cells ``[lo, hi)`` of the other axis.
    """

    axis: int
    position: int
    lo: int
    hi: int


class Borders(Protocol):
    """The borders of the patches of a plan."""

    def count(self, axis: int) -> int:
        """Return how many borders there are across an axis."""
        ...

    def lines(self, axis: int) -> NDArray[np.int64]:
        """Return the positions across an axis where there is a border anywhere, ascending."""
        ...

    def segments(self, axis: int, limit: int, seed: int) -> list[Segment]:
        """Return pieces of borders, in order: all of them, or ``limit`` chosen by chance."""
        ...

    def hit(self, segment: Segment, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of the ``positions`` beside a segment are borders, too."""
        ...


def border_positions(axis: Axis) -> NDArray[np.int64]:
    """Return where patches begin or end inside an axis, ascending, each once.

    >>> from geopatcher.core.axis import Axis
    >>> border_positions(Axis(20, size=8, step=6)).tolist()
    [6, 8, 12, 14]
    """
    count = axis.count
    if not count:
        return np.empty(0, np.int64)
    starts = np.arange(count, dtype=np.int64) * axis.step - axis.origin
    starts[-1] = axis.anchor(count - 1)  # the last patch may have moved in
    edges = np.unique(np.concatenate([starts, starts + axis.size]))
    return edges[(edges > 0) & (edges < axis.length - axis.origin)]


@dataclass(frozen=True, eq=False)
class LatticeBorders:
    """Borders of a lattice: whole lines, from side to side."""

    positions: tuple[NDArray[np.int64], NDArray[np.int64]]
    grid: tuple[int, int]

    @classmethod
    def of(cls, rows: Axis, cols: Axis, grid: tuple[int, int] | None = None) -> LatticeBorders:
        """Take the two axes; the ``grid`` may be a part of what they are laid over."""
        height, width = grid or (rows.length, cols.length)
        down, across = border_positions(rows), border_positions(cols)
        return cls((down[down < height], across[across < width]), (height, width))

    def count(self, axis: int) -> int:
        """Return how many lines there are."""
        return len(self.positions[axis])

    def lines(self, axis: int) -> NDArray[np.int64]:
        """Return the lines."""
        return self.positions[axis]

    def segments(self, axis: int, limit: int, seed: int) -> list[Segment]:
        """Return pieces of lines."""
        lines, length = self.positions[axis], self.grid[1 - axis]
        pieces = -(-length // SEGMENT)
        chosen = _chosen(len(lines) * pieces, limit, seed)
        return [
            Segment(axis, int(lines[index // pieces]), lo, min(lo + SEGMENT, length))
            for index in chosen
            for lo in [int(index % pieces) * SEGMENT]
        ]

    def hit(self, segment: Segment, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which positions are lines."""
        return np.isin(positions, self.positions[segment.axis])


@dataclass(frozen=True, eq=False)
class ListedBorders:
    """Borders of patches that lie anywhere: each side of each patch.

    ``boxes`` is ``(n, 4)``: row0, row1, col0, col1.
    """

    boxes: NDArray[np.int64]
    grid: tuple[int, int]

    def _sides(self, axis: int) -> NDArray[np.int64]:
        """Return position, lo, hi of every side inside the raster, ``(n, 3)``."""
        across, along = self.boxes[:, 2 * axis : 2 * axis + 2], self.boxes[:, 2 - 2 * axis : 4 - 2 * axis]
        along = np.clip(along, 0, self.grid[1 - axis])
        sides = np.concatenate([np.column_stack([across[:, end], along]) for end in (0, 1)])
        inside = (sides[:, 0] > 0) & (sides[:, 0] < self.grid[axis]) & (sides[:, 1] < sides[:, 2])
        return np.unique(sides[inside], axis=0)

    def count(self, axis: int) -> int:
        """Return how many sides there are."""
        return len(self._sides(axis))

    def lines(self, axis: int) -> NDArray[np.int64]:
        """Return where sides are."""
        return np.unique(self._sides(axis)[:, 0])

    def segments(self, axis: int, limit: int, seed: int) -> list[Segment]:
        """Return one piece of each side."""
        sides = self._sides(axis)
        return [
            Segment(axis, int(position), int(lo), int(min(lo + SEGMENT, hi)))
            for position, lo, hi in sides[_chosen(len(sides), limit, seed)]
        ]

    def hit(self, segment: Segment, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which positions are sides of a patch that lies beside the segment."""
        axis = segment.axis
        beside = (self.boxes[:, 2 - 2 * axis] < segment.hi) & (self.boxes[:, 3 - 2 * axis] > segment.lo)
        return np.isin(positions, self.boxes[beside, 2 * axis : 2 * axis + 2])


def borders_of(anchors: AnchorSet, grid: tuple[int, int]) -> Borders:
    """Return the borders of a plan's patches on a raster of ``(height, width)`` pixels.

    Raises
    ------
    TypeError
        The anchors are of a kind nothing is known about.

    """
    if isinstance(anchors, Lattice):
        return LatticeBorders.of(anchors.rows, anchors.cols, grid)
    if isinstance(anchors, Listed):
        return ListedBorders(np.asarray(anchors.boxes, np.int64), grid)
    raise TypeError(f"the borders of {type(anchors).__name__} are not known")


def _chosen(total: int, limit: int, seed: int) -> NDArray[np.int64]:
    """Return ``limit`` of the numbers below ``total``, ascending; all of them where there are no more."""
    if total <= limit:
        return np.arange(total, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(total, size=limit, replace=False)).astype(np.int64)
