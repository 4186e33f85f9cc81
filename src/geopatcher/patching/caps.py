"""Spherical caps: all that lies within a distance on the ground."""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, cos, degrees, radians, sin
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.box import Box
from geopatcher.core.places import PointSet
from geopatcher.core.sphere import EARTH_KM, circle, great_circle_km
from geopatcher.patching.cells import Cells
from geopatcher.patching.lonlat import DEGREES, crs_of, from_degrees, is_in_degrees, on_earth, to_degrees
from geopatcher.patching.nearby import positive, within_km
from geopatcher.patching.neighborhoods import Neighborhood, PlacedGeometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geopatcher.core.places import Anchor
    from geopatcher.core.protocols import HasShape

#: Distances are compared with this much more than the radius, so that rounding leaves no cell out.
SLACK = 1.0 + 1e-9
#: Anchors along each side at which `SpatialSphericalCap.extent` looks on a grid that is not in degrees.
LOOKS = 9


@dataclass(frozen=True)
class SpatialSphericalCap(PlacedGeometry):
    """The cells or points whose centres lie within ``radius_km`` of an anchor, along the sphere.

    The anchor is the cell in the middle, ``(row, col)`` on rasters, ``{dim: index}`` on a `GridDomain`, and
    the number of the point on a `PointDomain`. Right over the poles and the antimeridian. Distances are those
    on a sphere of 6371.0088 km, from longitudes and latitudes on the CRS's own datum: within 0.6 % of those
    on the ellipsoid. On rasters a neighbourhood is a rasterio ``Window`` around the cap that knows which of
    its cells are ``inside``; where a raster goes round the globe, columns beyond the last are its first ones
    again. The cells outside the cap have weight 0 and count for nothing where patches are stitched.

    Parameters
    ----------
    radius_km
        Kilometres along the ground.

    Raises
    ------
    ValueError
        ``radius_km`` is not positive and finite.

    Examples
    --------
    >>> from affine import Affine
    >>> from geopatcher import RasterDomain
    >>> globe = RasterDomain((180, 360), Affine(1, 0, -180, 0, -1, 90), "EPSG:4326")
    >>> cap = SpatialSphericalCap(radius_km=200)
    >>> cap.neighborhood(globe, (90, 359))
    CellWindow(rows 89:92, columns 358:361, 9 cells inside, around the globe of 360 columns)

    """

    radius_km: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "radius_km", positive(self.radius_km, "radius_km", "kilometres"))

    def find(self, domain: HasShape, anchor: Anchor) -> Neighborhood:
        """Return the cells or points of the cap around an anchor.

        Raises
        ------
        TypeError
            The domain has no places, or the anchor is none of it.
        ValueError
            The domain has no CRS, so that nothing is known of distances.

        """
        if isinstance(domain, PointSet):
            return within_km(domain, anchor, self.radius_km)
        cells = Cells.of(domain)
        row, col = cells.place(anchor)
        crs = _crs(cells, domain)
        if _in_degrees(cells, crs):
            box, around = self._in_degrees(cells, row, col)
            inside, distance = self._members(cells, crs, box, (row, col), around)
        else:
            around = None
            box = self._around(cells, crs, row, col)
            while True:
                inside, distance = self._members(cells, crs, box, (row, col), None)
                grown = _grown(box, inside, cells.box)
                if grown == box:
                    break
                box = grown
            box, inside, distance = _trimmed(box, inside, distance)
        indices = cells.indices(anchor, box, inside, around)
        return Neighborhood(indices, box.shape, inside, distance)

    def extent(self, domain: HasShape) -> tuple[int, ...]:
        """Return ``(height, width)`` of the largest cap in cells, ``(n,)`` of points.

        On a grid that is not in degrees it is the largest at 81 anchors, evenly spread.
        """
        if isinstance(domain, PointSet):
            numbers = range(len(domain.coords))
            return (max(within_km(domain, number, self.radius_km).shape[0] for number in numbers),)
        cells = Cells.of(domain)
        height, width = cells.shape
        rows = np.unique(np.linspace(0, height - 1, min(height, LOOKS)).round().astype(int))
        cols = np.unique(np.linspace(0, width - 1, min(width, LOOKS)).round().astype(int))
        if _in_degrees(cells, _crs(cells, domain)):
            rows = np.arange(height)
            cols = cols[[len(cols) // 2]] if _goes_round(cells) else cols
        sizes = np.array([self._size(domain, cells, int(row), int(col)) for row in rows for col in cols])
        return (int(sizes[:, 0].max()), int(sizes[:, 1].max()))

    def _size(self, domain: HasShape, cells: Cells, row: int, col: int) -> tuple[int, ...]:
        if _in_degrees(cells, _crs(cells, domain)):
            return self._in_degrees(cells, row, col)[0].shape
        named = cells.named
        anchor: Anchor = (row, col) if named is None else {named.rows: row, named.cols: col}
        return self.find(domain, anchor).shape

    def _in_degrees(self, cells: Cells, row: int, col: int) -> tuple[Box, int | None]:
        """Return the box around a cap on rows of latitude, and how many columns it goes round."""
        if cells.xs is None or cells.ys is None:
            raise TypeError("a rotated grid has no rows of latitude")
        angle = min(degrees(self.radius_km * SLACK / EARTH_KM), 180.0)
        lat0, lon0 = float(cells.ys[row]), float(cells.xs[col])
        rows = np.flatnonzero(np.abs(cells.ys - lat0) <= angle)
        whole = Box(int(rows[0]), int(rows[-1]) + 1, 0, cells.shape[1])
        if abs(lat0) + angle >= 90.0:
            return whole, None
        reach = degrees(asin(min(1.0, sin(radians(angle)) / cos(radians(lat0)))))
        away = np.abs((cells.xs - lon0 + 180.0) % 360.0 - 180.0)
        near = away <= reach
        cols = np.flatnonzero(near)
        gaps = np.flatnonzero(np.diff(cols) > 1)
        if len(gaps) == 1 and near[0] and near[-1] and _goes_round(cells):
            start, stop = int(cols[gaps[0] + 1]), int(cols[gaps[0]]) + 1
            return Box(whole.row0, whole.row1, start, cells.shape[1] + stop), cells.shape[1]
        return Box(whole.row0, whole.row1, int(cols[0]), int(cols[-1]) + 1), None

    def _members(
        self, cells: Cells, crs: object, box: Box, place: tuple[int, int], around: int | None
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Return which cells of a box lie in the cap, and how far they are as a share of the radius."""
        if around is None:
            x, y = cells.centres(box)
        else:
            parts = (Box(box.row0, box.row1, box.col0, around), Box(box.row0, box.row1, 0, box.col1 - around))
            pieces = [cells.centres(part) for part in parts]
            x, y = (np.concatenate([piece[axis] for piece in pieces], axis=1) for axis in (0, 1))
        lon0, lat0 = _degrees_at(cells, crs, *place)
        lon, lat = to_degrees(crs, x, y)
        with np.errstate(invalid="ignore"):  # cells that no place on Earth has are infinitely far
            km = great_circle_km(lon0, lat0, lon, lat)
            inside = (km <= self.radius_km * SLACK) & on_earth(crs, x, y, lon, lat)
        return inside, np.where(inside, np.minimum(km / self.radius_km, 1.0), 1.0)

    def _around(self, cells: Cells, crs: object, row: int, col: int) -> Box:
        """Return a box around the border of a cap, cut off at the grid; the grid where that is not known."""
        lon0, lat0 = _degrees_at(cells, crs, row, col)
        x, y = from_degrees(crs, *circle(lon0, lat0, min(self.radius_km, np.pi * EARTH_KM * (1 - 1e-12))))
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            return cells.box
        rows, cols = cells.positions(x, y)
        low_row, low_col = max(0, int(rows.min()) - 1), max(0, int(cols.min()) - 1)
        box = Box(min(low_row, row), int(rows.max()) + 3, min(low_col, col), int(cols.max()) + 3)
        return Box(box.row0, max(box.row1, row + 1), box.col0, max(box.col1, col + 1)).intersect(cells.box)


def _crs(cells: Cells, domain: HasShape) -> object:
    if cells.crs is not None:
        return cells.crs
    if cells.named is not None and cells.named.in_degrees:
        return DEGREES
    raise ValueError(
        f"the {type(domain).__name__} has no CRS, so kilometres on it are not known: give it one, such as "
        f'crs="EPSG:4326" for longitudes and latitudes in degrees'
    )


def _in_degrees(cells: Cells, crs: object) -> bool:
    return cells.xs is not None and is_in_degrees(crs_of(crs))


def _goes_round(cells: Cells) -> bool:
    """Whether the column after the last one is the first: evenly spaced over 360 degrees."""
    xs = cells.xs
    if xs is None or len(xs) < 2:
        return False
    step = (float(xs[-1]) - float(xs[0])) / (len(xs) - 1)
    even = bool(np.allclose(np.diff(xs), step, rtol=0, atol=abs(step) * 1e-3))
    return even and abs(abs(step) * len(xs) - 360.0) <= abs(step) * 1e-3


def _degrees_at(cells: Cells, crs: object, row: int, col: int) -> tuple[float, float]:
    x, y = cells.centres(Box(row, row + 1, col, col + 1))
    lon, lat = to_degrees(crs, x, y)
    if not on_earth(crs, x, y, lon, lat).all():
        raise ValueError(f"the cell ({row}, {col}) lies nowhere on Earth: choose another anchor")
    return float(lon[0, 0]), float(lat[0, 0])


def _grown(box: Box, inside: NDArray[np.bool_], whole: Box) -> Box:
    """Return a larger box where members lie at an edge of it that is none of the grid's."""
    more = max(2, max(box.shape) // 4)
    sides = (inside[0].any(), inside[-1].any(), inside[:, 0].any(), inside[:, -1].any())
    above, below, left, right = (more if bool(side) else 0 for side in sides)
    return box.grown((above, below, left, right)).intersect(whole)


def _trimmed(
    box: Box, inside: NDArray[np.bool_], distance: NDArray[np.float64]
) -> tuple[Box, NDArray[np.bool_], NDArray[np.float64]]:
    rows, cols = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    down, right = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)
    kept = Box(box.row0 + down.start, box.row0 + down.stop, box.col0 + right.start, box.col0 + right.stop)
    return kept, inside[down, right], distance[down, right]
