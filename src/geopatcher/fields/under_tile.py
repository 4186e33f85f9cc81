"""What of a raster lies under a tile of a map, and how its pixels compare with those of the map."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from affine import Affine
from rasterio.warp import transform

from geopatcher.core.blocks_below import BlocksBelow
from geopatcher.core.box import Box
from geopatcher.fields.grids import crs_of, pixels_at, same_crs
from geopatcher.formats.gdal_environment import GDAL_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from geopatcher.core.domain import RasterDomain

#: Places along each side of a tile by which it is found in the raster.
PLACES = 33
#: Pixels around one, of the coarser of both grids, that a method looks at: three of lanczos, and one more.
REACH = 4
#: Pixels of a map may be this many times larger in one place than in another, counted in those of a raster,
#: and all be warped by one scale.
EVEN = 1.1
#: Share of half a turn by which longitudes may be misplaced by rounding.
ROUNDED = 1e-9


class Under(NamedTuple):
    """Pixels of a raster that a tile of a map is made of, and how many of the map there are along one."""

    own: Box
    scale: tuple[float, float]


@dataclass(frozen=True)
class Places:
    """Rows and columns of a raster at places all over a part of a map, ``(PLACES, PLACES)``, NaN for none.

    ``pixel`` is the part of the distance between two places that a pixel of the map is, down and across.
    """

    rows: NDArray[np.float64]
    cols: NDArray[np.float64]
    pixel: tuple[float, float]

    @classmethod
    def of(cls, part: RasterDomain, domain: RasterDomain) -> Places | None:
        """Look up places; ``None`` where that is an error."""
        along = np.linspace(0, 1, PLACES)
        cols, rows = np.meshgrid(along * part.width, along * part.height)
        a, b, c, d, e, f = part.transform[:6]
        xs, ys = a * cols + b * rows + c, d * cols + e * rows + f
        if not same_crs(part.crs, domain.crs):
            both = (crs_of(part.crs or ""), crs_of(domain.crs or ""))
            try:
                moved = transform(*both, xs.ravel().tolist(), ys.ravel().tolist())
            except GDAL_ERRORS:
                return None
            xs, ys = (np.array(found).reshape(xs.shape) for found in moved[:2])
            xs = _as_counted(xs, domain)
        known = np.isfinite(xs) & np.isfinite(ys)
        found_rows, found_cols = pixels_at(
            domain.transform, np.where(known, xs, np.nan), np.where(known, ys, np.nan)
        )
        pixel = ((PLACES - 1) / part.height, (PLACES - 1) / part.width)
        return cls(found_rows, found_cols, pixel)

    def sides(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how many columns, and rows, of the raster a pixel of the map is wide there."""
        across, down = (
            np.hypot(
                np.diff(places, axis=1)[:-1] * self.pixel[1], np.diff(places, axis=0)[:, :-1] * self.pixel[0]
            )
            for places in (self.cols, self.rows)
        )
        return _positive(across), _positive(down)

    def blocks(
        self, tile: tuple[int, int], grid: tuple[int, int], block: tuple[int, int], cell_bytes: int
    ) -> BlocksBelow:
        """Return what blocks of the raster lie below the part of the map, which is warped in tiles.

        Parameters
        ----------
        tile
            ``(height, width)`` of one, pixels of the map.
        grid, block
            ``(height, width)`` of the raster and of a block of it, in its pixels.
        cell_bytes
            Bytes of a pixel of the raster.

        Returns
        -------
        BlocksBelow
            For the steepest tenth of the part.

        """
        rows, cols = (
            (
                _steepest(np.diff(places, axis=0)) * self.pixel[0],
                _steepest(np.diff(places, axis=1)) * self.pixel[1],
            )
            for places in (self.rows, self.cols)
        )
        reach = REACH * max(1.0, math.hypot(rows[0], cols[0]), math.hypot(rows[1], cols[1]))
        return BlocksBelow(rows, cols, reach, tile, block, cell_bytes, math.prod(grid) * cell_bytes)

    def box(self, scale: tuple[float, float]) -> Box:
        """Return the rectangle of the raster around all places that a method looks at.

        Between two places the raster may bend, as around a pole, by no more than it is seen to.
        """
        if not np.isfinite(self.rows).any():
            return Box(0, 0, 0, 0)
        reach = REACH * max(1.0, *(1 / one for one in scale))
        ends = []
        for places in (self.rows, self.cols):
            around = reach + max(_largest(np.diff(places, 2, axis=axis)) for axis in (0, 1))
            low, high = float(np.nanmin(places)), float(np.nanmax(places))
            ends += [math.floor(low - around), math.ceil(high + around)]
        return Box(*ends)


def even_scale(onto: RasterDomain, box: Box, domain: RasterDomain) -> tuple[float, float] | None:
    """Return how many pixels of a map there are along one of a raster, across and down, all over a rectangle.

    ``None`` is where that differs from place to place, by more than `EVEN`.

    >>> from affine import Affine
    >>> from geopatcher.core.domain import RasterDomain
    >>> fine, coarse = (RasterDomain((90, 90), Affine(side, 0, 0, 0, -side, 0)) for side in (10, 20))
    >>> even_scale(coarse, Box(0, 40, 0, 40), fine)
    (0.5, 0.5)
    """
    places = Places.of(onto.cut(box), domain)
    if places is None:
        return None
    sides = places.sides()
    even = (one.size and np.quantile(one, 0.95) <= EVEN * np.quantile(one, 0.05) for one in sides)
    return _scale(sides) if all(even) else None


def under(whole: Box, onto: RasterDomain, domain: RasterDomain, scale: tuple[float, float] | None) -> Under:
    """Return the pixels of a raster that a tile of a map is made of, and its scale where none is told.

    Parameters
    ----------
    whole
        The tile.
    onto, domain
        The map and the raster.
    scale
        What `even_scale` gives.

    Returns
    -------
    Under
        A rectangle of the raster, empty where nothing of it lies there.

    """
    everything = Box.of_shape(domain.grid_shape)
    places = Places.of(onto.cut(whole), domain)
    if places is None:
        return Under(everything, scale or (1.0, 1.0))
    found = scale or _scale(places.sides())
    return Under(places.box(found).intersect(everything), found)


def by_turns(domain: RasterDomain, part: RasterDomain) -> list[RasterDomain]:
    """Return a raster as it lies from -180 to 180 degrees, where GDAL looks for it: once for each turn.

    Pixels beyond 180 degrees are those of another turn, and each pixel of the map is found in one of them. A
    raster that is not in degrees, or is warped to its own CRS, lies where it says.

    Parameters
    ----------
    domain
        The raster, or a part of it.
    part
        The map it is warped to.

    Returns
    -------
    list of RasterDomain
        One or more; only ``transform`` differs.

    """
    turn = None if same_crs(part.crs, domain.crs) else _turn(domain)
    if turn is None:
        return [domain]
    left, _, right, _ = domain.bounds
    rounded = ROUNDED * turn
    first = math.floor((min(left, right) + rounded) / turn + 0.5)
    last = math.ceil((max(left, right) - rounded) / turn - 0.5)
    a, b, c, d, e, f = domain.transform[:6]
    return [
        replace(domain, transform=Affine(a, b, c - turn * number, d, e, f))
        for number in range(first, max(first, last) + 1)
    ]


def _turn(domain: RasterDomain) -> float | None:
    """Return once around in the units of a raster in degrees or the like, ``None`` of others."""
    crs = crs_of(domain.crs or "")
    return math.tau / crs.units_factor[1] if crs.is_geographic else None


def _as_counted(xs: NDArray[np.float64], domain: RasterDomain) -> NDArray[np.float64]:
    """Return longitudes as a raster in degrees counts its own: from 0 to 360, or on beyond 180."""
    turn = _turn(domain)
    if turn is None:
        return xs
    left, _, right, _ = domain.bounds
    centre = (left + right) / 2
    with np.errstate(invalid="ignore"):  # places that are none stay none
        # Half a turn away, and by rounding more, is where a raster of all longitudes ends.
        return np.asarray(xs - turn * np.round((xs - centre) / turn * (1 - ROUNDED)))


def _scale(sides: Iterable[NDArray[np.float64]]) -> tuple[float, float]:
    across, down = (1 / float(np.median(one)) if one.size else 1.0 for one in sides)
    return across, down


def _positive(sides: NDArray[np.float64]) -> NDArray[np.float64]:
    return sides[np.isfinite(sides) & (sides > 0)]


def _steepest(numbers: NDArray[np.float64]) -> float:
    known = np.abs(numbers[np.isfinite(numbers)])
    return float(np.quantile(known, 0.9)) if known.size else 0.0


def _largest(numbers: NDArray[np.float64]) -> float:
    known = np.abs(numbers[np.isfinite(numbers)])
    return float(known.max()) if known.size else 0.0
