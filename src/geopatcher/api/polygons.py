"""From a map of classes to polygons in a vector file: `polygons`, in bounded memory."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, SupportsFloat, TypeAlias

import numpy as np

from geopatcher._optional import later
from geopatcher.api.result import Reconstruction
from geopatcher.core.box import Box
from geopatcher.engine.progress import reporting
from geopatcher.errors import SourceError
from geopatcher.errors.redaction import shown
from geopatcher.features.outlines import Strip, outlined
from geopatcher.features.vector_files import Features, require_named_crs, require_place, write_features
from geopatcher.fields.open import as_field
from geopatcher.formats.local_files import is_elsewhere, is_here
from geopatcher.inspect.arrays import RESULT, is_store, result_rasters
from geopatcher.inspect.levels import raster_of
from geopatcher.planning.memory import parse_bytes
from geopatcher.targets.replacing import require_apart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import shapely
    from numpy.typing import NDArray

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array
    from geopatcher.engine.progress import Advance
    from geopatcher.features.outlines import Connectivity, Outlined
    from geopatcher.inspect.levels import Raster
else:
    shapely = later("shapely")

#: What is traced: what `reconstruct` returned, or the path of a result or of any raster.
ClassMap: TypeAlias = "Reconstruction | str | os.PathLike[str]"
#: Columns of the file where nobody says it; the second only where the result has such a layer.
USUAL = ("class", "confidence")
#: Bytes for a cell of a strip: as it is read and as a number, which area it is of, and GDAL's own.
CELL_BYTES, MEASURE_BYTES = 128, 32
#: What an area may fall short of ``min_area`` by rounding, as a share of it.
ROUNDING = 1e-9
#: A value in a text.
WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
#: What to do about a raster that is no map of classes.
NO_CLASSES = (
    "polygons are of classes, which are whole numbers: make them with outputs='class', or by an operator "
    "that gives each cell one, such as np.rint"
)
#: Features that are written at once.
AT_ONCE = 2_000
#: The largest integer whose neighbours are floats, too: one that is read as 2**53 may have been the next.
LARGEST = 2**53 - 1


def polygons(
    result: ClassMap,
    out: str | os.PathLike[str],
    *,
    classes: Iterable[int | str] | None = None,
    min_area: float | None = None,
    simplify: float | None = None,
    connectivity: Connectivity = 4,
    properties: Sequence[str] = USUAL,
    memory_limit: int | str = "256MiB",
    progress: bool | Advance | None = None,
    overwrite: bool = False,
) -> Path:
    """Draw the areas of a map of classes as polygons, into a vector file.

    The raster is traced in strips of rows over its whole width; what touches across strips is one polygon,
    the same as if the raster had been traced whole. Memory holds a strip and the polygons that reach its
    last row. Needs the extra ``vector``.

    Parameters
    ----------
    result
        What `reconstruct` returned, or the path of a result or of any raster: one band of whole numbers.
        Cells without data are of no polygon.
    out
        Ends in ``.gpkg``, ``.fgb``, ``.geojson`` or ``.parquet`` (GeoParquet). Coordinates are in the CRS of
        the raster; GeoJSON can only be of one that has a code, such as ``EPSG:32633``, and of a raster
        without a CRS others take it for longitudes and latitudes.
    classes
        Values, or names where the raster has names, to draw; all by default. A text such as ``"2020"`` is a
        name where there is such a one, else a value.
    min_area
        Leave out what is smaller, in square units of the CRS.
    simplify
        Leave out corners, in units of the CRS: those whose triangle has an area below the square of this.
        Neighbours keep the same border, without gaps or overlaps, see `shapely.coverage_simplify`. All
        polygons are held in memory for that.
    connectivity
        8 when cells that meet at a corner belong to one polygon, which is a multipolygon then; 4 by default.
    properties
        Columns: ``"class"`` is the value, with its ``name`` where the raster has names; others are layers
        of the result, such as ``"confidence"``, whose mean over each polygon is written. By default
        these two, the second where there is such a layer.
    memory_limit
        Bytes for a strip, or a text such as ``"256MiB"``, the default.
    progress
        ``True`` draws a bar on stderr, ``False`` none, ``None`` (by default) one where stderr is a terminal;
        a function hears how many rows were done since its last call.
    overwrite
        Replace a file that is there; by default that is refused.

    Returns
    -------
    pathlib.Path
        ``out``.

    Raises
    ------
    SourceError
        The raster cannot be read, has several bands, no transform but is tied to the ground in another way,
        or values that are no whole numbers.
    TypeError
        ``result`` is neither, or ``classes`` is no list.
    ValueError
        There is no such class or layer, the ending is not known, or a number is less than 0.
    TargetExistsError
        Something is at ``out`` and ``overwrite`` is not set.
    TargetError
        It cannot be written, it is the raster that is traced, or the ledger beside the result is damaged.
    UnsupportedTargetError
        It is GeoJSON, which cannot name the CRS of the raster.
    MissingExtraError
        pyogrio or pyarrow is not installed.

    Examples
    --------
    >>> import tempfile, numpy as np, geopatcher
    >>> made = geopatcher.reconstruct(np.kron(np.eye(3), np.ones((8, 8))).astype("uint8"), np.copy, size=8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = geopatcher.polygons(made, f"{folder}/fields.gpkg", classes=[1])
    ...     print(path.name)
    fields.gpkg

    """
    require_place(out, overwrite=overwrite)
    if connectivity not in (4, 8):
        raise ValueError(f"connectivity is 4 or 8, not {connectivity!r}")
    _require_numbers({"min_area": min_area, "simplify": simplify})
    rasters = _rasters(result, Path(out))
    source = _ClassRaster.of(_named(result), rasters, _wanted(properties, rasters))
    require_named_crs(out, source.domain.crs)
    drawing = _Drawing(source, source.values_of(classes), min_area, simplify, connectivity)
    rows = max(1, parse_bytes(memory_limit) // source.bytes_of_a_row)
    with reporting(progress, source.domain.height, "rows") as advance:
        write_features(
            out,
            drawing.features(rows, advance),
            source.kinds,
            geometry="Polygon" if connectivity == 4 else "MultiPolygon",
            crs=source.domain.crs,
            overwrite=overwrite,
        )
    return Path(out)


def _require_numbers(given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if value is not None and not (isinstance(value, SupportsFloat) and 0 <= float(value) < math.inf):
            raise ValueError(f"{name}={value!r} is no number from 0")


def _named(result: ClassMap) -> str:
    """Return what messages call a result."""
    place = result.path if isinstance(result, Reconstruction) else result
    return "the result" if place is None else shown(os.fspath(place))


def _rasters(result: ClassMap, out: Path) -> Mapping[str, Raster]:
    """Open what is traced; refuse to write over it."""
    if isinstance(result, Reconstruction):
        return result.rasters()
    if not isinstance(result, str | os.PathLike):
        raise TypeError(
            f"polygons are drawn of what reconstruct returned or of a path, not of a "
            f"{type(result).__name__}: give geopatcher.reconstruct(it, np.copy), or write it first"
        )
    name = os.fspath(result)
    if is_elsewhere(name):
        return {RESULT: raster_of(as_field(name).source)}
    if not is_here(name):
        raise SourceError(f"there is no raster {shown(name)} (working directory: {Path.cwd()})")
    if out.exists() and not is_store(Path(name)):
        require_apart(as_field(name).source, [out])
    return result_rasters(Path(name))


def _wanted(properties: Sequence[str], rasters: Mapping[str, Raster]) -> tuple[str, ...]:
    """Return the columns; refuse layers that are not there, but for the one of the default."""
    known = [name for name in rasters if name != RESULT]
    if tuple(properties) == USUAL:
        return tuple(name for name in USUAL if name == "class" or name in known)
    unknown = [name for name in properties if name != "class" and name not in known]
    if unknown:
        raise ValueError(
            f"there is no layer {unknown[0]!r} to take means of: properties are 'class'"
            + "".join(f", {name!r}" for name in known)
        )
    return tuple(properties)


@dataclass(frozen=True)
class _ClassRaster:
    """A band of classes, and the layers whose means are wanted."""

    name: str
    raster: Raster
    columns: tuple[str, ...]
    measures: Mapping[str, Raster]
    names: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, rasters: Mapping[str, Raster], columns: tuple[str, ...]) -> _ClassRaster:
        raster = rasters[RESULT]
        domain = raster.domain
        if domain.n_bands != 1:
            raise SourceError(
                f"{name} has {domain.n_bands} bands; a map of classes has one: make it with "
                f"outputs='class', or copy a band with geopatcher.export"
            )
        if domain.is_tied:
            raise SourceError(f"{name} has no transform, so polygons have no place: warp it first")
        if domain.dtype.kind == "c":
            raise SourceError(f"{name} holds {domain.dtype} numbers, and {NO_CLASSES}")
        bands = domain.metadata.bands
        named = dict(bands[0].classes) if bands else {}
        measures = {column: rasters[column] for column in columns if column != "class"}
        return cls(name, raster, columns, measures, named)

    @property
    def domain(self) -> RasterDomain:
        """Grid and CRS."""
        return self.raster.domain

    @property
    def kinds(self) -> dict[str, np.dtype]:
        """The columns of the file."""
        kinds: dict[str, np.dtype] = {}
        for name in self.columns:
            kinds[name] = np.dtype("int64" if name == "class" else "float64")
            if name == "class" and self.names:
                kinds["name"] = np.dtype(object)
        return kinds

    @property
    def bytes_of_a_row(self) -> int:
        """What a row of a strip takes."""
        return self.domain.width * (CELL_BYTES + MEASURE_BYTES * len(self.measures))

    def values_of(self, classes: Iterable[int | str] | None) -> NDArray[np.int64] | None:
        """Return the values of classes by value or name; ``None`` is all."""
        if classes is None:
            return None
        if isinstance(classes, str) or not isinstance(classes, Iterable):
            raise TypeError(f"classes={classes!r} is no list of values or names: give [{classes!r}]")
        values: list[int] = []
        for one in classes:
            # Two may be called alike.
            values += [value for value, name in self.names.items() if name == one] or [self._value_of(one)]
        return np.array(values, np.int64)

    def _value_of(self, one: object) -> int:
        """Return the value of a class that is none of the names; it may be a text of digits."""
        if isinstance(one, str) and WHOLE.fullmatch(one):
            one = int(one)
        if not isinstance(one, SupportsFloat):
            known = ", ".join(map(repr, dict.fromkeys(self.names.values()))) or "none: give values"
            raise ValueError(f"there is no class {one!r}: {self.name} names {known}")  # noqa: TRY004
        number = float(one)
        if not (number.is_integer() and abs(number) <= LARGEST):
            raise ValueError(f"classes are whole numbers below 2**53, and {one!r} is none")
        return int(number)

    def strip(self, box: Box, wanted: NDArray[np.int64] | None) -> Strip:
        """Read the rows of a strip."""
        cells = self.raster.read(box, [0])[0]
        known = np.isfinite(cells)
        values = np.where(known, cells, 0)
        broken = values != np.floor(values)
        if broken.any():
            raise SourceError(f"{self.name} holds {values[broken][0]} in {box}, and {NO_CLASSES}")
        large = (values > LARGEST) | (values < -LARGEST)  # the lowest integer has no absolute value
        if large.any():
            raise SourceError(
                f"{self.name} holds {values[large][0]:.0f} in {box}: numbers from 2**53 on are not read "
                f"exactly, so give classes smaller ones"
            )
        whole = values.astype(np.int64)
        if wanted is not None:
            known &= np.isin(whole, wanted)
        measures = {name: raster.read(box, [0])[0] for name, raster in self.measures.items()}
        return Strip(box.row0, whole, known, measures)


@dataclass(frozen=True)
class _Drawing:
    """What is drawn of a raster, and how."""

    source: _ClassRaster
    wanted: NDArray[np.int64] | None
    min_area: float | None
    simplify: float | None
    connectivity: Connectivity

    def features(self, rows: int, advance: Advance) -> Iterator[Features]:
        """Yield the polygons in batches, from strips of so many rows."""
        least = 0.0 if self.min_area is None else self.min_area / self._cell_area * (1 - ROUNDING)
        made: list[Outlined] = []
        for area in outlined(self._strips(rows, advance), self.connectivity):
            if area.n_cells >= least:
                made.append(area)
            if self.simplify is None and len(made) == AT_ONCE:
                yield self._drawn(made)
                made = []
        if made:
            yield self._drawn(made)

    @property
    def _cell_area(self) -> float:
        transform = self.source.domain.transform
        return abs(transform.a * transform.e - transform.b * transform.d)

    def _strips(self, rows: int, advance: Advance) -> Iterator[Strip]:
        height, width = self.source.domain.grid_shape
        block = self.source.raster.block_shape[0]
        aligned = rows // block * block or rows
        for box in Box.of_shape((height, width)).tiles((aligned, width)):
            yield self.source.strip(box, self.wanted)
            advance(box.height)

    def _drawn(self, areas: Sequence[Outlined]) -> Features:
        shapes = np.array([area.outline for area in areas], object)
        if self.simplify is not None:
            # What is left out depends on where rings begin and which polygon is first, as strips do not.
            order = _from_the_top(shapes)
            areas, shapes = [areas[number] for number in order.tolist()], shapely.normalize(shapes[order])
            # Neighbours have to share their corners: one for each cell along an edge.
            dense = shapely.transform(shapely.segmentize(shapes, 1.0), np.rint)
            placed = self._on_the_ground(dense)
            shapes = shapely.coverage_simplify(placed, self.simplify)
        else:
            shapes = self._on_the_ground(shapes)
        if self.connectivity == 8:
            shapes = np.array([shapely.multipolygons(shapely.get_parts(shape)) for shape in shapes], object)
        columns: dict[str, Array] = {name: self._column(name, areas) for name in self.source.kinds}
        return Features(shapes, columns)

    def _on_the_ground(self, shapes: Array) -> Array:
        at = self.source.domain.transform

        def placed(points: NDArray[np.float64]) -> NDArray[np.float64]:
            x, y = points.T
            return np.stack([at.a * x + at.b * y + at.c, at.d * x + at.e * y + at.f], axis=1)

        moved: Array = shapely.transform(shapes, placed)
        return moved

    def _column(self, name: str, areas: Sequence[Outlined]) -> Array:
        if name == "class":
            return np.array([area.value for area in areas], np.int64)
        if name == "name" and self.source.names:
            names = self.source.names
            return np.array([names.get(area.value, str(area.value)) for area in areas], object)
        return np.array([area.mean(name) for area in areas], np.float64)


def _from_the_top(shapes: Array) -> NDArray[np.intp]:
    """Return the order of areas of cells by the first cell of each, row after row: no two have the same."""
    points, owners = shapely.get_coordinates(shapes, return_index=True)
    ordered = np.lexsort((points[:, 0], points[:, 1], owners))
    _, firsts = np.unique(owners[ordered], return_index=True)
    corners = points[ordered][firsts]
    order: NDArray[np.intp] = np.lexsort((corners[:, 0], corners[:, 1]))
    return order
