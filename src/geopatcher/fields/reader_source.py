"""Where a reader's pixels come from: its file, or the windows it reads."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import numpy as np
from rasterio.windows import Window

from geopatcher.core.box import Box, box_of
from geopatcher.core.digests import array_digest, digest_of
from geopatcher.core.domain import RasterDomain
from geopatcher.core.protocols import HeldArrays
from geopatcher.errors.redaction import shown
from geopatcher.fields.array_source import ArraySource, flattened
from geopatcher.fields.custom_identity import identity_of_custom, sampled_rows
from geopatcher.fields.declared import WIDEST, as_declared, declared_dtype, declared_nodata
from geopatcher.fields.file_identity import SourceFiles
from geopatcher.fields.flat_bands import flat_bands
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.fields.source_files import files_behind, files_under
from geopatcher.formats.gdal_environment import CACHE_BYTES, GDAL_ERRORS, PINNED, environment, failure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from affine import Affine
    from rasterio.crs import CRS

    from geopatcher.core.protocols import Array, PixelSource


class Pixels(Protocol):
    """What a window of a reader gives: an array, or something lazy, whose plain array is ``values``."""

    @property
    def values(self) -> Array:
        """The plain array, ``(h, w)`` or ``(bands, h, w)``; reads it, where the object is lazy."""
        ...


P_co = TypeVar("P_co", bound=Pixels, covariant=True)


@runtime_checkable
class GeoArray(Protocol[P_co]):
    """An array or reader that knows where it lies, such as georeader's ``GeoTensor``.

    ``values`` is left to `Pixels`: before Python 3.12 asking whether an object follows a protocol
    evaluates the protocol's properties, and would read the whole raster.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(bands, height, width)``."""
        ...

    @property
    def transform(self) -> Affine:
        """Pixel corner to CRS coordinates."""
        ...

    @property
    def crs(self) -> CRS | str | None:
        """Coordinate reference system."""
        ...

    def read_from_window(self, window: Window, boundless: bool) -> P_co:
        """Return a rectangle; lazily, where the object is lazy."""
        ...


@runtime_checkable
class Filling(Protocol):
    """A reader that says what it puts outside its bounds."""

    @property
    def fill_value_default(self) -> float | int | None:
        """The value."""
        ...


def fill_of(reader: object) -> float | int | None:
    """Return what a reader puts outside its bounds, ``None`` where it does not say."""
    return reader.fill_value_default if isinstance(reader, Filling) else None


@runtime_checkable
class LazyReader(GeoArray[Pixels], Protocol):
    """A reader over files, such as georeader's ``RasterioReader``."""

    paths: list[str]
    rio_env_options: Mapping[str, str | int | float | bool]
    window_focus: Window
    indexes: list[int]
    overview_level: int | None


def source_of(reader: GeoArray[Pixels]) -> PixelSource:
    """Return where a reader's pixels come from: its file, through pooled handles, where it has but one."""
    if isinstance(reader, LazyReader) and len(reader.shape) == 3 and reader.overview_level is None:
        file = RasterioSource(reader.paths[0], tuple(reader.indexes))
        focus = box_of(reader.window_focus)
        if focus == Box.of_shape(file.domain.grid_shape):
            return file
        if Box.of_shape(file.domain.grid_shape).contains(focus):
            return file.cut(focus)
    return ReaderSource.of(reader)


@dataclass(frozen=True, eq=False)
class ReaderSource:
    """Pixels of anything that reads windows, such as a GeoTensor or a reader at an overview level.

    ``outline`` is what the reader says. Where that is not the dtype (``typed`` is false), the first pixel is
    read to learn it, but not before ``domain`` is asked for.
    """

    reader: GeoArray[Pixels] = field(repr=False)  # which names its files by their address
    outline: RasterDomain
    typed: bool = True

    @classmethod
    def of(cls, reader: GeoArray[Pixels]) -> ReaderSource:
        """Take what the reader says; reads no pixel.

        Without a nodata value of its own, its fill value is that; but one of zero is georeader's default and
        says nothing about the data.
        """
        reader = _pinned(reader)
        nodata, dtype = declared_nodata(reader), declared_dtype(reader)
        shape, leading = flattened(reader.shape)
        outline = RasterDomain(
            shape=shape,
            leading=leading,
            transform=reader.transform,
            crs=crs_text(reader.crs),
            nodata=(fill_of(reader) or None) if nodata is None else nodata,
            dtype=dtype or WIDEST,
        )
        return cls(reader, outline, dtype is not None)

    @cached_property
    def domain(self) -> RasterDomain:
        """Grid, georeference, dtype and nodata."""
        if self.typed:
            return self.outline
        corner = _values(self.reader, Box(0, 1, 0, 1))
        return replace(self.outline, dtype=np.dtype(corner.dtype).newbyteorder("="))

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows: what is behind the reader is not known."""
        return (1, self.outline.width)

    @property
    def has_nodata(self) -> bool:
        """Whether pixels may be missing."""
        return self.outline.nodata is not None

    @property
    def name(self) -> str:
        """The reader's type and shape, and its dtype where it says it."""
        dtype = f"{self.outline.dtype} " if self.typed else ""
        return f"{type(self.reader).__name__} {dtype}{self.outline.array_shape}"

    def held(self) -> HeldArrays | None:
        """Return the cells of a reader that is an array itself, such as a GeoTensor."""
        held = flat_bands(np.asarray(self.reader)) if isinstance(self.reader, np.ndarray) else None
        return None if held is None else HeldArrays(held)

    def holding(self, arrays: HeldArrays) -> ArraySource:
        """Return the cells with their domain: an array that knows where it lies forgets that when pickled."""
        return ArraySource(arrays.array, self.domain, self.name, mask=arrays.mask)

    def read(self, box: Box) -> Array:
        """Return ``(bands, height, width)``."""
        return self._array(box).read(Box.of_shape(box.shape))

    def valid(self, box: Box, pixels: Array) -> Array | None:
        """Return where integer pixels hold data; ``None`` without nodata."""
        return ArraySource(pixels, self.domain.cut(box)).valid(Box.of_shape(box.shape), pixels)

    def files(self) -> tuple[Path, ...]:
        """Return the files of a reader that names them, and the file of a memory map."""
        if isinstance(self.reader, LazyReader):
            return tuple(file for path in self.reader.paths for file in files_behind(str(path)))
        return files_under(self.reader)

    def identity(self) -> Mapping[str, str | int | float]:
        """Return shape and dtype, and the reader's cells, if it holds them, or what is known of its files."""
        known: dict[str, str | int | float] = {
            "shape": str(self.domain.shape),
            "dtype": str(self.domain.dtype),
        }
        reader = self.reader
        if isinstance(reader, np.ndarray):
            return known | {"cells": array_digest(np.asarray(reader))}
        rows = [self._array(box).read(Box.of_shape(box.shape)) for box in sampled_rows(self._grid)]
        if isinstance(reader, LazyReader):
            known["rows"] = digest_of(*map(array_digest, rows))  # which window and level of the files it is
            return known | SourceFiles(tuple(map(str, reader.paths))).identity()
        return known | identity_of_custom(reader, self.domain.shape, rows)

    def version(self) -> str:
        """Return the sizes and times of its files; ``""`` for a reader without files.

        Raises
        ------
        SourceError
            A server does not answer.

        """
        reader = self.reader
        return SourceFiles(tuple(map(str, reader.paths))).version() if isinstance(reader, LazyReader) else ""

    @property
    def _grid(self) -> Box:
        return Box.of_shape(self.domain.grid_shape)

    def _array(self, box: Box) -> ArraySource:
        values = as_declared(_values(self.reader, box), self.domain.dtype, self.name, box)
        return ArraySource(flat_bands(values), self.domain.cut(box))


def _pinned(reader: GeoArray[Pixels]) -> GeoArray[Pixels]:
    """Return a reader that reads as we do: its own options would be set over ours."""
    if not isinstance(reader, LazyReader):
        return reader
    pinned: LazyReader = copy(reader)
    pinned.rio_env_options = {**reader.rio_env_options, **PINNED, "GDAL_CACHEMAX": CACHE_BYTES}
    return pinned


def _values(reader: GeoArray[Pixels], box: Box) -> Array:
    """Read a rectangle.

    Raises
    ------
    SourceError
        The files cannot be read; names them and the rectangle.

    """
    window = Window(box.col0, box.row0, box.width, box.height)
    paths = reader.paths if isinstance(reader, LazyReader) else []
    with environment() as heard:
        try:
            given = reader.read_from_window(window, boundless=True)
            values = np.asarray(given) if isinstance(given, np.ndarray) else given.values
            heard.require_sound()
        except GDAL_ERRORS as error:
            name = ", ".join(map(shown, paths)) or type(reader).__name__
            raise failure(error, f"cannot read {name}, {box}", *paths) from error
    return values


def crs_text(crs: CRS | str | None) -> str | None:
    """Return a CRS as WKT, or the text it was given as."""
    return crs if crs is None or isinstance(crs, str) else str(crs.to_wkt())
