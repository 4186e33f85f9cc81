"""Polygons: of GeoJSON, of vector files, and in another CRS."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from geopatcher._optional import later, load
from geopatcher.core.containment import told
from geopatcher.core.tearing import torn
from geopatcher.errors import SourceError

if TYPE_CHECKING:
    import os

    import shapely
    from pyproj import Transformer

    from geopatcher.core.arrays import Array
else:
    shapely = later("shapely")

#: Longitudes and latitudes: what GeoJSON is in that names no CRS (RFC 7946, section 4).
GEOJSON_CRS = "OGC:CRS84"
#: A layer of geometries called so may have polygons in it.
AREAL = ("Polygon", "Surface", "Unknown", "GeometryCollection")
#: Files that are read here; the others take a library.
JSON_ENDINGS = (".geojson", ".json")
#: A file of outlines of more bytes is not one that is laid over a raster.
LARGEST_JSON = 1 << 30
#: A straight edge is cut into pieces this share of the outline long before it is drawn in another CRS.
PIECE = 1 / 64


def geometries_of(mapping: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Yield the geometries of a GeoJSON object: a geometry, a feature, or a collection of them.

    Raises
    ------
    ValueError
        It is no such object.

    Examples
    --------
    >>> feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [0, 1]}}
    >>> [each["type"] for each in geometries_of({"type": "FeatureCollection", "features": [feature]})]
    ['Point']

    """
    kind = mapping.get("type")
    if kind == "FeatureCollection":
        features = mapping.get("features")
        for feature in features if isinstance(features, Sequence) else ():
            if isinstance(feature, Mapping):
                yield from geometries_of(feature)
    elif kind == "Feature":
        geometry = mapping.get("geometry")
        if isinstance(geometry, Mapping):
            yield geometry
    elif isinstance(kind, str):
        yield mapping
    else:
        raise ValueError(f"a mapping with the keys {', '.join(map(repr, mapping)) or 'none'} is no GeoJSON")


def outline_of_json(mapping: Mapping[str, object]) -> shapely.Geometry:
    """Return the polygons of a GeoJSON object as one.

    Raises
    ------
    ValueError
        It is no GeoJSON, or has no polygon.

    """
    try:
        shapes = [shapely.geometry.shape(dict(each)) for each in geometries_of(mapping)]
    except (shapely.errors.ShapelyError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise ValueError(f"a geometry of the GeoJSON cannot be made: {told(error)}") from error
    return outline(shapes)


def outline(shapes: Sequence[shapely.Geometry]) -> shapely.Geometry:
    """Return polygons as one; what crosses itself is mended.

    Raises
    ------
    ValueError
        There is none, or none that takes in anything, or its coordinates are not finite.

    Examples
    --------
    >>> outline([shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)]).bounds
    (0.0, 0.0, 2.0, 1.0)

    """
    parts = shapely.get_parts([shapely.force_2d(shape) for shape in shapes])
    found = [part for part in shapely.get_parts(shapely.make_valid(parts)) if part.area > 0]
    kinds = sorted({type(shape).__name__ for shape in shapes})
    if not found:
        raise ValueError(
            f"the region has no area: it is made of {', '.join(kinds) or 'nothing'}, and no polygon"
        )
    joined = shapely.union_all(found)
    if not np.isfinite(shapely.bounds(joined)).all():
        raise ValueError(f"coordinates of the region are not finite: its bounds are {shapely.bounds(joined)}")
    return joined


def read_outline(path: str | os.PathLike[str]) -> tuple[shapely.Geometry, str | None]:
    """Return the polygons of a vector file as one, and their CRS where it is known.

    GeoJSON is read here, all that GDAL knows (GeoPackage, Shapefile, FlatGeobuf) by pyogrio.

    Raises
    ------
    SourceError
        It cannot be read, or has several layers of polygons.
    ValueError
        It has no polygon.
    MissingExtraError
        It takes pyogrio, which is not there.

    """
    place = Path(path)
    if place.suffix.lower() in JSON_ENDINGS:
        return _read_json(place)
    if not place.exists():
        raise SourceError(f"there is no vector file {place}: a region may also be four numbers or a geometry")
    raw, errors = load("pyogrio.raw"), load("pyogrio.errors")
    try:
        meta, _, shapes, _ = raw.read(str(place), layer=_layer_of(place), columns=[])
    except (errors.DataSourceError, errors.DataLayerError, ValueError) as error:
        raise SourceError(f"cannot read the vector file {place}: {told(error)}") from error
    known = [] if shapes is None else [shape for shape in shapely.from_wkb(shapes) if shape is not None]
    return outline(known), meta["crs"]


def _layer_of(place: Path) -> str | None:
    """Return the name of the layer that may have polygons, ``None`` where none says so.

    Raises
    ------
    SourceError
        Several may.

    """
    layers = [(str(name), str(kind)) for name, kind in load("pyogrio").list_layers(str(place))]
    found = [name for name, kind in layers if any(word in kind for word in AREAL)]
    if len(found) > 1:
        raise SourceError(
            f"the vector file {place} has {len(found)} layers that may hold polygons, {', '.join(found)}: "
            f"write the one that is meant into a file of its own, or pass geopandas.read_file(path, layer="
            f"{found[0]!r})"
        )
    return found[0] if found else None


def _read_json(place: Path) -> tuple[shapely.Geometry, str]:
    try:
        if place.stat().st_size > LARGEST_JSON:
            raise SourceError(
                f"the vector file {place} has {place.stat().st_size:,} bytes: simplify it first"
            )
        said = json.loads(place.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"cannot read the vector file {place}: {told(error)}") from error
    if not isinstance(said, dict):
        raise SourceError(f"the vector file {place} is no GeoJSON: it has a {type(said).__name__}")
    try:
        return outline_of_json(said), crs_of_json(said) or GEOJSON_CRS
    except ValueError as error:
        raise SourceError(f"cannot use the vector file {place}: {error}") from error


def crs_of_json(said: Mapping[str, object]) -> str | None:
    """Return the CRS that GeoJSON of before 2016 names, ``None`` where it names none.

    Raises
    ------
    ValueError
        It has one without a name.

    Examples
    --------
    >>> crs_of_json({"type": "FeatureCollection", "crs": {"properties": {"name": "EPSG:3857"}}})
    'EPSG:3857'

    """
    match said.get("crs"):
        case {"properties": {"name": str(name)}}:
            return name
        case None:
            return None
        case other:
            raise ValueError(f"its crs {str(other)[:100]} has no name")


def in_crs(shape: shapely.Geometry, crs: object, other: str | None) -> shapely.Geometry:
    """Return an outline in another CRS; long edges are bent as they are there.

    Raises
    ------
    ValueError
        One of them is none, or not known, or the outline cannot be drawn in the other.

    """
    change = _change(crs, other)
    if change is None:
        return shape
    left, bottom, right, top = map(float, shapely.bounds(shape))
    bent = shapely.segmentize(shape, max(right - left, top - bottom) * PIECE)
    moved = shapely.transform(bent, lambda points: np.stack(change.transform(*points.T), axis=1))
    _require_drawn(map(float, shapely.bounds(moved)), (left, bottom, right, top), change)
    corners, ring = shapely.get_coordinates(shapely.get_rings(shapely.get_parts(bent)), return_index=True)
    joined = ring[1:] == ring[:-1]
    _require_in_one_piece(corners[:-1][joined], corners[1:][joined], (left, bottom, right, top), change)
    drawn = outline([moved])
    parts = shapely.get_parts(shape)
    within = shapely.point_on_surface(parts[np.argmax(shapely.area(parts))])
    if not shapely.intersects_xy(
        drawn, *change.transform(within.x, within.y)
    ):  # what is within lies around it
        _refuse((left, bottom, right, top), change)
    return drawn


def bounds_in_crs(
    bounds: tuple[float, float, float, float], crs: object, other: object
) -> tuple[float, float, float, float]:
    """Return the bounds in another CRS of a rectangle: those of its edges, which are bent there.

    Raises
    ------
    ValueError
        One of them is none, or not known, or the rectangle cannot be drawn in the other.

    Examples
    --------
    >>> bounds_in_crs((0, 0, 1, 1), "EPSG:4326", "EPSG:4326")
    (0, 0, 1, 1)

    """
    change = _change(crs, other)
    if change is None:
        return bounds
    left, bottom, right, top = bounds
    piece = max(right - left, top - bottom) * PIECE
    across, up = (
        np.linspace(lo, hi, math.ceil((hi - lo) / piece) + 1) for lo, hi in ((left, right), (bottom, top))
    )
    x = np.concatenate([across, np.full_like(up, right), across[::-1], np.full_like(up, left)])
    y = np.concatenate([np.full_like(across, bottom), up, np.full_like(across, top), up[::-1]])
    moved_x, moved_y = change.transform(x, y)
    west, east, south, north = map(float, (moved_x.min(), moved_x.max(), moved_y.min(), moved_y.max()))
    _require_drawn((west, south, east, north), bounds, change)
    ring = np.stack([x, y], axis=1)
    _require_in_one_piece(ring[:-1], ring[1:], bounds, change)
    return west, south, east, north


def cut_to(shape: shapely.Geometry, bounds: tuple[float, float, float, float]) -> shapely.Geometry:
    """Return what of an outline lies in bounds, or all of it where nothing does.

    >>> cut_to(shapely.box(0, 0, 9, 9), (1, 1, 3, 4)).bounds
    (1.0, 1.0, 3.0, 4.0)
    >>> cut_to(shapely.box(0, 0, 1, 1), (2, 2, 3, 3)).bounds
    (0.0, 0.0, 1.0, 1.0)
    """
    window = shapely.box(*bounds)
    if shapely.covers(window, shapely.box(*shapely.bounds(shape))):
        return shape
    part = shapely.intersection(shape, window)
    return outline([part]) if part.area > 0 else shape


def _change(crs: object, other: object) -> Transformer | None:
    """Return what brings coordinates of one CRS into another, ``None`` where they are the same."""
    pyproj = load("pyproj")
    errors = load("pyproj.exceptions")
    if other is None:
        raise ValueError(
            f"the raster has no CRS, so a region in {crs} cannot be laid over it: leave its CRS out"
        )
    try:
        here, there = pyproj.CRS.from_user_input(crs), pyproj.CRS.from_user_input(other)
        if here.equals(there, ignore_axis_order=True):
            return None
        change: Transformer = pyproj.Transformer.from_crs(here, there, always_xy=True)
    except errors.ProjError as error:
        raise ValueError(
            f"the region's CRS {crs!r} is none that pyproj knows: {told(error)}; give one that it does, such "
            f'as "EPSG:4326", or its WKT (region_crs=)'
        ) from error
    return change


def _require_drawn(moved: Iterable[float], given: tuple[float, ...], change: Transformer) -> None:
    if not np.isfinite(list(moved)).all():
        here, there = _names(change)
        raise ValueError(f"the region, {given} in {here}, cannot be drawn in {there}")


def _names(change: Transformer) -> tuple[str, str]:
    """Return what both CRS are called; pyproj adds to a name which axis it puts first."""
    here, there = (
        crs.name.partition(" (with axis order")[0] if crs else ""
        for crs in (change.source_crs, change.target_crs)
    )
    return here, there


def _require_in_one_piece(starts: Array, ends: Array, given: tuple[float, ...], change: Transformer) -> None:
    """Refuse an outline that another CRS tears apart: over the antimeridian or around a pole.

    Pieces of its edges run from ``starts`` to ``ends``, ``(n, 2)``.

    Raises
    ------
    ValueError
        It is torn apart.

    """

    def drawn(points: Array) -> Array:
        return np.stack(change.transform(*points.T), axis=1)

    if torn(starts, ends, drawn(starts), drawn(ends), drawn):
        _refuse(given, change)


def _refuse(given: tuple[float, ...], change: Transformer) -> NoReturn:
    """Raise what says that an outline makes no sense in another CRS."""
    here, there = _names(change)
    raise ValueError(
        f"the region, {given} in {here}, goes over the antimeridian or around a pole, where {there} ends: "
        f"give a polygon for each side, in the CRS of the raster"
    )


def is_in_degrees(crs: object) -> bool:
    """Return whether coordinates are longitudes and latitudes; of a CRS that is not known they are not."""
    pyproj = load("pyproj")
    errors = load("pyproj.exceptions")
    try:
        return bool(pyproj.CRS.from_user_input(crs).is_geographic)
    except errors.ProjError:
        return False
