"""The anchors of a plan, asked by rectangle: a lattice computes its answers, a list looks them up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from geopatcher.core.axis import Axis
from geopatcher.core.box import Box
from geopatcher.core.protocols import LatticeSampler

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction

    from geopatcher.core.protocols import Array, HasShape, RectGeometry, Sampler

#: Depth given to anchors whose overlap is not known: more than any threshold.
UNKNOWN_DEPTH = 1 << 30


@dataclass(frozen=True, slots=True)
class Strip:
    """Patches that start within one span of rows, in row-major order.

    ``rows`` is the half-open span of pixel rows they need, ``boxes`` their nominal rectangles
    (which may overhang the raster). No later strip has a patch that starts above ``rows[0]``.
    """

    rows: tuple[int, int]
    boxes: Sequence[Box]


class AnchorSet(Protocol):
    """Where the patches of a plan sit."""

    @property
    def count(self) -> int:
        """Number of patches."""
        ...

    @property
    def depth(self) -> int:
        """Most patches over one pixel (`UNKNOWN_DEPTH` when that is not known)."""
        ...

    @property
    def patch_shape(self) -> tuple[int, int]:
        """Largest ``(height, width)`` of a patch."""
        ...

    def count_in(self, region: Box) -> int:
        """Return how many patches touch ``region``."""
        ...

    def strips(self, region: Box) -> Iterator[Strip]:
        """Yield the patches that touch ``region``, strip by strip from the top."""
        ...

    def rescaled(self, scale: Fraction) -> AnchorSet:
        """Return the same patches on a grid of pixels ``scale`` times as fine."""
        ...

    def seen_from(self, row: int, col: int) -> AnchorSet:
        """Return the same patches where pixel ``(row, col)`` is called (0, 0)."""
        ...

    def extent(self, region: Box) -> Box:
        """Return the rectangle around the patches that touch ``region`` (it may overhang the raster)."""
        ...

    def uncovered(self, region: Box) -> int:
        """Return how many pixels of ``region`` no patch touches."""
        ...


@dataclass(frozen=True, slots=True)
class LatticeRow:
    """The boxes of one row of a lattice, made when asked for."""

    row: int
    cols: Axis
    span: range
    height: int

    def __len__(self) -> int:
        return len(self.span)

    def __getitem__(self, index: int) -> Box:
        col = self.cols.anchor(self.span[index])
        return Box(self.row, self.row + self.height, col, col + self.cols.size)

    def __iter__(self) -> Iterator[Box]:
        row0, row1, size = self.row, self.row + self.height, self.cols.size
        for index in self.span:
            col = self.cols.anchor(index)
            yield Box(row0, row1, col, col + size)


@dataclass(frozen=True, slots=True)
class Lattice:
    """The product of two axes. Nothing is enumerated."""

    rows: Axis
    cols: Axis

    @property
    def count(self) -> int:
        """Number of patches."""
        return self.rows.count * self.cols.count

    @property
    def depth(self) -> int:
        """Most patches over one pixel."""
        return self.rows.depth * self.cols.depth

    @property
    def patch_shape(self) -> tuple[int, int]:
        """``(height, width)`` of a patch."""
        return (self.rows.size, self.cols.size)

    def rescaled(self, scale: Fraction) -> Lattice:
        """Return the same patches on a grid of pixels ``scale`` times as fine.

        Lengths, sizes and steps are multiples of its denominator: `geopatcher.planning.reading` looks.
        """
        rows, cols = (
            Axis(
                int(axis.length * scale),
                int(axis.size * scale),
                int(axis.step * scale),
                axis.boundary,
                int(axis.origin * scale),
            )
            for axis in (self.rows, self.cols)
        )
        return Lattice(rows, cols)

    def seen_from(self, row: int, col: int) -> Lattice:
        """Return the same patches where pixel ``(row, col)`` is called (0, 0)."""
        return Lattice(
            replace(self.rows, origin=self.rows.origin + row),
            replace(self.cols, origin=self.cols.origin + col),
        )

    def count_in(self, region: Box) -> int:
        """Return how many patches touch ``region``."""
        rows = self.rows.touching(region.row0, region.row1)
        return len(rows) * len(self.cols.touching(region.col0, region.col1))

    def strips(self, region: Box) -> Iterator[Strip]:
        """Yield one strip for each row of anchors that touches ``region``."""
        cols = self.cols.touching(region.col0, region.col1)
        if not cols:
            return
        for index in self.rows.touching(region.row0, region.row1):
            row = self.rows.anchor(index)
            boxes = LatticeRow(row, self.cols, cols, self.rows.size)
            yield Strip((row, row + self.rows.size), boxes)  # type: ignore[arg-type]

    def extent(self, region: Box) -> Box:
        """Return the rectangle around the patches that touch ``region``."""
        rows = self.rows.touching(region.row0, region.row1)
        cols = self.cols.touching(region.col0, region.col1)
        if not rows or not cols:
            return Box(region.row0, region.row0, region.col0, region.col0)
        return Box(
            self.rows.anchor(rows[0]),
            self.rows.anchor(rows[-1]) + self.rows.size,
            self.cols.anchor(cols[0]),
            self.cols.anchor(cols[-1]) + self.cols.size,
        )

    def uncovered(self, region: Box) -> int:
        """Return how many pixels of ``region`` no patch touches."""
        rows = _covered(self.rows, region.row0, region.row1)
        return region.n_pixels - rows * _covered(self.cols, region.col0, region.col1)


def _covered(axis: Axis, lo: int, hi: int) -> int:
    """Pixels of ``[lo, hi)`` under a patch."""
    if axis.step <= axis.size:
        if axis.count == 0:
            return 0
        reach = min(axis.anchor(axis.count - 1) + axis.size, axis.length - axis.origin)
        return max(0, min(hi, reach) - lo)
    end = axis.length - axis.origin
    if (lo, hi) == (-axis.origin, end):
        return axis.length - axis.uncovered
    total = 0
    for index in axis.touching(lo, hi):
        start = axis.anchor(index)
        ahead = axis.anchor(index + 1) if index + 1 < axis.count else end
        total += max(0, min(hi, start + axis.size, max(ahead, start)) - max(lo, start))
    return total


@dataclass(frozen=True)
class Listed:
    """Anchors in a list, sorted row-major and bucketed into strips one patch high.

    ``boxes`` is ``(n, 4)`` int64: row0, row1, col0, col1, in the order they are accumulated.
    """

    boxes: Array = field(repr=False)
    grid: tuple[int, int]

    @classmethod
    def of(
        cls, anchors: Sequence[tuple[int, int]] | Array, size: tuple[int, int], grid: tuple[int, int]
    ) -> Listed:
        """Place patches of one size at ``anchors``, which need no order."""
        corners = np.asarray(anchors, dtype=np.int64).reshape(-1, 2)
        corners = corners[np.lexsort((corners[:, 1], corners[:, 0]))]
        boxes = np.stack(
            [corners[:, 0], corners[:, 0] + size[0], corners[:, 1], corners[:, 1] + size[1]], axis=1
        )
        return cls(boxes, grid)

    @property
    def count(self) -> int:
        """Number of patches."""
        return len(self.boxes)

    @cached_property
    def depth(self) -> int:
        """Depth of the product of two axes when the list is one, else unknown."""
        if not self.count:
            return 0
        row_spans = np.unique(self.boxes[:, :2], axis=0)
        col_spans = np.unique(self.boxes[:, 2:], axis=0)
        if len(np.unique(self.boxes, axis=0)) != self.count or len(row_spans) * len(col_spans) != self.count:
            return UNKNOWN_DEPTH
        return _depth_of(row_spans) * _depth_of(col_spans)

    @property
    def patch_shape(self) -> tuple[int, int]:
        """Largest ``(height, width)``."""
        if not self.count:
            return (1, 1)
        sizes = self.boxes[:, 1::2] - self.boxes[:, ::2]
        return (int(sizes[:, 0].max()), int(sizes[:, 1].max()))

    def rescaled(self, scale: Fraction) -> Listed:
        """Return the same patches on a grid of pixels ``scale`` times as fine.

        Raises
        ------
        ValueError
            A patch does not begin at a whole pixel there.

        """
        top, bottom = scale.numerator, scale.denominator
        odd = (self.boxes % bottom).any(axis=1)
        if odd.any():
            row, col = self.boxes[odd][0, ::2].tolist()
            raise ValueError(
                f"{np.count_nonzero(odd)} of {self.count} anchors, the first ({row}, {col}), are no "
                f"multiples of {bottom}, and output_scale={scale} makes whole pixels of those only"
            )
        height, width = self.grid
        return Listed(self.boxes // bottom * top, (int(height * scale), int(width * scale)))

    def seen_from(self, row: int, col: int) -> Listed:
        """Return the same patches where pixel ``(row, col)`` is called (0, 0)."""
        return Listed(self.boxes - np.array([row, row, col, col]), self.grid)

    def _touching(self, region: Box) -> Array:
        rows = (self.boxes[:, 0] < region.row1) & (self.boxes[:, 1] > region.row0)
        cols = (self.boxes[:, 2] < region.col1) & (self.boxes[:, 3] > region.col0)
        return np.flatnonzero(rows & cols)

    def within(self, region: Box) -> Array:
        """Return the boxes of those that touch ``region``, in their order."""
        boxes: Array = self.boxes[self._touching(region)]
        return boxes

    def count_in(self, region: Box) -> int:
        """Return how many patches touch ``region``."""
        return len(self._touching(region))

    def strips(self, region: Box) -> Iterator[Strip]:
        """Yield strips of patches whose first rows lie within half a patch of each other."""
        touching = self.within(region)
        tops = np.ascontiguousarray(touching[:, 0])
        span = max(1, self.patch_shape[0] // 2)
        start = 0
        while start < len(touching):
            first = int(tops[start])
            stop = int(np.searchsorted(tops, first + span, side="left"))
            chosen = touching[start:stop]
            boxes = [Box(*map(int, box)) for box in chosen]
            yield Strip((first, int(chosen[:, 1].max())), boxes)
            start = stop

    def extent(self, region: Box) -> Box:
        """Return the rectangle around the patches that touch ``region``."""
        boxes = self.within(region)
        if not len(boxes):
            return Box(region.row0, region.row0, region.col0, region.col0)
        low, high = boxes.min(axis=0), boxes.max(axis=0)
        return Box(int(low[0]), int(high[1]), int(low[2]), int(high[3]))

    def uncovered(self, region: Box) -> int:
        """Return how many pixels of ``region`` no patch touches."""
        left_out = 0
        height = max(1, min(512, 2**24 // max(1, region.width)))
        for row in range(region.row0, region.row1, height):
            band = Box(row, min(row + height, region.row1), region.col0, region.col1)
            seen = np.zeros(band.shape, dtype=bool)
            for box in self.within(band):
                seen[Box(*map(int, box)).intersect(band).slices(band)] = True
            left_out += int(seen.size - np.count_nonzero(seen))
        return left_out


def _depth_of(spans: Array) -> int:
    """Most intervals over one point, by sweeping their ends."""
    steps = np.concatenate([spans[:, 0] * 2 + 1, spans[:, 1] * 2])
    signs = np.concatenate([np.ones(len(spans), int), -np.ones(len(spans), int)])
    order = np.argsort(steps, kind="stable")
    return int(np.cumsum(signs[order]).max())


def place(domain: HasShape, geometry: RectGeometry, sampler: Sampler) -> AnchorSet:
    """Lay a sampler's anchors over a raster: as arithmetic where it can, as a list where it must."""
    if isinstance(sampler, LatticeSampler):
        rows, cols = sampler.lattice(domain, geometry)
        return Lattice(rows, cols)
    height, width = domain.shape[-2:]
    return Listed.of(list(sampler.anchors(domain, geometry)), geometry.size, (height, width))


def lattice_of(
    shape: tuple[int, int], size: tuple[int, int], step: tuple[int, int], boundary: str
) -> Lattice:
    """Return the lattice of one size and step over a raster.

    >>> lattice_of((100, 100), (32, 32), (16, 16), "cover").count
    36
    """
    return Lattice(Axis(shape[0], size[0], step[0], boundary), Axis(shape[1], size[1], step[1], boundary))


def straddling(anchors: AnchorSet, region: Box, col: int) -> int:
    """Return how many patches in the rows of a region touch both a column and the one to its left."""
    left, right, either = (
        anchors.count_in(Box(region.row0, region.row1, col + first, col + stop))
        for first, stop in ((-1, 0), (0, 1), (-1, 1))
    )
    return left + right - either
