"""From the area a user names, in pixels or on the ground, to a part of a source."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np

from geopatcher._optional import later
from geopatcher.api.subset import box_of_bounds
from geopatcher.core.area import Area
from geopatcher.core.box import Box
from geopatcher.core.places import Geometric
from geopatcher.engine.prepare import check_region
from geopatcher.fields.declared import outline_of
from geopatcher.fields.grids import crs_of
from geopatcher.fields.part import Part
from geopatcher.formats.vectors import (
    bounds_in_crs,
    crs_of_json,
    cut_to,
    in_crs,
    is_in_degrees,
    outline,
    outline_of_json,
    read_outline,
)

if TYPE_CHECKING:
    import shapely

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import PixelSource
    from geopatcher.planning.reading import Reading
else:
    shapely = later("shapely")

#: Degrees around the world.
TURN = 360


@runtime_checkable
class Located(Protocol):
    """A table of geometries that knows their CRS."""

    @property
    def crs(self) -> object:
        """What pyproj understands, or ``None``."""
        ...


#: What part of a raster is meant: pixels, ``(west, south, east, north)``, a geometry, GeoJSON or a file.
Region: TypeAlias = (
    "Box | Sequence[float] | shapely.Geometry | Geometric | Mapping[str, object] | str | os.PathLike[str]"
)


@dataclass(frozen=True)
class Extent:
    """The part of a raster that a caller wants, as it was given.

    ``crs`` is that of its coordinates, ``None`` for the raster's own, or what the region says. With ``crop``
    the result has the grid of the part, else that of the raster. ``all_touched`` takes in every cell that an
    outline touches.
    """

    region: Region | None = None
    crs: object = None
    crop: bool = False
    all_touched: bool = False

    def of(
        self, source: PixelSource, reading: Reading, size: tuple[int, int]
    ) -> tuple[PixelSource, Box | None]:
        """Return the source to run over, and which rectangle of its result is computed, ``None`` for all.

        Patches are of ``size`` pixels.

        Raises
        ------
        ValueError
            The region lies outside the raster, has no area, or its CRS cannot be told.
        TypeError
            It is nothing of the kind.
        SourceError
            Its file cannot be read.

        """
        if self.region is None:
            given = {"region_crs": self.crs is not None, "crop": self.crop, "all_touched": self.all_touched}
            for name in (name for name, is_given in given.items() if is_given):
                raise ValueError(f"{name} says something of a region, and none is given")
            return source, None
        domain = outline_of(source)
        match self.region:
            case Box() as box:
                return self._rectangle(source, reading, reading.nominal(check_region(box)), box)
            case str() | os.PathLike() | Mapping() | Geometric():
                return self._shape(source, reading, size, _to_pixels(self._outline(domain), domain))
            case [_, _, _, _] as bounds:
                return self._rectangle(source, reading, box_of_bounds(domain, self._bounds(domain, bounds)))
        raise TypeError(
            f"a region is a Box of whole pixels, such as Box(0, 512, 1024, 1536), bounds (west, south, east, "
            f"north), a polygon, GeoJSON or the path of a vector file, not {self.region!r}"
        )

    def _rectangle(
        self, source: PixelSource, reading: Reading, pixels: Box, asked: Box | None = None
    ) -> tuple[PixelSource, Box | None]:
        """Return a rectangle of ``pixels`` of the source; ``asked`` is that of the result, if it is known."""
        if self.all_touched:
            raise ValueError("all_touched is for a polygon: a rectangle is made of whole pixels")
        if isinstance(self.region, Box) and self.crs is not None:
            raise ValueError("region_crs is for a region on the ground, and this one is a Box of pixels")
        if not self.crop:
            return source, asked or reading.made_of(_snapped(pixels, source, reading))
        window = _snapped(pixels, source, reading)
        if window.empty:
            raise ValueError(f"region {pixels} holds no pixel of {source.name}")
        return Part(source, window), None

    def _shape(
        self, source: PixelSource, reading: Reading, size: tuple[int, int], shape: shapely.Geometry
    ) -> tuple[PixelSource, Box | None]:
        """Return what lies in a ``shape`` in pixels of the source."""
        domain = outline_of(source)
        if not Area(shape).touches(Box.of_shape(domain.grid_shape)):
            raise ValueError(
                f"the region lies outside {source.name}, whose own bounds are {domain.bounds}: of one in "
                f'another CRS give that, such as region_crs="EPSG:4326" for longitudes and latitudes'
            )
        window = _snapped(Area(shape).bounds, source, reading)
        kept = window if self.crop else Box.of_shape(domain.grid_shape)
        corner, scale = np.array([kept.col0, kept.row0]), float(reading.scale)
        here = shapely.transform(shape, lambda points: points - corner)
        fine = here if scale == 1 else shapely.transform(here, lambda points: points * scale)
        rows, cols = (length + 2 * margin for length, margin in zip(size, reading.margin, strict=True))
        part = Part(source, kept, Area(fine, self.all_touched), (rows, cols), Area(here, self.all_touched))
        return part, None if self.crop else reading.made_of(window)

    def _bounds(self, domain: RasterDomain, given: Sequence[float]) -> tuple[float, float, float, float]:
        west, south, east, north = given
        crosses = _crosses(given) and is_in_degrees(domain.crs if self.crs is None else self.crs)
        if crosses:
            east += TURN
        elif not _are_numbers(given) or not (west < east and south < north):  # which is refused by name later
            return west, south, east, north
        bounds = (west, south, east, north)
        near = _near(domain, self.crs)
        if near is not None:
            bounds = _common(bounds, near) or bounds
        left, bottom, right, top = bounds if self.crs is None else bounds_in_crs(bounds, self.crs, domain.crs)
        _require_within_turn(domain, left, right)
        return left, bottom, right, top

    def _outline(self, domain: RasterDomain) -> shapely.Geometry:
        """Return all polygons of the region as one, in the CRS of the raster."""
        crs = self.crs
        match self.region:
            case str() | os.PathLike() as path:
                shape, of_file = read_outline(path)
                crs = of_file if crs is None else crs
            case shapely.Geometry() as geometry:
                shape = outline([geometry])
            case Mapping() as mapping:
                shape = outline_of_json(mapping)
                crs = crs_of_json(mapping) if crs is None else crs
            case Geometric() as table:
                shape = outline_of_json(table.__geo_interface__)
                crs = table.crs if crs is None and isinstance(table, Located) else crs
            case other:
                raise TypeError(f"{other!r} is no polygon")
        near = _near(domain, crs)
        shape = shape if near is None else cut_to(shape, near)
        drawn = shape if crs is None else in_crs(shape, crs, domain.crs)
        left, _, right, _ = map(float, shapely.bounds(drawn))
        _require_within_turn(domain, left, right)
        return drawn


def _near(domain: RasterDomain, crs: object) -> tuple[float, float, float, float] | None:
    """Return bounds in another CRS of what lies around a raster: of a region no more is drawn in that of it.

    What is far away may have no place there, or that of something else. ``None`` is where that is not known,
    or there is no other CRS.
    """
    if crs is None or domain.crs is None or domain.is_tied:
        return None
    try:
        west, south, east, north = bounds_in_crs(domain.bounds, domain.crs, crs)
    except ValueError:
        return None
    width, height = east - west, north - south
    return west - width, south - height, east + width, north + height


def _common(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> tuple[float, float, float, float] | None:
    """Return the bounds of what lies in both, ``None`` where nothing does."""
    west, south, east, north = *map(max, one[:2], other[:2]), *map(min, one[2:], other[2:])
    return (west, south, east, north) if west < east and south < north else None


def _require_within_turn(domain: RasterDomain, left: float, right: float) -> None:
    """Refuse longitudes beyond an end of the raster of which it has more, all around the world, at the other.

    Raises
    ------
    ValueError
        Some of these would be lost.

    """
    west, _, east, _ = domain.bounds
    if (west <= left and right <= east) or (left <= west and east <= right) or not _turns(domain):
        return
    pixel = abs(domain.transform.a)
    lost = max(min(right + turn, east) - max(left + turn, west) for turn in (-TURN, TURN))
    if lost >= pixel and left < east and west < right:
        raise ValueError(
            f"the region, from {left:g} to {right:g} degrees, goes on at the other end of the raster, which "
            f"is from {west:g} to {east:g}: give a polygon for each side, or take a raster that goes on there"
        )


def _turns(domain: RasterDomain) -> bool:
    """Return whether x is a longitude: as the CRS says, or else where it is as wide as all of the world."""
    if domain.crs is not None:
        return bool(crs_of(domain.crs).is_geographic)
    west, south, east, north = domain.bounds
    pixel = abs(domain.transform.a)
    is_world = abs(east - west - TURN) <= pixel and -TURN / 4 - pixel <= south and north <= TURN / 4 + pixel
    return is_world and not domain.transform.is_identity


def _to_pixels(shape: shapely.Geometry, domain: RasterDomain) -> shapely.Geometry:
    """Return an outline with columns for x and rows for y.

    Raises
    ------
    ValueError
        The raster is tied to the ground by something else than a transform.

    """
    if domain.is_tied:
        raise ValueError(
            "the raster has no transform, so nothing on the ground can be found in it: warp it first"
        )
    a, b, c, d, e, f = domain.transform[:6]
    back = np.linalg.inv(np.array([[a, b], [d, e]]))
    corner = np.array([c, f])
    return shapely.transform(shape, lambda points: (points - corner) @ back.T)


def _snapped(pixels: Box, source: PixelSource, reading: Reading) -> Box:
    """Return pixels of a source of which whole pixels of the result are made, no more than it has."""
    unit = reading.scale.denominator
    whole = Box.of_shape(outline_of(source).grid_shape)
    return pixels.intersect(whole).snap_out((unit, unit), whole)


def _crosses(bounds: Sequence[float]) -> bool:
    """Return whether longitudes go over the antimeridian, and are not merely the wrong way round."""
    if not _are_numbers(bounds):
        return False
    west, south, east, north = bounds
    return east < 0 < west and east + TURN - west < TURN / 2 and south < north


def _are_numbers(bounds: Sequence[float]) -> bool:
    return np.asarray(bounds).dtype.kind in "iuf"
