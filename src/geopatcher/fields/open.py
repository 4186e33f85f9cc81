"""From whatever a user has to a field."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np

from geopatcher.core.protocols import AsyncField, Field, PixelSource, SourceField
from geopatcher.core.typevars import D_co
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.async_field import AwaitedField
from geopatcher.fields.catalogued import Catalogued
from geopatcher.fields.dask_field import ChunkedArray, DaskField
from geopatcher.fields.declared import with_blocks
from geopatcher.fields.from_path import field_at
from geopatcher.fields.items_mosaic import mosaic_of_items
from geopatcher.fields.labelled import LabelledArray
from geopatcher.fields.mosaic import Mosaic, is_scene
from geopatcher.fields.plain_field import PlainField
from geopatcher.fields.raster import RasterField
from geopatcher.fields.reader_source import GeoArray
from geopatcher.fields.xarray_field import XarrayField
from geopatcher.fields.zarr_field import zarr_source
from geopatcher.fields.zarr_group import InSnapshot, Snapshot, ZarrGroup, ZarrNode, is_described

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from rasterio.windows import Window

    from geopatcher.core.protocols import Array
    from geopatcher.fields.mosaic import SceneLike


class Windowed(Protocol[D_co]):
    """What gives windows of itself by `read_from_window`: a reader, a GeoTensor."""

    def read_from_window(self, window: Window, boundless: bool) -> D_co:
        """Return a rectangle."""
        ...


class Labelled(Protocol[D_co]):
    """What gives parts of itself by the names of its dimensions: a `xarray.DataArray`."""

    @property
    def dims(self) -> tuple[Hashable, ...]:
        """The names."""
        ...

    def isel(self, indexers: Mapping[Hashable, slice | int], /) -> D_co:
        """Return a part."""
        ...


@runtime_checkable
class _Result(Protocol):
    """What a run gives back."""

    def to_xarray(self) -> object:
        """Return it as a source."""
        ...


#: Sources whose patches are of a type of their own.
Lending: TypeAlias = Field[D_co] | AsyncField[D_co] | Windowed[D_co] | Labelled[D_co]
#: Arrays, in memory or not, and groups that hold some.
Held: TypeAlias = "ChunkedArray | ZarrGroup | Array"
#: Sources whose patches are arrays; several scenes are a mosaic.
Arrays: TypeAlias = "PixelSource | Catalogued | Held | str | os.PathLike[str] | Sequence[SceneLike]"
#: What the public verbs take as a source.
Source: TypeAlias = "Lending[object] | Arrays"
#: One source, or several by the names that an operator is given their pixels by.
Sources: TypeAlias = "Source | Mapping[str, Source]"


def as_field(source: Source) -> SourceField[object]:
    """Return a field for a path or URL, a list of them, items of a catalogue, an array, a reader, or a field.

    Raises
    ------
    SourceError
        There is no such file, or it is not a raster.
    TypeError
        Nothing is known about objects of this type.

    """
    if isinstance(source, str | os.PathLike):
        return field_at(source)
    if isinstance(source, list | tuple) and any(map(is_scene, source)):
        source = Mosaic(source)
    if isinstance(source, Catalogued):
        source = mosaic_of_items(source)
    if isinstance(source, SourceField):
        with_blocks(source.source)
        return source
    if isinstance(source, Field | AsyncField):
        return PlainField.of(source if isinstance(source, Field) else AwaitedField(source))
    if isinstance(source, ZarrNode) and is_described(source):
        source = zarr_source(source)
    if isinstance(source, LabelledArray | ChunkedArray):
        return XarrayField(source) if isinstance(source, LabelledArray) else DaskField(source)
    if isinstance(source, np.ndarray) and not isinstance(source, GeoArray):
        source = ArraySource.of(source)
    if isinstance(source, GeoArray | PixelSource):
        return RasterField(source if isinstance(source, GeoArray) else with_blocks(source))
    raise TypeError(_refusal(source))


def _refusal(source: object) -> str:
    """Return what to say of what is no source."""
    if isinstance(source, dict):
        names = ", ".join(map(str, source))
        return (
            f"several rasters by name ({names}) are for reconstruct, plan, detect, split, reduce, two_pass "
            f"and tune: give one of them here, or all bands as one raster, geopatcher.BandStack({{...}})"
        )
    if isinstance(source, Snapshot | InSnapshot):
        return (
            "of an Icechunk session a source is zarr.open_group(session.store, mode='r'), with variable=, or "
            "an array of it as xarray opens it"
        )
    if isinstance(source, _Result):
        return (
            f"a source is the path of a result, or result.to_xarray(), of one in memory, too, not "
            f"{type(source).__name__}"
        )
    return (
        f"a source is a path, an ndarray, a GeoTensor, a georeader reader, an xarray.DataArray (of a Dataset "
        f"one variable), a Dask array, a Field or a list of paths, not {type(source).__name__}"
    )
