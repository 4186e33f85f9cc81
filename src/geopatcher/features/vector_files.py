"""Vector files, written in one stream: GeoPackage, FlatGeobuf and GeoJSON by GDAL, GeoParquet by Arrow."""

from __future__ import annotations

import io
import json
import os
import tempfile
import warnings
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geopatcher._optional import later, load, require
from geopatcher.core.containment import told
from geopatcher.errors import TargetError, TargetExistsError, UnsupportedTargetError
from geopatcher.formats.vectors import GEOJSON_CRS
from geopatcher.targets.places import local_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    import pyarrow as pa
    import shapely

    from geopatcher.core.protocols import Array
else:
    shapely = later("shapely")

#: Endings of the files that can be written, and GDAL's names of their formats.
DRIVERS = {".gpkg": "GPKG", ".fgb": "FlatGeobuf", ".geojson": "GeoJSON", ".parquet": "GeoParquet"}
GEOMETRY = "geometry"


@dataclass(frozen=True)
class Features:
    """Some features: their shapes, all of one kind, and their columns, of one length."""

    shapes: Array
    columns: Mapping[str, Array]


def driver_of(path: str | os.PathLike[str]) -> str:
    """Return the name of the format of a file that can be written here.

    Raises
    ------
    MissingExtraError
        Libraries that write it are not installed.
    ValueError
        Its ending is none of those that can be written.
    UnsupportedTargetError
        It is an address, such as ``s3://bucket/fields.gpkg``.

    Examples
    --------
    >>> driver_of("fields.gpkg")
    'GPKG'

    """
    ending = local_place(path).suffix.lower()
    if ending not in DRIVERS:
        raise ValueError(f"{os.fspath(path)} is no vector file to write: end it in {', '.join(DRIVERS)}")
    require("shapely", "pyarrow", "pyogrio")
    return DRIVERS[ending]


def require_place(path: str | os.PathLike[str], *, overwrite: bool) -> str:
    """Refuse a place where no file can be written, before anything is computed; return its format.

    Raises
    ------
    TargetExistsError
        There is such a file, and ``overwrite`` is not set.
    TargetError
        It is a folder, or its folder is missing.
    MissingExtraError, ValueError, UnsupportedTargetError
        As `driver_of`.

    """
    place, driver = Path(path), driver_of(path)
    if place.is_dir():
        raise TargetError(f"{place} is a folder, where a file is to be: take another name")
    if place.exists() and not overwrite:
        raise TargetExistsError(f"{place} exists: pass overwrite=True to replace it, or take another name")
    if not place.parent.is_dir():
        raise TargetError(f"there is no folder {place.parent} for {place.name}: make it first")
    return driver


def require_named_crs(path: str | os.PathLike[str], crs: str | None) -> None:
    """Refuse GeoJSON in a CRS that it cannot name: it would be read as longitudes and latitudes.

    GDAL is asked for a file without features, and what it says of the CRS.

    Raises
    ------
    UnsupportedTargetError
        Says which formats do.
    MissingExtraError, ValueError
        As `driver_of`.

    """
    if driver_of(path) != "GeoJSON" or crs is None:
        return
    arrow, pyproj, pyogrio = load("pyarrow"), load("pyproj"), load("pyogrio")
    wanted, empty = pyproj.CRS.from_user_input(crs), io.BytesIO()
    table = arrow.schema([(GEOMETRY, arrow.binary())]).empty_table()
    pyogrio.write_arrow(
        table, empty, driver="GeoJSON", geometry_name=GEOMETRY, geometry_type="Point", crs=crs
    )
    said = json.loads(empty.getvalue())
    usual = pyproj.CRS.from_user_input(GEOJSON_CRS)
    if "crs" not in said and not wanted.equals(usual, ignore_axis_order=True):
        raise UnsupportedTargetError(
            f"{os.fspath(path)}: GeoJSON names a CRS by its code, and {wanted.name!r} has none, so that what "
            f"is written would be taken for longitudes and latitudes: end it in .gpkg, .fgb or .parquet"
        )


def write_features(
    path: str | os.PathLike[str],
    batches: Iterable[Features],
    kinds: Mapping[str, np.dtype],
    *,
    geometry: str,
    crs: str | None,
    overwrite: bool = False,
) -> None:
    """Write features as they come; the file appears when it is complete.

    Parameters
    ----------
    path
        Its ending says the format: see `DRIVERS`.
    batches
        The features.
    kinds
        The columns, and the dtype of each; ``object`` for text.
    geometry
        What all shapes are: ``"Polygon"``, ``"MultiPolygon"``, ``"Point"``.
    crs
        Theirs, as WKT or ``"EPSG:..."``.
    overwrite
        Replace a file that is there.

    Raises
    ------
    TargetExistsError
        There is such a file.
    TargetError
        It cannot be written.
    UnsupportedTargetError
        It is GeoJSON, which cannot name the CRS.
    MissingExtraError
        pyogrio or pyarrow is not there.

    """
    place, driver = Path(path), require_place(path, overwrite=overwrite)
    require_named_crs(place, crs)
    arrow = load("pyarrow")
    columns = [(name, _arrow_type(kind)) for name, kind in kinds.items()]
    schema = arrow.schema([(GEOMETRY, arrow.binary()), *columns])
    with _beside(place) as part:
        stream = _Stream(batches, schema)
        if driver == "GeoParquet":
            _write_parquet(part, stream, geometry, crs)
        else:
            _write_by_gdal(part, stream, driver, geometry, crs)


@contextmanager
def _beside(place: Path) -> Iterator[Path]:
    """Give a file of the same ending to write; it takes the place when nothing went wrong."""
    with _refusing(place):
        made = tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent)
    with made as folder:
        part = Path(folder) / place.name
        yield part
        with _refusing(place):
            with part.open("rb+") as written:
                os.fsync(written.fileno())
            part.replace(place)


@contextmanager
def _refusing(place: Path) -> Iterator[None]:
    """Say of what the disk refuses which file it was for."""
    try:
        yield
    except OSError as error:
        raise TargetError(f"cannot write {place}: {told(error)}") from error


def _arrow_type(kind: np.dtype) -> pa.DataType:
    arrow = load("pyarrow")
    return arrow.string() if kind.kind == "O" else arrow.from_numpy_dtype(kind)


class _Stream:
    """Batches for Arrow, which would hide what goes wrong as they are made."""

    def __init__(self, batches: Iterable[Features], schema: pa.Schema) -> None:
        self._batches, self.schema = batches, schema
        self.fault: BaseException | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        arrow = load("pyarrow")
        try:
            for batch in self._batches:
                wkb = arrow.array(shapely.to_wkb(batch.shapes), arrow.binary())
                columns = [
                    arrow.array(batch.columns[column.name], column.type, from_pandas=True)
                    for column in list(self.schema)[1:]
                ]
                yield arrow.record_batch([wkb, *columns], schema=self.schema)
        except GeneratorExit:  # whoever writes them wants no more
            raise
        except BaseException as error:
            self.fault = error
            raise


def _write_by_gdal(part: Path, stream: _Stream, driver: str, geometry: str, crs: str | None) -> None:
    arrow, pyogrio, errors = load("pyarrow"), load("pyogrio"), load("pyogrio.errors")
    reader = arrow.RecordBatchReader.from_batches(stream.schema, iter(stream))
    try:
        with closing(reader), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "'crs' was not provided")  # a raster need not have one
            pyogrio.write_arrow(
                reader,
                part,
                layer=part.stem,
                driver=driver,
                geometry_name=GEOMETRY,
                geometry_type=geometry,
                crs=crs,
            )
    except (errors.DataSourceError, errors.DataLayerError, ValueError, RuntimeError, OSError) as error:
        if stream.fault is not None:
            raise stream.fault from None
        raise TargetError(f"cannot write {part.name}: {told(error)}") from error
    if stream.fault is not None:
        raise stream.fault


def _write_parquet(part: Path, stream: _Stream, geometry: str, crs: str | None) -> None:
    """Write GeoParquet 1.1 (https://geoparquet.org/releases/v1.1.0/): shapes are WKB, metadata say how."""
    parquet = load("pyarrow.parquet")
    told_crs = None if crs is None else load("pyproj").CRS.from_user_input(crs).to_json_dict()
    column = {"encoding": "WKB", "geometry_types": [geometry], "crs": told_crs}
    said = {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
    schema = stream.schema.with_metadata({"geo": json.dumps(said)})
    try:
        with parquet.ParquetWriter(part, schema, compression="zstd") as writer:
            for batch in stream:
                writer.write_batch(batch)
    except OSError as error:
        if stream.fault is not None:
            raise
        raise TargetError(f"cannot write {part.name}: {told(error)}") from error
