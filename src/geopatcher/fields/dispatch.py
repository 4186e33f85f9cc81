"""From whatever a user has to a field."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from geopatcher.errors import SourceError
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.raster import GeoArray, RasterField
from geopatcher.protocols import Field

if TYPE_CHECKING:
    from geopatcher.protocols import Array

#: What the public verbs take as a source.
Source: TypeAlias = "Field | GeoArray | Array | str | os.PathLike[str]"


def as_field(source: Source) -> Field:
    """Return a field for a path or URL, an array, a GeoTensor or reader, or a field.

    Raises
    ------
    SourceError
        There is no such file, or it is not a raster.
    TypeError
        Nothing is known about objects of this type.

    """
    if isinstance(source, Field):
        return source
    if isinstance(source, str | os.PathLike):
        text = os.fspath(source)
        if "://" not in text and not text.startswith("/vsi") and ":" not in text and not Path(text).exists():
            raise SourceError(f"there is no file {text} (working directory: {Path.cwd()})")
        return RasterField(text)
    if isinstance(source, GeoArray):
        return RasterField(source)
    if isinstance(source, np.ndarray):
        return RasterField(ArraySource.of(source))
    raise TypeError(
        f"a source is a path, an ndarray, a GeoTensor, a georeader reader, an xarray.DataArray or a Field, "
        f"not {type(source).__name__}"
    )
