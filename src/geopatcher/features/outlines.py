"""Outlines of the areas of equal cells: traced strip by strip, those that meet at a seam made one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import rasterio.features
import shapely
import shapely.geometry
from affine import Affine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array

#: Whether cells that meet at a corner only belong together (8) or not (4).
Connectivity = Literal[4, 8]
#: What stands for no area.
NONE = -1


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
        whole = self.parts[0] if len(self.parts) == 1 else shapely.union_all(self.parts)
        return straightened(whole)

    def mean(self, measure: str) -> float:
        """Return the mean of a measure; NaN where no cell has it."""
        return self.sums[measure] / self.counts[measure] if self.counts[measure] else float("nan")


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
        traced, ids = _traced(strip, connectivity)
        pending = [] if seam is None else seam.areas
        if seam is not None:
            ids[ids != NONE] += len(pending)
        groups = _Groups([*pending, *traced])
        if seam is not None:
            groups.join(seam.touching(ids[0], strip.values[0], connectivity))
        closed, seam = groups.parted(ids[-1], strip.values[-1])
        yield from closed
    if seam is not None:
        yield from seam.areas


def _traced(strip: Strip, connectivity: Connectivity) -> tuple[list[Outlined], NDArray[np.int32]]:
    """Return the areas of a strip, and of which each cell is; `NONE` where cells do not count."""
    distinct, codes = np.unique(strip.values, return_inverse=True)
    codes = codes.reshape(strip.values.shape).astype(np.int32)
    found = rasterio.features.shapes(codes, mask=strip.known, connectivity=connectivity)
    shapes, picked = [], []
    for geometry, code in found:
        shapes.append(geometry)
        picked.append(int(code))
    ids = np.full(codes.shape, NONE, np.int32)
    if not shapes:
        return [], ids
    rasterio.features.rasterize(
        ((shape, index) for index, shape in enumerate(shapes)),
        out=ids,
        fill=NONE,
        transform=Affine.identity(),
    )
    ids[~strip.known] = NONE
    n_cells = _counted(ids, strip.known, len(shapes))
    sums, counts = {}, {}
    for name, cells in strip.measures.items():
        there = strip.known & np.isfinite(cells)
        counts[name] = _counted(ids, there, len(shapes))
        sums[name] = np.bincount(ids[there], weights=cells[there], minlength=len(shapes))
    areas = [
        Outlined(
            int(distinct[picked[index]]),
            [_polygon(shape, strip.row)],
            int(n_cells[index]),
            {name: float(total[index]) for name, total in sums.items()},
            {name: int(count[index]) for name, count in counts.items()},
        )
        for index, shape in enumerate(shapes)
    ]
    return areas, ids


def _counted(ids: NDArray[np.int32], where: NDArray[np.bool_], n_areas: int) -> NDArray[np.intp]:
    return np.bincount(ids[where], minlength=n_areas)


def _polygon(shape: Mapping[str, object], row: int) -> shapely.Geometry:
    """Return a traced outline, moved down; one that touches itself at a corner as several that meet there."""
    made = shapely.transform(shapely.geometry.shape(dict(shape)), lambda points: np.add(points, (0, row)))
    return made if shapely.is_valid(made) else shapely.make_valid(made)


@dataclass(frozen=True)
class _Seam:
    """The last row of a strip: of which area and value each cell is, and the areas."""

    ids: NDArray[np.int32]
    values: Array
    areas: list[Outlined]

    def touching(self, ids: NDArray[np.int32], values: Array, connectivity: Connectivity) -> Array:
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

    def parted(self, last: NDArray[np.int32], values: Array) -> tuple[list[Outlined], _Seam]:
        """Return what ends above the last row, and what reaches it."""
        firsts = np.array([self._first(index) for index in range(len(self._areas))], np.int32)
        for index, area in enumerate(self._areas):
            if firsts[index] != index:
                self._areas[firsts[index]].take(area)
        reached = np.unique(firsts[last[last != NONE]]) if len(firsts) else firsts
        numbers = np.full(len(self._areas) + 1, NONE, np.int32)
        numbers[reached] = np.arange(len(reached))
        ids = np.full(len(last), NONE, np.int32)
        ids[last != NONE] = numbers[firsts[last[last != NONE]]]
        ends = np.setdiff1d(np.unique(firsts), reached)
        closed = [self._areas[index] for index in ends.tolist()]
        return closed, _Seam(ids, values, [self._areas[index] for index in reached.tolist()])


def straightened(geometry: shapely.Geometry) -> shapely.Geometry:
    """Return polygons without the vertices that lie on a straight edge.

    >>> straightened(shapely.Polygon([(0, 0), (1, 0), (2, 0), (2, 2), (0, 2)])).wkt
    'POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))'
    """
    made = [
        shapely.Polygon(_bent(polygon.exterior), [_bent(ring) for ring in polygon.interiors])
        for polygon in shapely.get_parts(geometry)
        if shapely.get_dimensions(polygon) == 2
    ]
    return made[0] if len(made) == 1 else shapely.MultiPolygon(made)


def _bent(ring: shapely.LinearRing) -> NDArray[np.float64]:
    points: NDArray[np.float64] = shapely.get_coordinates(ring)[:-1]
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turns: NDArray[np.float64] = points[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]
    return turns
