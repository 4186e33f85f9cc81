"""A raster as a field: a path, a lazy reader, or an array with a georeference."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, cast, overload

from affine import Affine

from geopatcher._optional import load
from geopatcher.core.box import Box, box_of
from geopatcher.core.protocols import PixelSource
from geopatcher.core.typevars import D_co
from geopatcher.fields.array_source import ArraySource, flattened
from geopatcher.fields.boundless import read_boundless
from geopatcher.fields.declared import outline_of
from geopatcher.fields.facts import field_card
from geopatcher.fields.flat_bands import flat_bands
from geopatcher.fields.grids import CRS_ADVICE
from geopatcher.fields.masked import parted
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.fields.reader_source import GeoArray, Pixels, crs_text, fill_of, source_of
from geopatcher.fields.zarr_field import is_zarr, zarr_source
from geopatcher.fields.zarr_places import is_store_elsewhere

if TYPE_CHECKING:
    from rasterio.crs import CRS
    from rasterio.windows import Window

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array, HasShape, Sliceable


P = TypeVar("P", bound=Pixels)


#: What `RasterField` takes.
Readable: TypeAlias = "str | os.PathLike[str] | GeoArray[Pixels] | PixelSource"


@dataclass(frozen=True, eq=False)
class RasterField(Generic[D_co]):
    """A raster: its ``reader``, its ``domain``, and windows of it by `select`.

    ``reader`` is what it was made from: a georeader reader or GeoTensor stays itself, and `select`
    gives what its ``read_from_window`` gives, lazily where it is lazy. A path or URL becomes a
    `RasterioSource`, and `select` gives an array.

    Parameters
    ----------
    reader
        A path or URL, a georeader reader or GeoTensor, anything that reads windows like one, or a
        `geopatcher.core.protocols.PixelSource`.

    Raises
    ------
    TypeError
        It is none of these; of a plain array, `from_array` makes a field.

    Examples
    --------
    >>> import numpy as np
    >>> from rasterio.windows import Window
    >>> field = RasterField(ArraySource.of(np.arange(12.0).reshape(3, 4)))
    >>> field.select(Window(1, 0, 2, 2))
    array([[1., 2.],
           [5., 6.]])

    """

    reader: GeoArray[Pixels] | HasShape = field(repr=False)
    source: PixelSource

    @overload
    def __init__(self: RasterField[Array], reader: str | os.PathLike[str] | PixelSource) -> None: ...
    @overload
    def __init__(self: RasterField[P], reader: GeoArray[P]) -> None: ...
    def __init__(self, reader: Readable) -> None:
        if isinstance(reader, str | os.PathLike):
            path = os.fspath(reader)
            reader = zarr_source(path) if is_zarr(path) or is_store_elsewhere(path) else RasterioSource(path)
        if not isinstance(reader, GeoArray | PixelSource):
            raise TypeError(
                f"a RasterField is made from a path, a reader, a GeoTensor or a PixelSource, not "
                f"{type(reader).__name__}: for a plain array take RasterField.from_array"
            )
        object.__setattr__(self, "reader", reader)
        object.__setattr__(self, "source", source_of(reader) if isinstance(reader, GeoArray) else reader)

    @classmethod
    def from_array(
        cls,
        array: Sliceable,
        *,
        transform: Affine | None = None,
        crs: CRS | str | None = None,
        nodata: float | int | None = None,
        band_names: tuple[str, ...] = (),
    ) -> RasterField[Array]:
        """Return a field of an array ``(h, w)`` or ``(bands, h, w)``, or more, that says where it lies.

        Cells equal to ``nodata`` are missing, and so is NaN.

        Parameters
        ----------
        array
            ``(h, w)`` or ``(bands, h, w)``, or with more leading dimensions: NumPy, zarr, Dask, or anything
            that slices like these.
        transform
            From pixel corners to coordinates of ``crs``; the identity by default.
        crs
            Anything pyproj understands; ``None`` where it is not known.
        nodata
            The value of missing cells, ``None`` for none.
        band_names
            A name per band, or none.

        Returns
        -------
        RasterField
            Whose `select` gives arrays.

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
                raise ValueError(f"the CRS {crs!r} is not understood: {error}; {CRS_ADVICE}") from error
        place = Affine.identity() if transform is None else transform
        record = {"transform": place, "crs": crs_text(crs), "nodata": nodata, "band_names": band_names}
        return RasterField(ArraySource.of(array, **record))

    def __repr__(self) -> str:
        domain = self.domain
        what = f"{domain.n_bands} x {domain.dtype}, {domain.height:,} x {domain.width:,} pixels"
        return f"{type(self).__name__}({self.source.name}, {what})"

    def _repr_html_(self) -> str:
        return field_card(self, self.source.name, self.domain)

    @property
    def domain(self) -> RasterDomain:
        """Grid, georeference, dtype and nodata, as far as they are known without reading a pixel."""
        return outline_of(self.source)

    @property
    def gives_windows(self) -> bool:
        """Whether `select` gives what a reader gives, instead of an array."""
        return isinstance(self.reader, GeoArray)

    def dress(self, pixels: Array, box: Box) -> Array:
        """Return pixels ``(bands, h, w)`` cut at ``box`` as what `select` gives; of a reader, a GeoTensor.

        Parameters
        ----------
        pixels
            ``(bands, h, w)``.
        box
            Where they were cut; it may overhang.

        Returns
        -------
        numpy.ndarray or GeoTensor
            With the leading dimensions of the field, or ``(h, w)`` of one that has none.

        """
        data = pixels.reshape(*self.domain.lengths, *pixels.shape[-2:])
        if not isinstance(self.reader, GeoArray):
            return data
        tensor: Array = load("georeader.geotensor").GeoTensor(
            data, self.domain.cut(box).transform, self.reader.crs, fill_of(self.reader)
        )
        return tensor

    def select(self, indexer: Window) -> D_co:
        """Return a window: an array ``(bands, h, w)`` or ``(h, w)``, or what the reader gives.

        Parameters
        ----------
        indexer
            A rasterio ``Window`` of whole pixels. Where it reaches over the edge of a path's or an array's
            raster it is filled: with NaN, of integers with their nodata value, else 0.

        Returns
        -------
        numpy.ndarray or object
            ``(bands, h, w)`` or ``(h, w)``; of a reader, what its ``read_from_window`` gives.

        """
        if isinstance(self.reader, GeoArray):
            data: object = self.reader.read_from_window(indexer, boundless=True)
        else:
            pixels = read_boundless(self.source, box_of(indexer))
            data = pixels.reshape(*self.domain.lengths, *pixels.shape[-2:])
        return cast("D_co", data)  # which of both it is, and of what type, the overloads of __init__ say

    def with_data(self, array: Array) -> RasterField[Array]:
        """Return a field on the same grid holding ``array``, with any leading dimensions.

        Parameters
        ----------
        array
            ``(h, w)`` or ``(bands, h, w)``, or more, of the field's height and width.

        Returns
        -------
        RasterField
            In memory.

        Raises
        ------
        ValueError
            The array has another height or width.

        """
        shape = tuple(array.shape)
        if shape[-2:] != self.domain.grid_shape:
            raise ValueError(f"an array of {shape} does not lie on the grid of {self.domain.grid_shape}")
        flat, leading = flattened(shape)
        bands = flat[0] if len(flat) == 3 else None
        domain = self.domain.with_bands((), n_bands=bands, dtype=array.dtype)
        same = shape[:-2] == self.domain.lengths
        domain = replace(domain, leading=self.domain.leading if same else leading)
        cells, held = parted(array)
        mask = None if held is None else flat_bands(held)
        return RasterField(ArraySource(flat_bands(cells), domain, mask=mask))
