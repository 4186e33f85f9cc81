"""The rings of many polygons along the edges of cells, in arrays."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import later

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import shapely
    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array
else:
    shapely = later("shapely")

#: What stands for no polygon.
NONE = -1


@dataclass(frozen=True)
class Rings:
    """Polygons whose edges follow those of cells: the first ring of each is its border, others are holes.

    ``points`` are ``(n, 2)``, x and y in whole cells, each ring closed; a ring begins where the one before
    ends, by ``ring_ends``, and a polygon likewise by ``polygon_ends``, counted in rings.
    """

    points: NDArray[np.float64]
    ring_ends: NDArray[np.intp]
    polygon_ends: NDArray[np.intp]

    @classmethod
    def of(
        cls, traced: Iterable[tuple[Mapping[str, Sequence[Sequence[tuple[float, float]]]], float]]
    ) -> tuple[Rings, NDArray[np.intp]]:
        """Take polygons as rasterio gives them, each with its value, one after the other; and the values."""
        flat, ring_ends, polygon_ends, values = array("d"), array("q"), array("q"), array("q")
        for geometry, value in traced:
            for ring in geometry["coordinates"]:
                flat.extend(chain.from_iterable(ring))
                ring_ends.append(len(flat) // 2)
            polygon_ends.append(len(ring_ends))
            values.append(int(value))
        points = np.frombuffer(flat, np.float64).reshape(-1, 2) if flat else np.empty((0, 2))
        return cls(points, _whole(ring_ends), _whole(polygon_ends)), _whole(values)

    def polygons(self, row: int) -> NDArray[np.object_]:
        """Return them for shapely, moved down; one that touches itself at a corner as several that meet."""
        if not len(self.polygon_ends):
            return np.empty(0, object)
        offsets = np.append(0, self.ring_ends), np.append(0, self.polygon_ends)
        moved = self.points + np.array([0, row])
        shapes: NDArray[np.object_] = shapely.from_ragged_array(shapely.GeometryType.POLYGON, moved, offsets)
        crossed = ~shapely.is_valid(shapes)
        shapes[crossed] = shapely.make_valid(shapes[crossed])
        return shapes

    @cached_property
    def _starts(self) -> NDArray[np.intp]:
        """Where an edge begins: at each point but the last of a ring."""
        first = np.ones(len(self.points), bool)
        first[self.ring_ends - 1] = False
        return np.flatnonzero(first)

    @cached_property
    def _ring_of_edge(self) -> NDArray[np.intp]:
        lengths = np.diff(self.ring_ends, prepend=0) - 1
        return np.repeat(np.arange(len(self.ring_ends)), lengths)

    @cached_property
    def _polygon_of_ring(self) -> NDArray[np.intp]:
        return np.repeat(np.arange(len(self.polygon_ends)), np.diff(self.polygon_ends, prepend=0))

    def totals(self, cells: Array | None) -> NDArray[np.float64]:
        """Return the sum of cells ``(h, w)`` in each polygon; how many they are for ``None``.

        By Green's theorem: what lies left of each vertical edge, from a table of sums over all cells above
        and to the left (F. Crow, 1984, Summed-area tables for texture mapping).
        """
        x, y = self.points.T.astype(np.intp)
        left = x[self._starts].astype(float)
        upper, lower = y[self._starts], y[self._starts + 1]
        if cells is None:
            beside = left * (lower - upper)
            turn = beside
        else:
            table = np.zeros(np.add(cells.shape, 1))
            np.cumsum(cells, axis=0, out=table[1:, 1:])
            np.cumsum(table, axis=1, out=table)
            column = x[self._starts]
            beside = table[lower, column] - table[upper, column]
            beside[upper == lower] = 0
            turn = left * (lower - upper)
        n_rings = len(self.ring_ends)
        each = np.bincount(self._ring_of_edge, beside, n_rings)
        each *= np.sign(np.bincount(self._ring_of_edge, turn, n_rings))  # whichever way round it goes
        is_border = np.zeros(n_rings, bool)
        is_border[np.append(0, self.polygon_ends)[:-1]] = True
        signed = np.where(is_border, each, -each)
        return np.bincount(self._polygon_of_ring, signed, len(self.polygon_ends)).astype(float)

    def along(self, row: int, width: int) -> NDArray[np.intp]:
        """Return of which polygon the cells at a line are, the first or last of all; `NONE` of none."""
        x, y = self.points.T.astype(np.intp)
        ids = np.full(width, NONE, np.intp)
        on = (y[self._starts] == row) & (y[self._starts + 1] == row)
        starts = self._starts[on]
        owners = self._polygon_of_ring[self._ring_of_edge[on]]
        low, high = np.minimum(x[starts], x[starts + 1]), np.maximum(x[starts], x[starts + 1])
        lengths = high - low
        steps = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        ids[np.repeat(low, lengths) + steps] = np.repeat(owners, lengths)
        return ids


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


def _whole(numbers: array[int]) -> NDArray[np.intp]:
    return np.array(numbers, np.intp)
