"""Distances on a sphere: great circles, and the straight chords below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Mean radius of the Earth, (2 a + b) / 3 of WGS 84, in kilometres (Moritz 2000, Geodetic Reference System
#: 1980).
EARTH_KM = 6371.0088
#: Half way around it.
FARTHEST_KM = float(np.pi * EARTH_KM)


def unit_vectors(lon: ArrayLike, lat: ArrayLike) -> NDArray[np.float64]:
    """Return points of the unit sphere, ``(..., 3)``, for longitudes and latitudes in degrees.

    >>> unit_vectors([0, 90], [0, 0]).round(12)
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """
    east, north = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=-1)


def great_circle_km(lon0: float, lat0: float, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.float64]:
    """Return distances in kilometres along the sphere; exact near, far, over poles and the antimeridian.

    From the chord, ``2 R asin(|u - v| / 2)``, which is the haversine formula (Sinnott 1984, "Virtues of the
    haversine", Sky and Telescope 68).

    >>> great_circle_km(179.0, 0.0, [-179.0], [0.0]).round(2)
    array([222.39])
    """
    difference = unit_vectors(lon, lat) - unit_vectors(lon0, lat0)
    chord = np.sqrt(np.square(difference).sum(axis=-1))
    return km_of_chord(chord)


def km_of_chord(chord: ArrayLike) -> NDArray[np.float64]:
    """Return the distance along the sphere below which a chord of the unit sphere runs."""
    angle: NDArray[np.float64] = 2.0 * np.arcsin(np.clip(np.asarray(chord) / 2.0, 0.0, 1.0))
    return angle * EARTH_KM


def chord_of_km(km: float) -> float:
    """Return the chord of the unit sphere of a distance along the sphere; 2 for half way around and more.

    >>> round(chord_of_km(FARTHEST_KM), 12)
    2.0
    """
    return float(2.0 * np.sin(min(km, FARTHEST_KM) / (2.0 * EARTH_KM)))


def circle(
    lon0: float, lat0: float, radius_km: float, n: int = 360
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitudes and latitudes of ``n`` points at one distance from a point.

    >>> lon, lat = circle(10.0, 80.0, 2000.0)
    >>> bool(np.allclose(great_circle_km(10.0, 80.0, lon, lat), 2000.0))
    True
    """
    azimuth = np.linspace(0.0, 2 * np.pi, n, endpoint=False)
    angle, north = radius_km / EARTH_KM, np.radians(lat0)
    sine = np.sin(north) * np.cos(angle) + np.cos(north) * np.sin(angle) * np.cos(azimuth)
    lat = np.arcsin(np.clip(sine, -1.0, 1.0))
    across = np.sin(azimuth) * np.sin(angle) * np.cos(north)
    lon = np.radians(lon0) + np.arctan2(across, np.cos(angle) - np.sin(north) * np.sin(lat))
    return (np.degrees(lon) + 180.0) % 360.0 - 180.0, np.degrees(lat)
