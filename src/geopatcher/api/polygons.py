"""From a map of classes to polygons in a vector file: `polygons`, in bounded memory."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from geopatcher._optional import later
from geopatcher.api.result import Reconstruction
from geopatcher.core.box import Box
from geopatcher.engine.progress import reporting
from geopatcher.errors import SourceError
from geopatcher.errors.redaction import shown
from geopatcher.features.outlines import Strip, outlined
from geopatcher.features.vector_files import Features, driver_of, write_features
from geopatcher.fields.open import as_field
from geopatcher.formats.local_files import is_elsewhere, is_here
from geopatcher.inspect.arrays import RESULT, result_rasters
from geopatcher.inspect.levels import raster_of
from geopatcher.planning.memory import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
#: Features that are written at once.
AT_ONCE = 2_000
#: Integers of floats are exact up to here.
LARGEST = 2**53


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
        the raster.
    classes
        Values, or names where the raster has names, to draw; all by default.
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
        The raster cannot be read, has several bands, or values that are no whole numbers.
    ValueError
        There is no such class or layer, the ending is not known, or a number is less than 0.
    TargetExistsError
        Something is at ``out`` and ``overwrite`` is not set.
    TargetError
        It cannot be written, or the ledger beside the result is damaged.
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
    driver_of(out)
    if connectivity not in (4, 8):
        raise ValueError(f"connectivity is 4 or 8, not {connectivity!r}")
    for name, value in (("min_area", min_area), ("simplify", simplify)):
        if value is not None and not 0 <= value < math.inf:
            raise ValueError(f"{name}={value!r} is no number from 0")
    rasters = _rasters(result)
    source = _ClassRaster.of(rasters, _wanted(properties, rasters))
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


def _rasters(result: ClassMap) -> Mapping[str, Raster]:
    if isinstance(result, Reconstruction):
        return result.rasters()
    name = os.fspath(result)
    if is_elsewhere(name):
        return {RESULT: raster_of(as_field(name).source)}
    if not is_here(name):
        raise SourceError(f"there is no raster {shown(name)} (working directory: {Path.cwd()})")
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

    raster: Raster
    columns: tuple[str, ...]
    measures: Mapping[str, Raster]
    names: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rasters: Mapping[str, Raster], columns: tuple[str, ...]) -> _ClassRaster:
        raster = rasters[RESULT]
        domain = raster.domain
        if domain.n_bands != 1:
            raise SourceError(
                f"the raster has {domain.n_bands} bands; a map of classes has one: make it with "
                f"outputs='class', or copy a band with geopatcher.export"
            )
        bands = domain.metadata.bands
        named = dict(bands[0].classes) if bands else {}
        measures = {name: rasters[name] for name in columns if name != "class"}
        return cls(raster, columns, measures, named)

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
        by_name, listed = {name: value for value, name in self.names.items()}, [*classes]
        picked = [by_name.get(one) if isinstance(one, str) else one for one in listed]
        unknown = [one for one, value in zip(listed, picked, strict=True) if value is None]
        if unknown:
            known = ", ".join(map(repr, by_name)) or "none: give values"
            raise ValueError(f"there is no class {unknown[0]!r}: the raster names {known}")
        whole = [int(one) for one in picked if one is not None and abs(one) <= LARGEST and one == int(one)]
        if whole != picked:
            broken = next(one for one in picked if one not in whole)
            raise ValueError(f"classes are whole numbers up to 2**53, and {broken!r} is none")
        return np.array(whole, np.int64)

    def strip(self, box: Box, wanted: NDArray[np.int64] | None) -> Strip:
        """Read the rows of a strip."""
        cells = self.raster.read(box, [0])[0]
        known = np.isfinite(cells)
        values = np.where(known, cells, 0)
        if (values != np.floor(values)).any():
            raise SourceError(
                f"the raster holds values that are no whole numbers in {box}: polygons are of classes"
            )
        large = (values > LARGEST) | (values < -LARGEST)  # the lowest integer has no absolute value
        if large.any():
            raise SourceError(
                f"the raster holds {values[large][0]:.0f} in {box}: numbers beyond 2**53 are not read "
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
        made: list[Outlined] = []
        for area in outlined(self._strips(rows, advance), self.connectivity):
            if self.min_area is None or area.n_cells * self._cell_area >= self.min_area:
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
