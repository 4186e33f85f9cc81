"""Many threads ask one polygon at once; run as a process of its own, which GEOS may end."""

from __future__ import annotations

import sys
import threading

import numpy as np
import shapely

import geopatcher as gp
from geopatcher.core.area import Area
from geopatcher.core.box import Box
from geopatcher.fields.place_numbers import numbers_of

THREADS, TURNS = 6, 100


def star(rng):
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    radius = 400 + 90 * rng.random(400)
    return shapely.Polygon(np.stack([500 + radius * np.cos(angle), 500 + radius * np.sin(angle)], axis=1))


def of_area(shape):
    area = Area(shape)

    def ask():
        columns = [*area.columns(Box(0, 1000, 0, 1400), (0, 0), 16)]
        return len(columns), area.touches(Box(300, 310, 300, 310)), area.cells(Box(0, 256, 0, 256)).sum()

    return ask


def of_patches(shape):
    geometry = gp.SpatialPolygonIntersection([shape])
    domain = gp.RasterDomain((1, 1000, 1000))
    return lambda: int(geometry.find(domain, 0).inside.sum())


def of_points(shape):
    places = np.random.default_rng(1).random((2000, 2)) * 1000
    domain = gp.PointDomain(places, crs="EPSG:32633")
    return lambda: len(numbers_of(shape, domain))


def race(ask):
    """Return what threads heard that all began at once."""
    start, heard = threading.Barrier(THREADS), []

    def work():
        start.wait()
        heard.append(ask())

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return heard


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    for _ in range(TURNS):
        heard = race(globals()[sys.argv[1]](star(rng)))
        assert len(heard) == THREADS, heard
        assert len({*heard}) == 1, heard
