"""The pixels of a map that several rasters lie on: which they are, and which of them a raster covers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import calculate_default_transform, transform

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.core.tearing import torn
from geopatcher.errors import SourceError
from geopatcher.formats.gdal_environment import GDAL_ERRORS, environment, failure
from geopatcher.formats.rasterio_warnings import no_affine_warning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geopatcher.core.tearing import Draws

#: What rasterio understands: ``"EPSG:32633"``, a number of EPSG's, WKT, a CRS.
CrsLike: TypeAlias = "str | int | CRS"
#: ``(left, bottom, right, top)``.
Bounds: TypeAlias = tuple[float, float, float, float]

#: What to do about a CRS that is not understood.
CRS_ADVICE = 'give one that is, such as "EPSG:32633", a number of EPSG\'s, or the WKT of one'

#: Corners of pixels this close together, in pixels, are the same.
SAME_PX = 1e-3
#: Degrees; a raster that is wider goes around the world, and is torn apart on most maps.
HALF_TURN = 180
#: Times as many pixels as the raster has, or as few, that a map of the world may have.
ALIKE = 16
#: Places along each side within a raster that are looked up, too.
INNER_PLACES = 12
#: Places on each edge of a raster that are looked up in another CRS, in which edges are curves.
EDGE_PLACES = 101


@dataclass(frozen=True)
class Grid:
    """The pixels of a map, by what is wanted of them. What is left out follows from the first raster.

    Without a CRS and a resolution they are those of the first raster, continued as far as needed. Otherwise
    GDAL proposes the corner, and the resolution where that is left out; with ``bounds`` the corner is theirs.

    Parameters
    ----------
    crs
        ``"EPSG:32633"``, a number of EPSG's, WKT, or a CRS of rasterio's or pyproj's; that of the first
        raster by default.
    resolution
        Side of a pixel in units of the CRS, or ``(x, y)``.
    bounds
        ``(left, bottom, right, top)`` in units of the CRS: the map is all pixels that these touch. By default
        it is all that the rasters cover together.

    Raises
    ------
    ValueError
        The CRS is not understood, the resolution is not positive, or the bounds are empty.

    Examples
    --------
    >>> Grid("EPSG:32633", 20).resolution
    20

    """

    crs: CrsLike | None = None
    resolution: float | tuple[float, float] | None = None
    bounds: Bounds | None = None

    def __post_init__(self) -> None:
        if self.crs is not None:
            crs_of(self.crs)
        sides = np.atleast_1d(np.asarray(1 if self.resolution is None else self.resolution, float))
        if sides.ndim != 1 or sides.size > 2 or not (np.isfinite(sides).all() and (sides > 0).all()):
            raise ValueError(
                f"a resolution is the side of a pixel in units of the CRS, or (x, y), not {self.resolution!r}"
            )
        if self.bounds is None:
            return
        edges = np.asarray(self.bounds, float)
        if edges.shape != (4,) or not np.isfinite(edges).all() or (edges[:2] >= edges[2:]).any():
            raise ValueError(
                f"bounds are left, bottom, right and top of an area, as in (5e5, 4e6, 6e5, 5e6), not "
                f"{self.bounds!r}"
            )


def crs_of(given: CrsLike) -> CRS:
    """Return a CRS.

    Raises
    ------
    ValueError
        It is not understood.

    Examples
    --------
    >>> crs_of("EPSG:4326") == crs_of(4326)
    True

    """
    try:
        return CRS.from_user_input(given)
    except CRSError as error:
        raise ValueError(f"the CRS {given!r} is not understood: {error}; {CRS_ADVICE}") from error


def same_crs(one: str | None, other: str | None) -> bool:
    """Whether two CRSs are the same, both unknown included.

    >>> same_crs("EPSG:4326", CRS.from_epsg(4326).to_wkt()), same_crs("EPSG:4326", None)
    (True, False)
    """
    if one is None or other is None:
        return one is other
    return one == other or crs_of(one) == crs_of(other)


def pixels_at(
    place: Affine, xs: NDArray[np.float64], ys: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``(rows, columns)`` of coordinates on a grid, fractions of pixels included.

    >>> rows, cols = pixels_at(Affine(10, 0, 500, 0, -10, 900), np.array([505.0]), np.array([880.0]))
    >>> rows.tolist(), cols.tolist()
    ([2.0], [0.5])
    """
    a, b, c, d, e, f = place[:6]
    scale = a * e - b * d
    return (a * (ys - f) - d * (xs - c)) / scale, (e * (xs - c) - b * (ys - f)) / scale


def whole_shift(domain: RasterDomain, grid: RasterDomain) -> tuple[int, int] | None:
    """Return the ``(row, column)`` of a grid at which a raster begins; ``None`` where pixels are not shared.

    >>> grid = RasterDomain((9, 9), Affine(10, 0, 500, 0, -10, 900))
    >>> whole_shift(RasterDomain((3, 3), Affine(10, 0, 530, 0, -10, 910)), grid)
    (-1, 3)
    >>> whole_shift(RasterDomain((3, 3), Affine(10, 0, 533, 0, -10, 910)), grid) is None
    True
    """
    if not same_crs(domain.crs, grid.crs):
        return None
    places = np.array([(0, 0), (0, domain.width), (domain.height, 0)], float)
    a, b, c, d, e, f = domain.transform[:6]
    xs, ys = a * places[:, 1] + b * places[:, 0] + c, d * places[:, 1] + e * places[:, 0] + f
    found = np.stack(pixels_at(grid.transform, xs, ys), axis=1)
    corner = np.rint(found[0])
    shifted = np.abs(found - places - corner).max() < SAME_PX
    return (int(corner[0]), int(corner[1])) if shifted else None


def outline(domain: RasterDomain, grid: RasterDomain, name: str) -> Box:
    """Return the pixels of a grid that a raster touches; they may lie beyond the edges of the grid.

    Raises
    ------
    SourceError
        Its edges have no place in the CRS of the grid, or lie on both sides of the date line.

    """
    along = np.linspace(0, 1, EDGE_PLACES)
    low, high = np.zeros_like(along), np.ones_like(along)
    rows = np.concatenate([low, along, high, along[::-1]]) * domain.height
    cols = np.concatenate([along, high, along[::-1], low]) * domain.width
    a, b, c, d, e, f = domain.transform[:6]
    xs, ys = a * cols + b * rows + c, d * cols + e * rows + f
    if not same_crs(domain.crs, grid.crs):
        xs, ys = _moved(domain, grid, xs, ys, name)
    found_rows, found_cols = pixels_at(grid.transform, xs, ys)
    return Box(
        math.floor(found_rows.min() + SAME_PX),
        math.ceil(found_rows.max() - SAME_PX),
        math.floor(found_cols.min() + SAME_PX),
        math.ceil(found_cols.max() - SAME_PX),
    )


def _moved(
    domain: RasterDomain, grid: RasterDomain, xs: NDArray[np.float64], ys: NDArray[np.float64], name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coordinates of a raster in the CRS of a grid."""
    if domain.crs is None or grid.crs is None:
        which = f"{name} does" if domain.crs is None else "the others do"
        raise SourceError(
            f"{name} and the rasters before it cannot be put on one map: {which} not say in which CRS they "
            f"lie. Write it into the file, as with: rio edit-info --crs EPSG:32633 FILE"
        )
    source, target = crs_of(domain.crs), crs_of(grid.crs)

    def drawn(points: NDArray[np.float64]) -> NDArray[np.float64]:
        with environment():
            found = transform(source, target, points[:, 0].tolist(), points[:, 1].tolist())
        return np.stack([np.asarray(found[0], float), np.asarray(found[1], float)], axis=1)

    own = np.stack([xs, ys], axis=1)
    try:
        edges = drawn(own)
        is_torn = np.isfinite(edges).all() and torn(own[:-1], own[1:], edges[:-1], edges[1:], drawn)
        is_placed = np.isfinite(edges).all() and _surrounds(domain, drawn, edges)
    except GDAL_ERRORS as error:
        raise failure(error, f"{name} cannot be placed in the CRS of the map") from error
    if is_torn:
        raise SourceError(
            f"{name} lies across the date line or around a pole, at both ends of a map in "
            f"{target.to_string()}: choose another CRS, or name the bounds of a map (Grid, --bounds)"
        )
    if not is_placed:
        raise SourceError(
            f"{name}, whose bounds are {domain.bounds}, has edges that lie nowhere in the CRS of the map, "
            f"{target.to_string()}: choose another one, or name the bounds of a map (Grid, --bounds)"
        )
    return edges[:, 0], edges[:, 1]


def _surrounds(domain: RasterDomain, drawn: Draws, edges: NDArray[np.float64]) -> bool:
    """Whether all of a raster lies within its edges in another CRS, ``(n, 2)``.

    Those of a global raster are a slit there, or a loop around a few places, and all else is around it.
    """
    across, down = np.meshgrid(
        *(np.linspace(0, 1, INNER_PLACES + 2)[1:-1] * n for n in domain.grid_shape[::-1])
    )
    a, b, c, d, e, f = domain.transform[:6]
    cols, rows = across.ravel(), down.ravel()
    inner = drawn(np.stack([a * cols + b * rows + c, d * cols + e * rows + f], axis=1))
    low, high = edges.min(axis=0), edges.max(axis=0)
    slack = (high - low) / EDGE_PLACES
    return bool(((inner >= low - slack) & (inner <= high + slack)).all())  # NaN is not within


def grid_for(wanted: Grid, domains: Sequence[RasterDomain], names: Sequence[str]) -> RasterDomain:
    """Return the shape, transform and CRS of a map that rasters are put on.

    Raises
    ------
    SourceError
        One of them cannot be placed on it; names it.

    """
    first = domains[0]
    start = _lattice(wanted, first, names[0])
    if wanted.bounds is not None:
        return _within(wanted.bounds, start, kept=_is_own(wanted, first))
    covered = Box.of_shape(start.grid_shape)
    for domain, name in zip(domains[1:], names[1:], strict=True):
        found = outline(domain, start, name)
        covered = Box(
            min(covered.row0, found.row0),
            max(covered.row1, found.row1),
            min(covered.col0, found.col0),
            max(covered.col1, found.col1),
        )
    return start.cut(covered)


def _is_own(wanted: Grid, first: RasterDomain) -> bool:
    """Whether the pixels wanted are those of the first raster."""
    same = wanted.crs is None or (first.crs is not None and crs_of(wanted.crs) == crs_of(first.crs))
    return same and wanted.resolution is None


def _lattice(wanted: Grid, first: RasterDomain, name: str) -> RasterDomain:
    """Return the pixels wanted, over the first raster."""
    if _is_own(wanted, first):
        return RasterDomain(first.grid_shape, first.transform, first.crs)
    if first.is_tied:  # a CRS written into it would put it where it is not
        raise SourceError(
            f"{name} has {first.metadata.ground} and no transform, so it cannot be put on another grid: "
            f"warp it first, for example with gdalwarp"
        )
    if first.crs is None:
        raise SourceError(
            f"{name} does not say in which CRS it lies, so it cannot be put on another grid. Write it into "
            f"the file, as with: rio edit-info --crs EPSG:32633 FILE"
        )
    if first.transform.b or first.transform.d:
        raise SourceError(
            f"{name} is rotated, and GDAL proposes no grid for it: give the map of another raster as grid"
        )
    source = crs_of(first.crs)
    target = source if wanted.crs is None else crs_of(wanted.crs)
    try:
        with environment(), no_affine_warning():
            place, width, height = calculate_default_transform(
                source, target, first.width, first.height, *first.bounds, resolution=wanted.resolution
            )
    except GDAL_ERRORS as error:
        raise failure(error, f"{name} cannot be placed in {target.to_string()}") from error
    made = RasterDomain((int(height), int(width)), place, target.to_wkt())
    if wanted.bounds is None:
        _require_shown(first, made, name, asked=wanted.resolution is not None)
    return made


def _require_shown(first: RasterDomain, made: RasterDomain, name: str, *, asked: bool) -> None:
    """Refuse the map that GDAL proposes of a raster that is torn apart there: it is as wide as the world.

    One that goes around the world is meant to be, if its pixels are alike, or their size was ``asked`` for.
    """
    try:
        outline(first, made, name)
    except SourceError:
        few, many = sorted((math.prod(first.grid_shape), math.prod(made.grid_shape)))
        around = crs_of(first.crs or "").is_geographic and abs(first.transform.a) * first.width > HALF_TURN
        if not around or (not asked and many > ALIKE * few):
            raise


def _within(bounds: Bounds, start: RasterDomain, *, kept: bool) -> RasterDomain:
    """Return the pixels that bounds touch; they begin at their corner, unless pixels are ``kept``."""
    left, bottom, right, top = bounds
    if not kept:
        a, e = start.transform.a, start.transform.e
        start = replace(start, transform=Affine(a, 0.0, left, 0.0, e, top))
    xs, ys = np.array([left, right, left, right], float), np.array([top, top, bottom, bottom], float)
    rows, cols = pixels_at(start.transform, xs, ys)
    return start.cut(
        Box(
            math.floor(rows.min() + SAME_PX),
            math.ceil(rows.max() - SAME_PX),
            math.floor(cols.min() + SAME_PX),
            math.ceil(cols.max() - SAME_PX),
        )
    )
