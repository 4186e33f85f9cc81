"""Samplers that take coordinates of a CRS: points, and points along a track."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher._optional import load
from geopatcher.core.places import Geometric
from geopatcher.patching.lonlat import as_counted
from geopatcher.patching.samplers.base import SpatialSampler, as_pairs, on_places, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from affine import Affine
    from numpy.typing import ArrayLike, NDArray
    from pyproj import CRS

    from geopatcher.core.protocols import HasShape, RectGeometry

POLAR_GUARDS = ("warn", "raise", "ignore")
#: Degrees of latitude beyond which pixels of most grids are no longer alike on the ground.
POLAR_LATITUDE = 85.0
#: Most points along one track: a spacing in the wrong unit should say so, not fill the memory.
MAX_TRACK_POINTS = 10_000_000
#: A coordinate this close to the next pixel, in pixels, is on it: rounding makes 5.0° on a grid of 0.1°
#: column 49.999999999999993.
EDGE = 1e-6

Points = tuple[tuple[float, float], ...]


@runtime_checkable
class Georeferenced(Protocol):
    """A domain that knows where its pixels are."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(bands, height, width)``."""
        ...

    @property
    def transform(self) -> Affine:
        """From ``(column, row)`` to ``(x, y)`` of the CRS."""
        ...

    @property
    def crs(self) -> object:
        """What pyproj takes for a CRS, or ``None``."""
        ...


@dataclass(frozen=True, init=False)
class SpatialExplicitCoords(SpatialSampler):
    """Patches centred on the pixels that hold the given coordinates, in the order given.

    ``coords`` are ``(x, y)`` pairs, an array ``(n, 2)``, in ``crs`` (longitude and latitude in that
    order for geographic ones), or in the raster's own CRS when ``crs`` is ``None``. The pixel of a
    coordinate becomes cell ``(height // 2, width // 2)`` of its patch. A patch that reaches over the
    edge of the raster is treated as the geometry's ``boundary`` says; a coordinate outside the
    raster is left out with a warning that counts them.

    ``polar_guard`` (``"warn"``, ``"raise"``, ``"ignore"``) speaks up for coordinates beyond 85° of
    latitude on a geographic or Mercator grid, where pixels are no longer alike on the ground.

    Parameters
    ----------
    coords
        ``(x, y)`` pairs, an array ``(n, 2)``, in units of ``crs``.
    crs
        Of the coordinates, anything pyproj understands; ``None`` for the raster's own.
    polar_guard
        ``"warn"``, ``"raise"`` or ``"ignore"``: what to do beyond 85° of latitude.

    Raises
    ------
    ValueError
        ``coords`` are not pairs of finite numbers, or ``polar_guard`` is unknown.

    Examples
    --------
    >>> from affine import Affine
    >>> from geopatcher.core.domain import RasterDomain
    >>> from geopatcher.patching.geometry import SpatialRectangular
    >>> domain = RasterDomain((100, 100), Affine(10, 0, 500_000, 0, -10, 8_000_000), "EPSG:32725")
    >>> list(SpatialExplicitCoords([(500_305, 7_999_495)]).anchors(domain, SpatialRectangular(8)))
    [(46, 26)]

    """

    coords: Points
    crs: str | None
    polar_guard: str

    def __init__(self, coords: ArrayLike, crs: object = None, polar_guard: str = "warn") -> None:
        object.__setattr__(self, "coords", _points(coords, "coords"))
        object.__setattr__(self, "crs", _crs_text(crs))
        object.__setattr__(self, "polar_guard", _known_guard(polar_guard))

    def anchors(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        """Return an iterator over the anchors.

        Raises
        ------
        TypeError
            The domain has no ``transform`` and ``crs``.
        ValueError
            No coordinate lies in the raster, or its transform or CRS cannot be used.

        """
        return on_places(domain, geometry, self._pixels)

    def _pixels(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        placed = _Placed.on(domain, np.array(self.coords).reshape(-1, 2), self.crs, self.polar_guard)
        if placed.outside:
            warnings.warn(
                f"{placed.outside} of {len(self.coords)} coordinates lie outside the raster and are left out",
                UserWarning,
                stacklevel=4,
            )
        return as_pairs(settle(placed.centred(geometry), domain, geometry))


@dataclass(frozen=True, init=False)
class SpatialAlongTrack(SpatialSampler):
    """Patches centred on points along a track: a flight line, a river, a satellite's ground track.

    ``track`` is a ``LineString`` or ``(x, y)`` pairs, an array ``(n, 2)``, in ``crs`` or in
    the raster's own CRS. With ``spacing``, in units of that CRS and measured along the track, points
    are placed at 0, ``spacing``, 2 ``spacing``, … and at the end; with ``None`` at the vertices.
    The parts of the track outside the raster are left out, as are points whose patch is that of the
    point before. Centres, boundary and ``polar_guard`` are as for `SpatialExplicitCoords`.

    Parameters
    ----------
    track
        A ``LineString`` of shapely or another library, or ``(x, y)`` pairs, an array ``(n, 2)``, in units of
        ``crs``.
    spacing
        Distance along the track in units of ``crs``; ``None`` for its vertices.
    crs
        Of the track, anything pyproj understands; ``None`` for the raster's own.
    polar_guard
        As for `SpatialExplicitCoords`.

    Raises
    ------
    ValueError
        The track is no line of finite coordinates, ``spacing`` is not positive or far too small, or
        ``polar_guard`` is unknown.

    Examples
    --------
    >>> from geopatcher.core.domain import RasterDomain
    >>> from geopatcher.patching.geometry import SpatialRectangular
    >>> sampler = SpatialAlongTrack([(10, 20), (40, 20)], spacing=10)
    >>> list(sampler.anchors(RasterDomain((50, 50)), SpatialRectangular(4)))
    [(18, 8), (18, 18), (18, 28), (18, 38)]

    """

    track: Points
    spacing: float | None
    crs: str | None
    polar_guard: str

    def __init__(
        self,
        track: ArrayLike | Geometric,
        spacing: float | None = None,
        crs: object = None,
        polar_guard: str = "warn",
    ) -> None:
        object.__setattr__(self, "track", _points(_vertices(track), "track"))
        object.__setattr__(self, "spacing", None if spacing is None else float(spacing))
        object.__setattr__(self, "crs", _crs_text(crs))
        object.__setattr__(self, "polar_guard", _known_guard(polar_guard))
        if not self.track:
            raise ValueError("the track has no points")
        if self.spacing is not None and not 0.0 < self.spacing < np.inf:
            raise ValueError(
                f"spacing is a distance along the track in units of its CRS, positive and finite, "
                f"not {spacing!r}"
            )

    def points(self) -> NDArray[np.float64]:
        """Return the points along the track, ``(n, 2)``: x, y in the track's CRS.

        Returns
        -------
        numpy.ndarray
            ``(n, 2)`` float64: x, y.

        Raises
        ------
        ValueError
            ``spacing`` is so small that there would be more than 10 million of them.

        """
        vertices = np.array(self.track)
        if self.spacing is None:
            return np.asarray(vertices, np.float64)
        lengths = np.hypot(*np.diff(vertices, axis=0).T)
        along = np.concatenate([[0.0], np.cumsum(lengths)])
        total = float(along[-1])
        if total / self.spacing > MAX_TRACK_POINTS:
            raise ValueError(
                f"a spacing of {self.spacing:g} on a track {total:g} long gives {total / self.spacing:.2g} "
                f"points: is it in units of the track's CRS?"
            )
        # A hair short of the end: rounding must not place the last step and the end on one spot.
        at = np.append(np.arange(0.0, total - 1e-9 * self.spacing, self.spacing), total)
        return np.stack([np.interp(at, along, vertices[:, 0]), np.interp(at, along, vertices[:, 1])], axis=1)

    def anchors(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        """Return an iterator over the anchors, along the track.

        Raises
        ------
        TypeError
            The domain has no ``transform`` and ``crs``.
        ValueError
            No point of the track lies in the raster, or its transform or CRS cannot be used.

        """
        return on_places(domain, geometry, self._pixels)

    def _pixels(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        placed = _Placed.on(domain, self.points(), self.crs, self.polar_guard)
        anchors = settle(placed.centred(geometry), domain, geometry)
        moved = np.ones(len(anchors), dtype=bool)
        moved[1:] = (np.diff(anchors, axis=0) != 0).any(axis=1)
        return as_pairs(anchors[moved])


@dataclass(frozen=True)
class _Placed:
    """The pixels under some coordinates: ``(n, 2)`` row, col of those inside, and how many are not."""

    pixels: NDArray[np.int64]
    outside: int

    @classmethod
    def on(cls, domain: HasShape, points: NDArray[np.float64], crs: str | None, polar_guard: str) -> _Placed:
        if not isinstance(domain, Georeferenced):
            raise TypeError(
                f"coordinates need a domain with a transform and a crs, and {type(domain).__name__} has not "
                f"both: use a RasterDomain, or SpatialExplicit with pixel anchors"
            )
        height, width = domain.shape[-2:]
        placed = _to_crs(points, crs, domain.crs)
        if crs is not None and len(placed):  # longitudes from -180, from 0, or on beyond 180
            a, b, c = domain.transform[:3]
            centre = c + (a * width + b * height) / 2
            placed = np.stack([as_counted(placed[:, 0], domain.crs, centre), placed[:, 1]], axis=1)
        cols, rows = _to_pixels(domain.transform, placed)
        inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        if len(points) and not inside.any():
            x, y = points[0].tolist()
            raise ValueError(
                f"none of the {len(points)} coordinates lies in the raster of {height}x{width}; the first, "
                f"({x:g}, {y:g}), falls on row {rows[0]:g}, column {cols[0]:g}: check crs and the order x, y"
            )
        _guard_poles(domain, points[inside], crs, polar_guard)
        pixels = np.stack([rows[inside], cols[inside]], axis=1).astype(np.int64)
        return cls(pixels, len(points) - len(pixels))

    def centred(self, geometry: RectGeometry) -> NDArray[np.int64]:
        """Anchors of the patches that have these pixels at their centres."""
        half = np.array(geometry.size, dtype=np.int64) // 2
        return self.pixels - half


def _points(given: ArrayLike, name: str) -> Points:
    points = np.asarray(given, dtype=np.float64)
    if points.size == 0:
        return ()
    if points.ndim != 2 or points.shape[1] not in (2, 3):
        raise ValueError(f"{name} are pairs (x, y), an array (n, 2), not shaped {points.shape}")
    points = points[:, :2]
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if bad.size:
        x, y = points[bad[0]].tolist()
        raise ValueError(
            f"{name} has {bad.size} points that are not finite, the first is number {bad[0]}: ({x}, {y})"
        )
    return tuple(zip(points[:, 0].tolist(), points[:, 1].tolist(), strict=True))


def _vertices(track: ArrayLike | Geometric) -> ArrayLike:
    if not isinstance(track, Geometric):
        return track
    match track.__geo_interface__:
        case {"type": "LineString" | "LinearRing", "coordinates": [*vertices]}:
            return np.asarray(vertices, np.float64)
        case other:
            raise ValueError(f"a track is a line, and not a {other.get('type')}")


def _crs_text(crs: object) -> str | None:
    """Check a CRS and keep it as text: as given when it is, else as WKT, so that it is a JSON value."""
    if crs is None:
        return None
    parsed = _parsed(crs, "crs")
    return crs if isinstance(crs, str) else parsed.to_wkt()


def _parsed(crs: object, whose: str) -> CRS:
    try:
        parsed: CRS = load("pyproj").CRS.from_user_input(crs)
    except load("pyproj.exceptions").CRSError as error:
        raise ValueError(
            f"{whose} is no coordinate reference system ({error}): give an EPSG code such as "
            f'"EPSG:32725", WKT, or a PROJ string'
        ) from error
    return parsed


def _known_guard(polar_guard: str) -> str:
    if polar_guard not in POLAR_GUARDS:
        raise ValueError(f"polar_guard {polar_guard!r} is none of {', '.join(POLAR_GUARDS)}")
    return polar_guard


def _to_crs(points: NDArray[np.float64], crs: str | None, target: object) -> NDArray[np.float64]:
    """Coordinates in the raster's CRS; infinite where they have none there."""
    if crs is None:
        return points
    if target is None:
        raise ValueError(
            f"the raster has no CRS, so coordinates in {crs[:60]} cannot be placed on it: give the raster a "
            f"CRS, or give coordinates on its own grid and crs=None"
        )
    transformer = load("pyproj").Transformer.from_crs(
        _parsed(crs, "crs"), _parsed(target, "the CRS of the raster"), always_xy=True
    )
    x, y = transformer.transform(points[:, 0], points[:, 1])
    return np.stack([x, y], axis=1)


def _to_pixels(
    transform: Affine, points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Whole columns and rows under coordinates, as floats: they may be infinite."""
    a, b, c, d, e, f = (float(value) for value in transform[:6])
    determinant = a * e - b * d
    if determinant == 0.0:
        raise ValueError(f"the transform {(a, b, c, d, e, f)} puts all pixels on one line: it has no inverse")
    right, down = points[:, 0] - c, points[:, 1] - f
    with np.errstate(invalid="ignore"):  # infinite coordinates become NaN here, which is inside nothing
        cols = np.floor((e * right - b * down) / determinant + EDGE)
        rows = np.floor((a * down - d * right) / determinant + EDGE)
    return cols, rows


def _guard_poles(
    domain: Georeferenced, points: NDArray[np.float64], crs: str | None, polar_guard: str
) -> None:
    """Warn of, or refuse, coordinates near a pole on a grid whose pixels are not alike there."""
    source = crs if crs is not None else domain.crs
    if polar_guard == "ignore" or source is None or len(points) == 0:
        return
    grid = _parsed(domain.crs if domain.crs is not None else source, "the CRS of the raster")
    operation = grid.coordinate_operation
    if not grid.is_geographic and (operation is None or "Mercator" not in operation.method_name):
        return
    to_degrees = load("pyproj").Transformer.from_crs(_parsed(source, "crs"), "EPSG:4326", always_xy=True)
    latitude = np.abs(to_degrees.transform(points[:, 0], points[:, 1])[1])
    polar = np.isfinite(latitude) & (latitude > POLAR_LATITUDE)
    if not polar.any():
        return
    message = (
        f"{np.count_nonzero(polar)} of {len(points)} coordinates lie beyond {POLAR_LATITUDE:g}° of latitude "
        f"(up to {latitude[polar].max():.2f}°), where patches on {grid.name} are badly distorted: "
        f'reproject to a polar CRS, or pass polar_guard="ignore"'
    )
    if polar_guard == "raise":
        raise ValueError(message)
    warnings.warn(message, UserWarning, stacklevel=6)
