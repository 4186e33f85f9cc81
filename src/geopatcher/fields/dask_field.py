"""Dask and zarr arrays as fields: read strip by strip, never whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from geopatcher._optional import load
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.lazy_identity import origin_of_chunked
from geopatcher.fields.raster import RasterField

if TYPE_CHECKING:
    from types import EllipsisType

    import numpy as np
    import zarr.abc.store
    from affine import Affine

    from geopatcher.core.protocols import Array


@runtime_checkable
class ChunkedArray(Protocol):
    """A Dask or zarr array: `ArraySource` may slice it, and it says in which pieces it is kept."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(bands, height, width)``."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        ...

    @property
    def chunks(self) -> tuple[int | tuple[int, ...], ...]:
        """Lengths of the pieces along each axis."""
        ...

    def __getitem__(self, index: tuple[EllipsisType | slice, ...], /) -> Array:
        """Return a rectangle of cells."""
        ...


class DaskField(RasterField["Array"]):
    """A Dask array, ``(h, w)`` or ``(bands, h, w)``, as a field; computed strip by strip.

    ``transform``, ``crs``, ``nodata`` and ``band_names`` are those of `RasterField.from_array`.

    Parameters
    ----------
    array
        ``(h, w)`` or ``(bands, h, w)``, in Dask or zarr chunks; the attribute of that name, too.
    transform, crs, nodata, band_names
        Those of `RasterField.from_array`.

    Examples
    --------
    >>> import dask.array
    >>> DaskField(dask.array.zeros((20, 30), chunks=10), nodata=0).source.block_shape
    (10, 10)

    """

    def __init__(
        self,
        array: ChunkedArray,
        *,
        transform: Affine | None = None,
        crs: str | None = None,
        nodata: float | int | None = None,
        band_names: tuple[str, ...] = (),
    ) -> None:
        field = RasterField.from_array(
            array, transform=transform, crs=crs, nodata=nodata, band_names=band_names
        )
        source = ArraySource(
            array,
            field.domain,
            block=pieces(array.chunks),
            origin=origin_of_chunked(array),
        )
        super().__init__(source)
        self.array = array

    @classmethod
    def from_zarr(
        cls,
        store: str | os.PathLike[str] | zarr.abc.store.Store,
        *,
        component: str | None = None,
        transform: Affine | None = None,
        crs: str | None = None,
        nodata: float | int | None = None,
        band_names: tuple[str, ...] = (),
    ) -> DaskField:
        """Open an array in a zarr store as a Dask array, in the chunks it is stored in; nothing is read.

        What the store says of a georeference is not looked at: `geopatcher.reconstruct` and `XarrayField`
        take that from a path, too.

        Parameters
        ----------
        store
            A path, or a store of zarr.
        component
            Name of the array in a group; ``None`` where the store is one array.
        transform, crs, nodata, band_names
            Those of `RasterField.from_array`.

        Returns
        -------
        DaskField
            The field.

        Raises
        ------
        MissingExtraError
            Dask is not installed.

        Examples
        --------
        >>> import tempfile, numpy as np, zarr
        >>> folder = tempfile.mkdtemp()
        >>> zarr.create_array(folder, data=np.zeros((20, 30)), chunks=(10, 10)).shape
        (20, 30)
        >>> DaskField.from_zarr(folder).array.chunksize
        (10, 10)

        """
        place = os.fspath(store) if isinstance(store, os.PathLike) else store
        array: ChunkedArray = load("dask.array").from_zarr(place, component=component)
        return cls(array, transform=transform, crs=crs, nodata=nodata, band_names=band_names)


def pieces(chunks: tuple[int | tuple[int, ...], ...]) -> tuple[int, int]:
    """Return ``(rows, columns)`` of the first piece, given chunks as Dask or zarr says them."""
    rows, cols = (piece if isinstance(piece, int) else piece[0] for piece in chunks[-2:])
    return (max(1, rows), max(1, cols))
