"""From the coordinates of a CRS to longitude and latitude in degrees, and back."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from geopatcher._optional import load

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from pyproj import CRS, Transformer

#: Left, bottom, right and top.
Bounds: TypeAlias = tuple[float, float, float, float]
#: What longitudes and latitudes without a CRS are taken for.
DEGREES = "EPSG:4326"


@lru_cache(maxsize=64)
def _parsed(text: str) -> CRS:
    parsed: CRS = load("pyproj").CRS.from_user_input(text)
    return parsed


def crs_of(crs: object) -> CRS:
    """Return a CRS of pyproj.

    Raises
    ------
    ValueError
        It is not understood.

    """
    try:
        return _parsed(crs) if isinstance(crs, str) else load("pyproj").CRS.from_user_input(crs)
    except load("pyproj.exceptions").CRSError as error:
        raise ValueError(
            f"{str(crs)[:80]!r} is no coordinate reference system ({error}): give an EPSG code such as "
            f'"EPSG:32725", WKT, or a PROJ string'
        ) from error


def _text_of(crs: object) -> str:
    return crs if isinstance(crs, str) else crs_of(crs).to_wkt()


@lru_cache(maxsize=64)
def _to_degrees(text: str) -> tuple[Transformer | None, float]:
    """Return what brings coordinates to longitudes and latitudes, and how many degrees a unit of these is."""
    crs = crs_of(text)
    base = crs.geodetic_crs
    if base is None or not base.is_geographic:
        raise ValueError(f"the CRS {crs.name!r} has no longitudes and latitudes: give one of the Earth")
    unit = float(np.degrees(base.axis_info[0].unit_conversion_factor))
    unit = 1.0 if abs(unit - 1.0) < 1e-12 else unit
    return (None if crs == base else load("pyproj").Transformer.from_crs(crs, base, always_xy=True)), unit


def is_in_degrees(crs: CRS) -> bool:
    """Whether coordinates of a CRS are longitudes and latitudes in degrees.

    >>> is_in_degrees(crs_of("EPSG:4326")), is_in_degrees(crs_of("EPSG:3857"))
    (True, False)
    """
    return bool(crs.is_geographic and all(axis.unit_name == "degree" for axis in crs.axis_info[:2]))


def to_degrees(crs: object, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitude and latitude in degrees, on the datum of the CRS itself; infinite where there is none.

    >>> lon, lat = to_degrees("EPSG:32633", [500_000.0], [0.0])
    >>> lon.round(6), lat.round(6)
    (array([15.]), array([0.]))
    """
    transformer, unit = _to_degrees(_text_of(crs))
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    lon, lat = (xs, ys) if transformer is None else transformer.transform(xs, ys)
    return (lon, lat) if unit == 1.0 else (lon * unit, lat * unit)


def from_degrees(
    crs: object, lon: ArrayLike, lat: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coordinates of a CRS for longitudes and latitudes; infinite where it has none."""
    transformer, unit = _to_degrees(_text_of(crs))
    lons, lats = np.asarray(lon, dtype=np.float64) / unit, np.asarray(lat, dtype=np.float64) / unit
    return (lons, lats) if transformer is None else transformer.transform(lons, lats, direction="INVERSE")


def turn_of(crs: object) -> float | None:
    """Return once around the Earth in the units of a CRS of longitudes and latitudes, ``None`` of others.

    >>> round(turn_of("EPSG:4326"), 9), turn_of("EPSG:3857"), turn_of(None)
    (360.0, None, None)
    """
    parsed = None if crs is None else crs_of(crs)
    if parsed is None or not parsed.is_geographic:
        return None
    return float(2 * np.pi / parsed.axis_info[0].unit_conversion_factor)


def as_counted(x: NDArray[np.float64], crs: object, centre: float) -> NDArray[np.float64]:
    """Return longitudes as what lies around ``centre`` counts its own; other coordinates as they are.

    >>> as_counted(np.array([-90.0, 10.0, 180.0]), "EPSG:4326", 180.0).tolist()
    [270.0, 10.0, 180.0]
    """
    turn = turn_of(crs)
    if turn is None:
        return x
    with np.errstate(invalid="ignore"):  # what is nowhere stays there
        # Rounding moves nothing from one end of a globe to the other.
        return np.asarray(x - turn * np.round((x - centre) / turn * (1 - 1e-9)))


def bounds_as_counted(bounds: Bounds, crs: object, own: Bounds) -> Bounds:
    """Return bounds in degrees, as PROJ gives them, as a raster with bounds of its ``own`` counts longitudes.

    Across 180 degrees PROJ gives a right edge that is less than the left one.

    >>> bounds_as_counted((179.0, 0.0, -179.0, 5.0), "EPSG:4326", (0.0, -90.0, 360.0, 90.0))
    (179.0, 0.0, 181.0, 5.0)

    Raises
    ------
    ValueError
        They lie at both ends of the raster.

    """
    turn = turn_of(crs)
    if turn is None:
        return bounds
    left, bottom, right, top = bounds
    right += turn if right < left else 0.0
    middle = np.array([(left + right) / 2])
    away = float((as_counted(middle, crs, (own[0] + own[2]) / 2) - middle)[0])
    left, right = left + away, right + away
    slack = 1e-9 * turn  # what ends where the raster does may by rounding end beyond
    low, high = min(own[0], own[2]) + slack, max(own[0], own[2]) - slack
    if right - left < turn and any(left + more < high and right + more > low for more in (-turn, turn)):
        raise ValueError(
            f"longitudes from {left:g} to {right:g} lie at both ends of a raster from {low:g} to {high:g}: "
            f"take one that counts them on, such as from 0 to 360, or cut it there"
        )
    return (left, bottom, right, top)


def on_earth(
    crs: object,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return whether coordinates are those of a place: its longitude and latitude lead back to them.

    Beyond the edge of a map of the world, such as a sinusoidal one, formulas go on, to places that are
    elsewhere.
    """
    if _to_degrees(_text_of(crs))[0] is None:
        return np.isfinite(x) & np.isfinite(y)
    again_x, again_y = from_degrees(crs, lon, lat)
    near = 1e-6 * (1.0 + float(np.max(np.abs(x), initial=0.0)) + float(np.max(np.abs(y), initial=0.0)))
    with np.errstate(invalid="ignore"):
        same: NDArray[np.bool_] = (np.abs(again_x - x) <= near) & (np.abs(again_y - y) <= near)
    return same


def transformed(
    x: ArrayLike, y: ArrayLike, source: object, target: object
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coordinates of one CRS in another; as they are where one of both is not known."""
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if source is None or target is None:
        return xs, ys
    first, second = crs_of(source), crs_of(target)
    if first == second:
        return xs, ys
    moved_x, moved_y = _between(first, second).transform(xs, ys)
    return moved_x, moved_y


@lru_cache(maxsize=64)
def _between(source: CRS, target: CRS) -> Transformer:
    made: Transformer = load("pyproj").Transformer.from_crs(source, target, always_xy=True)
    return made
