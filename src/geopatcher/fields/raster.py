"""A raster as a field: a path, a lazy reader, or an array with a georeference."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np
from affine import Affine
from rasterio.windows import Window

from geopatcher._optional import load
from geopatcher.box import Box, box_of
from geopatcher.domain import RasterDomain
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.fields.zarr_field import is_zarr, zarr_source

if TYPE_CHECKING:
    from rasterio.crs import CRS

    from geopatcher.fields.array_source import Sliceable
    from geopatcher.protocols import Array, PixelSource


class Pixels(Protocol):
    """What a window of a reader gives: an array, or something lazy, whose plain array is ``values``."""

    @property
    def values(self) -> Array:
        """The plain array, ``(h, w)`` or ``(bands, h, w)``; reads it, where the object is lazy."""
        ...


@runtime_checkable
class GeoArray(Protocol):
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

    @property
    def fill_value_default(self) -> float | int | None:
        """What is put outside the bounds."""
        ...

    def read_from_window(self, window: Window, boundless: bool) -> Pixels:
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
            path = os.fspath(reader)
            reader = zarr_source(path) if is_zarr(path) else RasterioSource(path)
        object.__setattr__(self, "reader", reader)
        source = reader if isinstance(reader, RasterioSource | ArraySource) else source_of(reader)
        object.__setattr__(self, "source", source)

    @classmethod
    def from_array(
        cls,
        array: Sliceable,
        *,
        transform: Affine | None = None,
        crs: CRS | str | None = None,
        nodata: float | int | None = None,
        band_names: tuple[str, ...] = (),
    ) -> RasterField:
        """Return a field of an array ``(h, w)`` or ``(bands, h, w)`` that says where it lies.

        Cells equal to ``nodata`` are missing, and so is NaN.

        Raises
        ------
        TypeError
            The array does not hold numbers.
        ValueError
            It has another number of dimensions, or no cells, or the CRS is not understood.

        """
        if isinstance(crs, str):
            try:
                load("pyproj").CRS.from_user_input(crs)
            except load("pyproj.exceptions").CRSError as error:
                raise ValueError(f"the CRS {crs!r} is not understood: {error}") from error
        place = Affine.identity() if transform is None else transform
        record = {"transform": place, "crs": crs_text(crs), "nodata": nodata, "band_names": band_names}
        return RasterField(ArraySource.of(array, **record))

    @property
    def domain(self) -> RasterDomain:
        """Grid, georeference, dtype and nodata."""
        return self.source.domain

    @property
    def gives_windows(self) -> bool:
        """Whether `select` gives what a reader gives, instead of an array."""
        return not isinstance(self.reader, RasterioSource | ArraySource)

    def dress(self, pixels: Array, box: Box) -> Array:
        """Return pixels ``(bands, h, w)`` cut at ``box`` as what `select` gives; of a reader, a GeoTensor."""
        data = pixels if len(self.domain.shape) == 3 else pixels[0]
        if isinstance(self.reader, RasterioSource | ArraySource):
            return data
        tensor: Array = load("georeader.geotensor").GeoTensor(
            data, self.domain.cut(box).transform, self.reader.crs, self.reader.fill_value_default
        )
        return tensor

    def select(self, indexer: Window) -> Array | Pixels:
        """Return a window: an array ``(bands, h, w)`` or ``(h, w)``, or what the reader gives."""
        if isinstance(self.reader, RasterioSource | ArraySource):
            box = box_of(indexer)
            pixels = self.reader.read(box)
            return pixels if len(self.domain.shape) == 3 else pixels[0]
        return self.reader.read_from_window(indexer, boundless=True)

    def with_data(self, array: Array) -> RasterField:
        """Return a field on the same grid holding ``array``, ``(h, w)`` or ``(bands, h, w)``."""
        shape = tuple(array.shape)
        if shape[-2:] != self.domain.grid_shape:
            raise ValueError(f"an array of {shape} does not lie on the grid of {self.domain.grid_shape}")
        bands = shape[0] if len(shape) == 3 else None
        return RasterField(ArraySource(array, self.domain.with_bands((), n_bands=bands, dtype=array.dtype)))


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
            file = RasterioSource(reader.paths[0], tuple(reader.indexes))
            focus = box_of(reader.window_focus)
            if Box.of_shape(file.domain.grid_shape).contains(focus):
                return RasterioSource(reader.paths[0], tuple(reader.indexes), focus)
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
        corner = reader.read_from_window(Window(0, 0, 1, 1), boundless=True).values
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
        values = self.reader.read_from_window(window, boundless=True).values
        return ArraySource(values, self.domain.cut(box))


def crs_text(crs: CRS | str | None) -> str | None:
    """Return a CRS as WKT, or the text it was given as."""
    return crs if crs is None or isinstance(crs, str) else str(crs.to_wkt())
