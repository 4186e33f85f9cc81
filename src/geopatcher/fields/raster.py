"""A raster as a field: a path, a lazy reader, or an array with a georeference."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np
from rasterio.windows import Window

from geopatcher.box import Box
from geopatcher.domain import RasterDomain
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.rasterio_source import RasterioSource

if TYPE_CHECKING:
    from affine import Affine
    from rasterio.crs import CRS

    from geopatcher.protocols import Array, PixelSource


@runtime_checkable
class GeoArray(Protocol):
    """An array that knows where it lies, such as georeader's ``GeoTensor``."""

    @property
    def values(self) -> Array:
        """The plain array, ``(h, w)`` or ``(bands, h, w)``."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Of `values`."""
        ...

    @property
    def transform(self) -> Affine:
        """Pixel corner to CRS coordinates."""
        ...

    @property
    def crs(self) -> CRS | str | None:
        """Coordinate reference system."""
        ...

    @property
    def fill_value_default(self) -> float | int | None:
        """What is put outside the bounds."""
        ...

    def read_from_window(self, window: Window, boundless: bool) -> GeoArray:
        """Return a rectangle; lazily, where the object is lazy."""
        ...


@runtime_checkable
class LazyReader(GeoArray, Protocol):
    """A reader over files, such as georeader's ``RasterioReader``."""

    paths: list[str]
    window_focus: Window
    indexes: list[int]
    overview_level: int | None


#: What `RasterField` takes.
Readable: TypeAlias = "str | os.PathLike[str] | GeoArray | RasterioSource | ArraySource"


@dataclass(frozen=True, eq=False)
class RasterField:
    """A raster: its ``reader``, its ``domain``, and windows of it by `select`.

    ``reader`` is what it was made from: a georeader reader or GeoTensor stays itself, and `select`
    gives what its ``read_from_window`` gives, lazily where it is lazy. A path or URL becomes a
    `RasterioSource`, and `select` gives an array.

    Examples
    --------
    >>> import numpy as np
    >>> from rasterio.windows import Window
    >>> field = RasterField(ArraySource.of(np.arange(12.0).reshape(3, 4)))
    >>> field.select(Window(1, 0, 2, 2))
    array([[1., 2.],
           [5., 6.]])

    """

    reader: GeoArray | RasterioSource | ArraySource
    source: PixelSource

    def __init__(self, reader: Readable) -> None:
        if isinstance(reader, str | os.PathLike):
            reader = RasterioSource(os.fspath(reader))
        object.__setattr__(self, "reader", reader)
        source = reader if isinstance(reader, RasterioSource | ArraySource) else source_of(reader)
        object.__setattr__(self, "source", source)

    @property
    def domain(self) -> RasterDomain:
        """Grid, georeference, dtype and nodata."""
        return self.source.domain

    def select(self, indexer: Window) -> Array | GeoArray:
        """Return the pixels of a window: an array ``(bands, h, w)`` or ``(h, w)``, or what the reader gives."""
        if isinstance(self.reader, RasterioSource | ArraySource):
            box = box_of(indexer)
            pixels = self.reader.read(box)
            return pixels if len(self.domain.shape) == 3 else pixels[0]
        return self.reader.read_from_window(indexer, boundless=False)

    def with_data(self, array: Array) -> RasterField:
        """Return a field on the same grid holding ``array``, ``(h, w)`` or ``(bands, h, w)``."""
        shape = tuple(array.shape)
        if shape[-2:] != self.domain.grid_shape:
            raise ValueError(f"an array of {shape} does not lie on the grid of {self.domain.grid_shape}")
        bands = shape[0] if len(shape) == 3 else None
        return RasterField(ArraySource(array, self.domain.with_bands((), n_bands=bands, dtype=array.dtype)))


def box_of(window: Window) -> Box:
    """Return a rasterio window as a box of whole pixels."""
    row, col = int(window.row_off), int(window.col_off)
    return Box(row, row + int(window.height), col, col + int(window.width))


def source_of(reader: GeoArray) -> PixelSource:
    """Return where a reader's pixels come from: its file, through pooled handles, where it has one.

    Raises
    ------
    ValueError
        The reader stacks several files in time.

    """
    if isinstance(reader, LazyReader):
        if len(reader.shape) > 3:
            raise ValueError(
                f"a reader of shape {reader.shape} stacks {len(reader.paths)} files; "
                f"a field is one raster: make a reader of each path"
            )
        if len(reader.paths) == 1 and reader.overview_level is None:
            return RasterioSource(reader.paths[0], tuple(reader.indexes), box_of(reader.window_focus))
    return ReaderSource.of(reader)


@dataclass(frozen=True, eq=False)
class ReaderSource:
    """Pixels of anything that reads windows, such as a GeoTensor or a reader at an overview level."""

    reader: GeoArray
    domain: RasterDomain

    @classmethod
    def of(cls, reader: GeoArray) -> ReaderSource:
        """Take grid and georeference from the reader.

        A fill value of zero is georeader's default and says nothing about the data, so only another
        one counts as nodata.
        """
        fill = reader.fill_value_default
        corner = reader.read_from_window(Window(0, 0, 1, 1), boundless=False).values
        domain = RasterDomain(
            shape=tuple(map(int, reader.shape)),
            transform=reader.transform,
            crs=crs_text(reader.crs),
            nodata=fill or None,
            dtype=np.dtype(corner.dtype),
        )
        return cls(reader, domain)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows: what is behind the reader is not known."""
        return (1, self.domain.width)

    @property
    def has_nodata(self) -> bool:
        """Whether pixels may be missing."""
        return self.domain.nodata is not None

    @property
    def name(self) -> str:
        """The reader's type and shape."""
        return f"{type(self.reader).__name__} {self.domain.dtype} {self.domain.shape}"

    def read(self, box: Box) -> Array:
        """Return ``(bands, height, width)``."""
        return self._array(box).read(Box.of_shape(box.shape))

    def valid(self, box: Box, pixels: Array) -> Array | None:
        """Return where integer pixels hold data; ``None`` without nodata."""
        return ArraySource(pixels, self.domain.cut(box)).valid(Box.of_shape(box.shape), pixels)

    def identity(self) -> dict[str, str | int | float]:
        """Return shape, dtype and a checksum of a sample of the cells."""
        window = Box(0, min(64, self.domain.height), 0, self.domain.width)
        sample = self._array(window).identity()
        return dict(sample) | {"shape": str(self.domain.shape)}

    def _array(self, box: Box) -> ArraySource:
        window = Window(box.col0, box.row0, box.width, box.height)
        values = self.reader.read_from_window(window, boundless=False).values
        return ArraySource(values, self.domain.cut(box))


def crs_text(crs: CRS | str | None) -> str | None:
    """Return a CRS as WKT, or the text it was given as."""
    return crs if crs is None or isinstance(crs, str) else str(crs.to_wkt())
