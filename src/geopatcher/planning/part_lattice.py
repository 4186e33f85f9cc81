"""Some rows and columns of the patches of a lattice: what one task of a run is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geopatcher.core.box import Box
from geopatcher.planning.anchors import Lattice, LatticeRow, Strip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from geopatcher.core.axis import Axis


@dataclass(frozen=True)
class PartLattice:
    """The patches of a lattice in ``rows`` and ``cols``, which are ranges of indices along its axes.

    Each patch of a lattice is of one part only, where a region has all that touch it.

    >>> from geopatcher.planning.anchors import lattice_of
    >>> lattice = lattice_of((100, 100), (32, 32), (16, 16), "cover")
    >>> part = PartLattice(lattice, range(1, 3), range(6))
    >>> [strip.rows for strip in part.strips(Box(0, 100, 0, 100))], part.count
    ([(16, 48), (32, 64)], 12)
    """

    lattice: Lattice
    rows: range
    cols: range

    @property
    def count(self) -> int:
        """Number of patches."""
        return len(self.rows) * len(self.cols)

    @property
    def depth(self) -> int:
        """Most patches over one pixel, no more than that."""
        return self.lattice.depth

    @property
    def patch_shape(self) -> tuple[int, int]:
        """``(height, width)`` of a patch."""
        return self.lattice.patch_shape

    def count_in(self, region: Box) -> int:
        """Return how many patches touch ``region``."""
        rows, cols = self._in(region)
        return len(rows) * len(cols)

    def strips(self, region: Box) -> Iterator[Strip]:
        """Yield one strip for each row of patches that touches ``region``."""
        rows, cols = self._in(region)
        if not cols:
            return
        height = self.lattice.rows.size
        for index in rows:
            row = self.lattice.rows.anchor(index)
            boxes = LatticeRow(row, self.lattice.cols, cols, height)
            yield Strip((row, row + height), boxes)  # type: ignore[arg-type]

    def rescaled(self, scale: Fraction) -> PartLattice:
        """Return the same patches on a grid of pixels ``scale`` times as fine."""
        return PartLattice(self.lattice.rescaled(scale), self.rows, self.cols)

    def seen_from(self, row: int, col: int) -> PartLattice:
        """Return the same patches where pixel ``(row, col)`` is called (0, 0)."""
        return PartLattice(self.lattice.seen_from(row, col), self.rows, self.cols)

    def extent(self, region: Box) -> Box:
        """Return the rectangle around the patches that touch ``region``."""
        rows, cols = self._in(region)
        if not rows or not cols:
            return Box(region.row0, region.row0, region.col0, region.col0)
        return Box(*_span(self.lattice.rows, rows), *_span(self.lattice.cols, cols))

    def uncovered(self, region: Box) -> int:
        """Return how many pixels of ``region`` no patch touches; a part has no gaps."""
        return region.n_pixels - self.extent(region).intersect(region).n_pixels

    def _in(self, region: Box) -> tuple[range, range]:
        rows = self.lattice.rows.touching(region.row0, region.row1)
        cols = self.lattice.cols.touching(region.col0, region.col1)
        return _common(self.rows, rows), _common(self.cols, cols)


def _common(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))


def _span(axis: Axis, indices: range) -> tuple[int, int]:
    return axis.anchor(indices[0]), axis.anchor(indices[-1]) + axis.size
