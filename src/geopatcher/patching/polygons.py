"""Polygons as patches: what lies in each of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

import numpy as np

from geopatcher._optional import later
from geopatcher.core.area import exact_wkt, own_copy
from geopatcher.core.box import Box
from geopatcher.core.places import Domain, FeatureSet, PointSet
from geopatcher.patching.cells import Cells
from geopatcher.patching.lonlat import as_counted, crs_of, transformed, turn_of
from geopatcher.patching.neighborhoods import Neighborhood, PlacedGeometry

if TYPE_CHECKING:
    from collections.abc import Callable

    import shapely
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from geopatcher.core.places import Anchor
    from geopatcher.core.protocols import HasShape
else:
    shapely = later("shapely")

TORN = (
    "polygon {} lies across the line where the longitudes of the raster begin anew: cut it there, into the "
    "parts of a MultiPolygon"
)


@runtime_checkable
class HasCrs(Protocol):
    """Polygons that say their CRS, such as a ``GeoSeries``."""

    @property
    def crs(self) -> object:
        """What pyproj takes for a CRS, or ``None``."""
        ...


@runtime_checkable
class HasGeometry(Protocol):
    """A table with a column of geometries, such as a ``GeoDataFrame``."""

    @property
    def geometry(self) -> Iterable[BaseGeometry]:
        """The geometries."""
        ...


class SpatialPolygonIntersection(PlacedGeometry):
    """What lies in polygons: of rasters cells, of points and features those that share a point with it.

    The anchor is the number of a polygon, counted from 0. On rasters a neighbourhood is a rasterio ``Window``
    around the polygon that knows which of its cells are ``inside``: those whose centres the polygon holds,
    its border included. The others have weight 0, and count for nothing where patches are stitched. On a
    `PointDomain` and a `VectorDomain` it is the numbers of the points or features, in order.

    Parameters
    ----------
    polygons
        A shapely polygon or several of them, WKT, or a ``GeoSeries`` or ``GeoDataFrame``.
    crs
        Of the polygons, whose vertices are brought into the CRS of the domain; by default what a
        ``GeoSeries`` says, and else the domain's own.

    Raises
    ------
    TypeError
        There is something that is no polygon among them.
    ValueError
        There is none, one is empty or has vertices that are NaN or infinite, or a text is no WKT.

    Examples
    --------
    >>> import shapely
    >>> from geopatcher import RasterDomain
    >>> triangle = SpatialPolygonIntersection(shapely.Polygon([(1, 1), (4, 1), (1, 4)]))
    >>> triangle.neighborhood(RasterDomain((10, 10)), 0).inside.astype(int)
    array([[1, 1, 1],
           [1, 1, 0],
           [1, 0, 0]])

    """

    def __init__(self, polygons: object, crs: object = None) -> None:
        self.crs = polygons.crs if crs is None and isinstance(polygons, HasCrs) else crs
        given = polygons.geometry if isinstance(polygons, HasGeometry) else polygons
        if isinstance(given, shapely.Geometry | str) or not isinstance(given, Iterable):
            given = [given]
        shapes = (_from_wkt(shape) if isinstance(shape, str) else shape for shape in given)
        self.polygons = cast("tuple[BaseGeometry, ...]", tuple(shapes))
        for number, polygon in enumerate(self.polygons):
            if not isinstance(polygon, shapely.Polygon | shapely.MultiPolygon):
                raise TypeError(
                    f"number {number} of the polygons is a {type(polygon).__name__}: {polygon!r}"[:200]
                )
            if polygon.is_empty:
                raise ValueError(f"polygon {number} is empty: leave it out")
            if not np.isfinite(shapely.get_coordinates(polygon)).all():
                raise ValueError(f"polygon {number} has vertices that are nowhere: {polygon}"[:200])
        if not self.polygons:
            raise ValueError("there are no polygons")
        self.n_places = len(self.polygons)

    def find(self, domain: HasShape, anchor: Anchor) -> Neighborhood:
        """Return what lies in a polygon.

        Raises
        ------
        TypeError
            The domain has no places, or the anchor is no number.
        IndexError
            There is no such polygon.
        ValueError
            The polygon lies outside the raster altogether, or is torn where longitudes begin anew.

        """
        polygon = self._polygon(domain, anchor)
        if isinstance(domain, PointSet):
            inside = shapely.intersects_xy(own_copy(polygon), domain.coords[:, 0], domain.coords[:, 1])
            return _numbers(np.flatnonzero(inside))
        if isinstance(domain, FeatureSet):
            return _numbers(domain.touching(polygon))
        cells = Cells.of(domain)
        polygon = _as_counted(cells, polygon, anchor)
        box = _box_around(cells, polygon)
        if not box.n_pixels:
            raise ValueError(
                f"polygon {anchor}, with the bounds {tuple(round(edge, 3) for edge in polygon.bounds)}, lies "
                f"outside the raster of {cells.shape[0]}x{cells.shape[1]}: check its CRS"
            )
        x, y = cells.centres(box)
        inside = shapely.intersects_xy(own_copy(polygon), x, y)
        return Neighborhood(cells.indices({}, box, inside), box.shape, inside)

    def extent(self, domain: HasShape) -> tuple[int, ...]:
        """Return ``(height, width)`` of the largest window, ``(n,)`` of points and features."""
        if isinstance(domain, PointSet | FeatureSet):
            return (max(self.find(domain, number).shape[0] for number in range(len(self.polygons))),)
        cells = Cells.of(domain)
        polygons = (self._polygon(domain, number) for number in range(len(self.polygons)))
        boxes = [_box_around(cells, _as_counted(cells, one, at)) for at, one in enumerate(polygons)]
        return (max(box.height for box in boxes), max(box.width for box in boxes))

    def get_config(self) -> dict[str, object]:
        """Return ``"polygons"`` as WKT, and ``"crs"``, the text of their CRS."""
        return {
            "polygons": exact_wkt(self.polygons),
            "crs": None if self.crs is None else crs_of(self.crs).to_string(),
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpatialPolygonIntersection):
            return NotImplemented
        return self.polygons == other.polygons and self.crs == other.crs

    def __hash__(self) -> int:
        return hash(self.polygons)

    def __repr__(self) -> str:
        return f"SpatialPolygonIntersection({len(self.polygons)} polygons)"

    def _polygon(self, domain: HasShape, anchor: Anchor) -> BaseGeometry:
        """Return a polygon in the CRS of a domain."""
        if not isinstance(anchor, int | np.integer):
            raise TypeError(f"the anchor of a polygon's patch is the number of the polygon, not {anchor!r}")
        if not 0 <= anchor < len(self.polygons):
            raise IndexError(f"there is no polygon {anchor}: there are {len(self.polygons)}, counted from 0")
        polygon = self.polygons[int(anchor)]
        target = domain.crs if isinstance(domain, HasCrs) else None
        if self.crs is None or target is None:
            return polygon

        centre = (domain.bounds[0] + domain.bounds[2]) / 2 if isinstance(domain, Domain) else None

        def moved(points: NDArray[np.float64]) -> NDArray[np.float64]:
            x, y = transformed(points[:, 0], points[:, 1], self.crs, target)
            return np.stack([x if centre is None else as_counted(x, target, centre), y], axis=1)

        turn = turn_of(target)
        if turn is not None and _is_torn(polygon, moved, turn):
            raise ValueError(TORN.format(anchor))
        return shapely.transform(polygon, moved)


def _is_torn(
    polygon: BaseGeometry, moved: Callable[[NDArray[np.float64]], NDArray[np.float64]], turn: float
) -> bool:
    """Whether the middle of an edge is moved to another side of the Earth than its ends."""
    for ring in shapely.get_rings(shapely.get_parts(polygon)):
        ends = shapely.get_coordinates(ring)
        x = moved(ends)[:, 0]
        middles = moved((ends[1:] + ends[:-1]) / 2)[:, 0]
        if (np.abs(middles - (x[1:] + x[:-1]) / 2) > turn / 4).any():
            return True
    return False


def _as_counted(cells: Cells, polygon: BaseGeometry, number: Anchor) -> BaseGeometry:
    """Return a polygon in degrees where the cells are: they may count longitudes from -180 or from 0 on."""
    turn = turn_of(cells.crs)
    if turn is None:
        return polygon
    x = cells.centres(cells.box)[0] if cells.xs is None else cells.xs
    low, high = float(x.min()), float(x.max())
    left, _, right, _ = polygon.bounds
    middle = np.array([(left + right) / 2])
    away = float((as_counted(middle, cells.crs, (low + high) / 2) - middle)[0])
    if any(left + away + more < high and right + away + more > low for more in (-turn, turn)):
        raise ValueError(TORN.format(number))
    if away == 0.0:
        return polygon
    return shapely.transform(polygon, lambda points: np.add(points, (away, 0.0)))


def _box_around(cells: Cells, polygon: BaseGeometry) -> Box:
    """Return the cells whose centres may lie in a polygon, and at least those its bounds touch."""
    left, bottom, right, top = polygon.bounds
    if cells.named is not None and cells.xs is not None and cells.ys is not None:
        down, across = _spanned(cells.ys, bottom, top), _spanned(cells.xs, left, right)
        if down and across:  # whatever order the coordinates are in
            return Box(*down, *across)
    x, y = np.array([left, right, left, right]), np.array([bottom, bottom, top, top])
    rows, cols = cells.positions(x, y)
    first_row, first_col = int(np.floor(rows.min() + 0.5)), int(np.floor(cols.min() + 0.5))
    last_row, last_col = int(np.ceil(rows.max() - 0.5)), int(np.ceil(cols.max() - 0.5))
    box = Box(first_row, max(last_row, first_row) + 1, first_col, max(last_col, first_col) + 1)
    return box.intersect(cells.box)


def _spanned(centres: NDArray[np.float64], low: float, high: float) -> tuple[int, int] | None:
    """Return the first and the one after the last of the centres between two values, if there are any."""
    found = np.flatnonzero((centres >= low) & (centres <= high))
    return (int(found[0]), int(found[-1]) + 1) if len(found) else None


def _from_wkt(text: str) -> BaseGeometry:
    try:
        return shapely.from_wkt(text)
    except shapely.GEOSException as error:
        raise ValueError(f"{text[:80]!r} is no geometry in WKT ({error}): POLYGON ((x y, ...))") from error


def _numbers(found: NDArray[np.int64]) -> Neighborhood:
    numbers = np.asarray(found, dtype=np.int64)
    return Neighborhood(numbers, numbers.shape, None, np.zeros(numbers.shape))
