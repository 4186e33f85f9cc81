"""A user's own field, read through its `select`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from rasterio.windows import Window

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.core.protocols import FromFiles, Refillable
from geopatcher.errors import GeopatcherError, SourceError
from geopatcher.fields.array_source import ArraySource, flattened
from geopatcher.fields.custom_identity import identity_of_custom, sampled_rows
from geopatcher.fields.declared import (
    WIDEST,
    HasBandNames,
    HasUnits,
    as_declared,
    declared_dtype,
    declared_nodata,
    declared_texts,
    outline_of,
)
from geopatcher.formats.gdal_environment import foreign

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from affine import Affine

    from geopatcher.core.box import PixelWindow
    from geopatcher.core.protocols import Array, Field, HasShape


#: Dtype of a raster of which nothing is known but its shape.
_UNKNOWN = np.dtype(np.float32)


@runtime_checkable
class Georeferenced(Protocol):
    """A domain with a georeference, such as a reader or a GeoTensor."""

    @property
    def transform(self) -> Affine:
        """Pixel corner to CRS coordinates."""
        ...

    @property
    def crs(self) -> object:
        """Coordinate reference system."""
        ...


class HasValues(Protocol):
    """Data in memory whose plain array is ``values``."""

    @property
    def values(self) -> Array:
        """The array."""
        ...


@runtime_checkable
class Loadable(Protocol):
    """Lazy or georeferenced data: `load` brings it into memory, once."""

    def load(self) -> HasValues:
        """Read it."""
        ...


def raster_domain(domain: HasShape, *, unknown: np.dtype = _UNKNOWN) -> RasterDomain:
    """Return what a stand-in for a domain says; only ``shape`` is required.

    ``dtype`` (anything NumPy understands as one), ``nodata``, ``transform``, ``crs``, and a text per band in
    ``band_names`` and ``units`` are kept where it has them. ``unknown`` stands for a dtype it does not tell;
    an array tells none: it stands there for its shape.

    Raises
    ------
    TypeError, ValueError
        Its nodata is no number, or not the same in all bands.

    Examples
    --------
    >>> raster_domain(np.empty((20, 30), "uint8")).grid_shape
    (20, 30)

    """
    if isinstance(domain, RasterDomain):
        return domain
    shape, leading = flattened(domain.shape)
    plain = RasterDomain(
        shape=shape,
        leading=leading,
        dtype=_told_dtype(domain) or unknown,
        nodata=declared_nodata(domain),
    )
    if isinstance(domain, HasBandNames):
        plain = replace(plain, band_names=declared_texts(domain.band_names, plain.n_bands))
    if isinstance(domain, HasUnits):
        plain = replace(plain, units=declared_texts(domain.units, plain.n_bands))
    if isinstance(domain, Georeferenced):
        crs = domain.crs
        text = crs if crs is None or isinstance(crs, str) else str(crs)
        return replace(plain, transform=domain.transform, crs=text)
    return plain


@dataclass(frozen=True, eq=False)
class SelectSource:
    """Pixels of a field, window by window, by its `select`.

    ``outline`` is what its domain says. Where that is not the dtype (``typed`` is false), the first pixel is
    read to learn it, but not before ``domain`` is asked for: a plan is made without.
    """

    field: Field[object]
    outline: RasterDomain
    typed: bool = True

    @classmethod
    def of(cls, field: Field[object]) -> SelectSource:
        """Take what the field's domain says; reads no pixel."""
        domain = field.domain
        typed = isinstance(domain, RasterDomain) or _told_dtype(domain) is not None
        return cls(field, raster_domain(domain, unknown=WIDEST), typed)

    @cached_property
    def domain(self) -> RasterDomain:
        """Grid, georeference, dtype and nodata.

        Raises
        ------
        SourceError
            The domain does not say the dtype, and the first pixel cannot be read.

        """
        if self.typed:
            return self.outline
        try:
            dtype = array_of(self.field.select(Window(0, 0, 1, 1))).dtype
        except GeopatcherError:
            raise
        except Exception as error:
            raise SourceError(
                f"cannot read the first pixel of {self.name}, whose domain does not say the dtype: "
                f"{type(error).__name__}: {error}"
            ) from error
        return replace(self.outline, dtype=dtype.newbyteorder("="))

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows: how the field stores its pixels is not known."""
        return (1, self.outline.width)

    @property
    def has_nodata(self) -> bool:
        """Whether pixels may be missing."""
        return self.outline.nodata is not None

    @property
    def name(self) -> str:
        """The field's type and shape, and its dtype where its domain says it."""
        dtype = f"{self.outline.dtype} " if self.typed else ""
        return f"{type(self.field).__name__} {dtype}{self.outline.array_shape}"

    def read(self, box: Box) -> Array:
        """Return ``(bands, height, width)``.

        Raises
        ------
        SourceError
            The field gave another height, width or number of bands than its domain says, or pixels that
            the dtype of its domain cannot hold.

        """
        with foreign(self.name, box):
            pixels = array_of(self.field.select(Window(box.col0, box.row0, box.width, box.height)))
        if pixels.shape[-2:] != box.shape or (pixels.shape[:-2] or (1,)) != (self.domain.lengths or (1,)):
            raise SourceError(
                f"{self.name} gave an array of shape {pixels.shape} for {box}: expected "
                f"{(*(self.domain.lengths or (1,)), *box.shape)}, as its domain says"
            )
        pixels = pixels.reshape(*flattened(pixels.shape)[0])
        pixels = as_declared(pixels, self.domain.dtype, self.name, box)
        return self._window(pixels, box).read(Box.of_shape(box.shape))

    def valid(self, box: Box, pixels: Array) -> Array | None:
        """Return where integer pixels hold data; ``None`` without nodata."""
        return self._window(pixels, box).valid(Box.of_shape(box.shape), pixels)

    def files(self) -> tuple[Path, ...]:
        """Return the files the field says it reads, where it has a method of that name."""
        return tuple(self.field.files()) if isinstance(self.field, FromFiles) else ()

    def identity(self) -> Mapping[str, str | int | float]:
        """Return what the field says of itself, or what is known of it, by `identity_of_custom`."""
        grid = Box.of_shape(self.domain.grid_shape)
        rows = [self.read(box) for box in sampled_rows(grid)]
        return {
            "shape": str(self.domain.shape),
            "dtype": str(self.domain.dtype),
            **identity_of_custom(self.field, self.domain.shape, rows),
        }

    def _window(self, pixels: Array, box: Box) -> ArraySource:
        domain = self.domain.cut(box)
        return ArraySource(
            pixels, domain.with_bands(domain.band_names, n_bands=_bands(pixels), dtype=domain.dtype)
        )


@dataclass(frozen=True, eq=False)
class PlainField:
    """A field of a user's own class, as the engine wants it; `select` stays the user's."""

    field: Field[object]
    source: SelectSource

    @classmethod
    def of(cls, field: Field[object]) -> PlainField:
        """Wrap a field."""
        return cls(field, SelectSource.of(field))

    @property
    def domain(self) -> RasterDomain:
        """Grid, georeference, dtype and nodata, as far as they are known without reading a pixel."""
        return outline_of(self.source)

    @property
    def gives_windows(self) -> bool:
        """A user's `select` gives whatever it gives."""
        return True

    def select(self, indexer: PixelWindow) -> object:
        """Return what the user's field gives."""
        return self.field.select(indexer)

    def with_data(self, array: Array) -> object:
        """Return what the user's field makes of an array.

        Raises
        ------
        TypeError
            It has no such method.

        """
        if not isinstance(self.field, Refillable):
            raise TypeError(
                f"{type(self.field).__name__} has no with_data(array), which makes a field of one"
            )
        return self.field.with_data(array)

    def dress(self, pixels: Array, box: Box) -> Array:
        """Return the plain array."""
        _ = box
        return pixels.reshape(*self.domain.lengths, *pixels.shape[-2:])


def _told_dtype(domain: HasShape) -> np.dtype | None:
    return None if isinstance(domain, np.ndarray) else declared_dtype(domain)


def _bands(pixels: Array) -> int | None:
    return pixels.shape[0] if pixels.ndim == 3 else None


def array_of(data: object) -> Array:
    """Return data of a window or patch as an array: a masked one stays masked, a lazy one is read."""
    if isinstance(data, Loadable):
        return np.asarray(data.load().values)
    return data if isinstance(data, np.ma.MaskedArray) else np.asarray(data)
