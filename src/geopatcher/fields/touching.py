"""Which pixels of a map a raster may have something for, whatever becomes of its edges there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields.grids import crs_of, outline
from geopatcher.fields.under_tile import Places
from geopatcher.formats.gdal_environment import environment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geopatcher.core.domain import RasterDomain

#: Degrees around the world.
TURN = 360
#: Pixels around an edge at which rounding may put a place on one side or the other.
HALF = 0.5


class Touched(NamedTuple):
    """Pixels of a map within it, and how many of the raster lie on one, at least 1."""

    box: Box
    density: float


def touched(domain: RasterDomain, onto: RasterDomain, name: str) -> Touched:
    """Return which pixels of a map a raster may have something for.

    Edges of a raster of all the world have no place in most projections, and those of one over the date line
    are torn apart: there it may have something for all of the map, if it has for some places of it.

    Raises
    ------
    SourceError
        It has no place in the CRS of the map, or lies a turn around the world from it; names it.

    """
    require_one_turn(domain, onto, name)
    everything = Box.of_shape(onto.grid_shape)
    try:
        placed = outline(domain, onto, name)
    except SourceError:
        places = _places(onto, domain)
        if places is None or not _inside(places.rows, places.cols, domain).any():
            raise
        across, down = (float(np.quantile(one, 0.9)) if one.size else 1.0 for one in places.sides())
        return Touched(everything, max(1.0, across * down))
    density = math.prod(domain.grid_shape) / max(1, placed.n_pixels)
    return Touched(placed.intersect(everything), max(1.0, density))


def require_one_turn(domain: RasterDomain, onto: RasterDomain, name: str) -> None:
    """Refuse a raster in degrees from which places of a map lie a turn around the world, as from 0 to 360.

    Raises
    ------
    SourceError
        Some of what it has would be lost; names it.

    """
    a, b, _, d, _, _ = domain.transform[:6]
    if domain.crs is None or b or d or not crs_of(domain.crs).is_geographic:
        return
    places = _places(onto, domain)
    if places is None:
        return
    own = _inside(places.rows, places.cols, domain, -HALF)
    for turn in (-TURN, TURN):
        lost = _inside(places.rows, places.cols + turn / a, domain, HALF) & ~own
        if lost.any():
            west, _, east, _ = domain.bounds
            raise SourceError(
                f"{name} goes from {west:g} to {east:g} degrees, and the map has places that lie {TURN} "
                f"degrees from some of its own, which would be missing: write both in the same longitudes "
                f"first, such as from -180 to 180"
            )


def _places(onto: RasterDomain, domain: RasterDomain) -> Places | None:
    """Return where places of a map lie in a raster; ``None`` where nobody knows."""
    if onto.crs is None or domain.crs is None:
        return None
    with environment():
        return Places.of(onto, domain)


def _inside(
    rows: NDArray[np.float64], cols: NDArray[np.float64], domain: RasterDomain, margin: float = 0.0
) -> NDArray[np.bool_]:
    """Return which places lie in a raster, by more than a margin of pixels."""
    within: NDArray[np.bool_] = (rows > margin) & (rows < domain.height - margin)
    return within & (cols > margin) & (cols < domain.width - margin)
