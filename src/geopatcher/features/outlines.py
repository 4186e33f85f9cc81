"""Outlines of the areas of equal cells: traced strip by strip, those that meet at a seam made one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import rasterio.features

from geopatcher._optional import later
from geopatcher.features.rings import NONE, Rings, straightened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import shapely
    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array
else:
    shapely = later("shapely")

#: Whether cells that meet at a corner only belong together (8) or not (4).
Connectivity = Literal[4, 8]


@dataclass(frozen=True)
class Strip:
    """Rows of a raster over its whole width.

    ``values`` are integers ``(h, w)``, ``known`` where they count; ``measures`` are floats of the same shape
    whose means over each area are wanted, NaN where they are missing.
    """

    row: int
    values: Array
    known: NDArray[np.bool_]
    measures: Mapping[str, Array] = field(default_factory=dict)


@dataclass
class Outlined:
    """An area of cells of one value, in pixels from the corner of the raster: x to the right, y down.

    ``sums`` and ``counts`` are those of each measure over the cells that have it.
    """

    value: int
    parts: list[shapely.Geometry]
    n_cells: int
    sums: dict[str, float]
    counts: dict[str, int]

    def take(self, other: Outlined) -> None:
        """Take in what belongs to the same area."""
        self.parts += other.parts
        self.n_cells += other.n_cells
        for name, total in other.sums.items():
            self.sums[name] += total
            self.counts[name] += other.counts[name]

    @property
    def outline(self) -> shapely.Geometry:
        """Its polygon; several that meet at corners where those count."""
        return self.parts[0] if len(self.parts) == 1 else straightened(shapely.union_all(self.parts))

    def mean(self, measure: str) -> float:
        """Return the mean of a measure; NaN where no cell has it."""
        return self.sums[measure] / self.counts[measure] if self.counts[measure] else float("nan")


class _Ends(NamedTuple):
    """Of which area the cells of the first and of the last row of a strip are, `NONE` where of none."""

    first: NDArray[np.intp]
    last: NDArray[np.intp]

    def numbered_from(self, start: int) -> _Ends:
        """Return the same with the first area of the strip called ``start``."""
        first, last = (np.where(ids == NONE, NONE, ids + start) for ids in (self.first, self.last))
        return _Ends(first, last)


def outlined(strips: Iterable[Strip], connectivity: Connectivity = 4) -> Iterator[Outlined]:
    """Yield each area of equal cells once no later strip can touch it.

    What is held is a strip, and the areas that reach its last row. GDAL traces each strip (its
    ``GDALPolygonize``); what touches across a seam, cell by cell, is one area.

    Parameters
    ----------
    strips
        From top to bottom, without gaps, of one width.
    connectivity
        8 when cells that meet at a corner belong together, else 4.

    Examples
    --------
    >>> cells = np.array([[1, 1, 2], [1, 2, 2]])
    >>> strips = [Strip(row, cells[row : row + 1], np.ones((1, 3), bool)) for row in range(2)]
    >>> [(each.value, each.n_cells, each.outline.area) for each in outlined(strips)]
    [(1, 3, 3.0), (2, 3, 3.0)]

    """
    seam: _Seam | None = None
    for strip in strips:
        traced, ends = _traced(strip, connectivity)
        pending = [] if seam is None else seam.areas
        first, last = ends.numbered_from(len(pending))
        groups = _Groups([*pending, *traced])
        if seam is not None:
            groups.join(seam.touching(first, strip.values[0], connectivity))
        closed, seam = groups.parted(last, strip.values[-1])
        yield from closed
    if seam is not None:
        yield from seam.areas


def _traced(strip: Strip, connectivity: Connectivity) -> tuple[list[Outlined], _Ends]:
    """Return the areas of a strip, and of which the cells of its first and its last row are."""
    distinct, codes = np.unique(strip.values, return_inverse=True)
    codes = codes.reshape(strip.values.shape).astype(np.int32)
    rings, picked = Rings.of(rasterio.features.shapes(codes, mask=strip.known, connectivity=connectivity))
    n_cells = rings.totals(None)
    sums, counts = {}, {}
    for name, cells in strip.measures.items():
        there = np.isfinite(cells)
        sums[name] = rings.totals(np.where(there, cells, 0)).tolist()
        counts[name] = rings.totals(there).tolist()
    values, shapes = distinct[picked].tolist(), rings.polygons(strip.row)
    areas = [
        Outlined(
            value,
            [shape],
            round(size),
            {name: total[index] for name, total in sums.items()},
            {name: round(count[index]) for name, count in counts.items()},
        )
        for index, (value, shape, size) in enumerate(zip(values, shapes, n_cells.tolist(), strict=True))
    ]
    height, width = len(codes), len(codes[0])
    return areas, _Ends(rings.along(0, width), rings.along(height, width))


@dataclass(frozen=True)
class _Seam:
    """The last row of a strip: of which area and value each cell is, and the areas."""

    ids: NDArray[np.intp]
    values: Array
    areas: list[Outlined]

    def touching(self, ids: NDArray[np.intp], values: Array, connectivity: Connectivity) -> Array:
        """Return the pairs ``(n, 2)`` of areas that go on in the next row."""
        width, pairs = len(ids), []
        for shift in (0,) if connectivity == 4 else (-1, 0, 1):
            above = slice(max(0, -shift), width - max(0, shift))
            below = slice(max(0, shift), width - max(0, -shift))
            same = (self.ids[above] != NONE) & (ids[below] != NONE) & (self.values[above] == values[below])
            pairs.append(np.stack([self.ids[above][same], ids[below][same]], axis=1))
        return np.unique(np.concatenate(pairs), axis=0)


class _Groups:
    """Areas, some of which turn out to be one: a union-find over their numbers."""

    def __init__(self, areas: Sequence[Outlined]) -> None:
        self._areas = areas
        self._parents = list(range(len(areas)))

    def _first(self, index: int) -> int:
        while self._parents[index] != index:
            self._parents[index] = self._parents[self._parents[index]]
            index = self._parents[index]
        return index

    def join(self, pairs: Array) -> None:
        """Make one of the areas of each pair."""
        for above, below in pairs.tolist():
            one, other = sorted((self._first(above), self._first(below)))
            self._parents[other] = one

    def parted(self, last: NDArray[np.intp], values: Array) -> tuple[list[Outlined], _Seam]:
        """Return what ends above the last row, and what reaches it."""
        firsts = np.array([self._first(index) for index in range(len(self._areas))], np.intp)
        for index, area in enumerate(self._areas):
            if firsts[index] != index:
                self._areas[firsts[index]].take(area)
        reached = np.unique(firsts[last[last != NONE]]) if len(firsts) else firsts
        numbers = np.full(len(self._areas) + 1, NONE, np.intp)
        numbers[reached] = np.arange(len(reached))
        ids = np.full(len(last), NONE, np.intp)
        ids[last != NONE] = numbers[firsts[last[last != NONE]]]
        ends = np.setdiff1d(np.unique(firsts), reached)
        closed = [self._areas[index] for index in ends.tolist()]
        return closed, _Seam(ids, values, [self._areas[index] for index in reached.tolist()])
