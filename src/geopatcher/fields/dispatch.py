"""From whatever a user has to a field."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from geopatcher.errors import SourceError
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.labelled_grid import LabelledArray
from geopatcher.fields.plain_field import PlainField
from geopatcher.fields.raster import GeoArray, RasterField
from geopatcher.fields.xarray_field import ChunkedArray, DaskField, XarrayField
from geopatcher.protocols import Field, SourceField

if TYPE_CHECKING:
    from geopatcher.protocols import Array

#: What the public verbs take as a source.
Source: TypeAlias = "Field | GeoArray | LabelledArray | ChunkedArray | Array | str | os.PathLike[str]"


def as_field(source: Source) -> SourceField:
    """Return a field for a path or URL, an array, a GeoTensor or reader, or a field.

    Raises
    ------
    SourceError
        There is no such file, or it is not a raster.
    TypeError
        Nothing is known about objects of this type.

    """
    if isinstance(source, str | os.PathLike):
        return _opened(os.fspath(source))
    if isinstance(source, SourceField):
        return source
    if isinstance(source, Field):
        return PlainField.of(source)
    if isinstance(source, LabelledArray):
        return XarrayField(source)
    if isinstance(source, ChunkedArray):
        return DaskField(source)
    if isinstance(source, GeoArray | np.ndarray):
        return RasterField(source if isinstance(source, GeoArray) else ArraySource.of(source))
    raise TypeError(
        f"a source is a path, an ndarray, a GeoTensor, a georeader reader, an xarray.DataArray (of a Dataset "
        f"one variable), a Dask array or a Field, not {type(source).__name__}"
    )


def _opened(path: str) -> RasterField:
    """Return a field for a path or URL; GDAL's virtual paths and URLs are not looked for on disk."""
    elsewhere = "://" in path or path.startswith("/vsi") or ":" in path
    if not elsewhere and not Path(path).exists():
        raise SourceError(f"there is no file {path} (working directory: {Path.cwd()})")
    if Path(path).exists() and not (Path(path).is_file() or Path(path).is_dir()):
        raise SourceError(f"{path} is not a file but a pipe or a device, and opening it may never end")
    return RasterField(path)
