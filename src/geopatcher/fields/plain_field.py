"""A user's own field, read through its `select`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from rasterio.windows import Window

from geopatcher.box import Box
from geopatcher.domain import RasterDomain
from geopatcher.errors import SourceError
from geopatcher.fields.array_source import ArraySource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from affine import Affine

    from geopatcher.box import PixelWindow
    from geopatcher.protocols import Array, Field, HasShape


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


def raster_domain(domain: HasShape, dtype: np.dtype | None = None) -> RasterDomain:
    """Return what is known of a stand-in for a domain; only ``shape`` is required.

    >>> raster_domain(np.empty((20, 30))).grid_shape
    (20, 30)
    """
    if isinstance(domain, RasterDomain):
        return domain
    shape = tuple(int(n) for n in domain.shape)[-3:]
    cells = np.dtype("float32") if dtype is None else dtype
    if isinstance(domain, Georeferenced):
        crs = domain.crs
        text = crs if crs is None or isinstance(crs, str) else str(crs)
        return RasterDomain(shape=shape, transform=domain.transform, crs=text, dtype=cells)
    return RasterDomain(shape=shape, dtype=cells)


@dataclass(frozen=True, eq=False)
class SelectSource:
    """Pixels of a field, window by window, by its `select`."""

    field: Field
    domain: RasterDomain

    @classmethod
    def of(cls, field: Field) -> SelectSource:
        """Take the grid from the field, and the dtype from its first pixel where the domain has none."""
        domain = field.domain
        if not isinstance(domain, RasterDomain):
            domain = raster_domain(domain, array_of(field.select(Window(0, 0, 1, 1))).dtype)
        return cls(field, domain)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows: how the field stores its pixels is not known."""
        return (1, self.domain.width)

    @property
    def has_nodata(self) -> bool:
        """Whether pixels may be missing."""
        return self.domain.nodata is not None

    @property
    def name(self) -> str:
        """The field's type and shape."""
        return f"{type(self.field).__name__} {self.domain.dtype} {self.domain.shape}"

    def read(self, box: Box) -> Array:
        """Return ``(bands, height, width)``.

        Raises
        ------
        SourceError
            The field gave another height, width or number of bands than its domain says.

        """
        pixels = array_of(self.field.select(Window(box.col0, box.row0, box.width, box.height)))
        bands = pixels.shape[0] if pixels.ndim == 3 else 1
        if pixels.shape[-2:] != box.shape or bands != self.domain.n_bands or pixels.ndim not in (2, 3):
            raise SourceError(
                f"{self.name} gave an array of shape {pixels.shape} for {box}: expected "
                f"{(self.domain.n_bands, *box.shape)}, as its domain says"
            )
        return self._window(pixels, box).read(Box.of_shape(box.shape))

    def valid(self, box: Box, pixels: Array) -> Array | None:
        """Return where integer pixels hold data; ``None`` without nodata."""
        return self._window(pixels, box).valid(Box.of_shape(box.shape), pixels)

    def identity(self) -> Mapping[str, str | int | float]:
        """Return shape and dtype, and a checksum of a sample of the first rows."""
        rows = Box(0, min(64, self.domain.height), 0, self.domain.width)
        sample = self._window(self.read(rows), rows).identity()
        return {**sample, "shape": str(self.domain.shape)}

    def _window(self, pixels: Array, box: Box) -> ArraySource:
        domain = self.domain.cut(box)
        return ArraySource(
            pixels, domain.with_bands(domain.band_names, n_bands=_bands(pixels), dtype=domain.dtype)
        )


@dataclass(frozen=True, eq=False)
class PlainField:
    """A field of a user's own class, as the engine wants it; `select` stays the user's."""

    field: Field
    source: SelectSource

    @classmethod
    def of(cls, field: Field) -> PlainField:
        """Wrap a field."""
        return cls(field, SelectSource.of(field))

    @property
    def domain(self) -> RasterDomain:
        """Grid, georeference, dtype and nodata."""
        return self.source.domain

    @property
    def gives_windows(self) -> bool:
        """A user's `select` gives whatever it gives."""
        return True

    def select(self, indexer: PixelWindow) -> object:
        """Return what the user's field gives."""
        return self.field.select(indexer)

    def with_data(self, array: Array) -> object:
        """Return what the user's field makes of an array."""
        return self.field.with_data(array)

    def dress(self, pixels: Array, box: Box) -> Array:
        """Return the plain array."""
        _ = box
        return pixels if len(self.domain.shape) == 3 else pixels[0]


def _bands(pixels: Array) -> int | None:
    return pixels.shape[0] if pixels.ndim == 3 else None


def array_of(data: object) -> Array:
    """Return data of a window or patch as an array: a masked one stays masked, a lazy one is read."""
    if isinstance(data, Loadable):
        return np.asarray(data.load().values)
    return data if isinstance(data, np.ma.MaskedArray) else np.asarray(data)
