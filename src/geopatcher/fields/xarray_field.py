"""`xarray.DataArray` and Dask arrays as fields: read strip by strip, never whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher._optional import load
from geopatcher.core.box import Box, box_of
from geopatcher.fields.array_source import ArraySource, is_mask
from geopatcher.fields.labelled import HasRio, LabelledArray
from geopatcher.fields.labelled_grid import Grid, grid_of
from geopatcher.fields.lazy_files import files_of_lazy
from geopatcher.fields.lazy_identity import HoldsChunks, origin_of_chunked, origin_of_labelled
from geopatcher.fields.raster import RasterField
from geopatcher.fields.source_files import files_behind, store_of
from geopatcher.fields.zarr_field import is_zarr
from geopatcher.formats.gdal_environment import foreign

if TYPE_CHECKING:
    from types import EllipsisType

    import zarr.abc.store
    from affine import Affine

    from geopatcher.core.box import PixelWindow
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array, PixelSource


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


@dataclass(frozen=True, eq=False)
class _Slices:
    """A `DataArray` that is sliced like an array of ``(bands, rows, cols)``; reads what is asked for."""

    array: LabelledArray
    grid: Grid

    def files(self) -> tuple[Path, ...]:
        """Return the file or store the array says it was read from, or the one its cells are mapped from."""
        path = self.array.encoding.get("source")
        if isinstance(path, str):
            return (store_of(Path(path)),) if is_zarr(path) else files_behind(path)
        return files_of_lazy(self.array)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.grid.domain.shape

    @property
    def dtype(self) -> np.dtype:
        return self.grid.domain.dtype

    def __getitem__(self, index: tuple[EllipsisType | slice, ...], /) -> Array:
        rows, cols = (part for part in index[-2:] if isinstance(part, slice))
        indexers = self.grid.indexers(rows, cols)
        if self.grid.bands is not None and len(index) == 3 and index[0] is not ...:
            indexers[self.grid.bands] = index[0]
        part = self.array.isel(indexers)
        with foreign("a DataArray", f"rows {rows.start}:{rows.stop}, columns {cols.start}:{cols.stop}"):
            return np.asarray(part.transpose(*(dim for dim in self.grid.dims if dim in part.dims)))


class XarrayField:
    """A `xarray.DataArray` as a field.

    Rows and columns are found by the names of the dimensions (``y``, ``lat``, ``northing``...), by
    their CF attributes, or else are the last two; one further dimension holds the bands. Lazy arrays
    (Dask, files) are read strip by strip. The CRS is that of the CF grid mapping, or what else rioxarray
    finds; the transform that of the coordinates. Values are taken as they are: a ``scale_factor`` among
    the attributes is kept with the result, and not applied.

    Parameters
    ----------
    da
        With two dimensions of space and at most one of bands; further ones of length 1 are left out.

    Attributes
    ----------
    da
        The array, without dimensions of length 1 that are left out.

    Raises
    ------
    ValueError
        The array has more dimensions, or its coordinates are not evenly spaced.
    TypeError
        Its cells are no numbers.

    Examples
    --------
    >>> import numpy as np, xarray
    >>> coords = {"y": [25.0, 15.0], "x": [105.0, 115.0, 125.0]}
    >>> field = XarrayField(xarray.DataArray(np.zeros((2, 3)), coords, ("y", "x")))
    >>> field.domain.bounds
    (100.0, 10.0, 130.0, 30.0)

    """

    def __init__(self, da: LabelledArray) -> None:
        if not isinstance(da, LabelledArray):
            raise TypeError(f"an XarrayField is made of a xarray.DataArray, not {type(da).__name__}")
        self._grid = grid_of(da)
        self.da = da.isel(dict.fromkeys(self._grid.single, 0)) if self._grid.single else da
        sizes = ", ".join(f"{dim}: {n}" for dim, n in zip(self._grid.dims, self.domain.shape, strict=True))
        cells = _Slices(self.da, self._grid)
        self.source: PixelSource = ArraySource(
            cells,
            self._grid.domain,
            label=f"DataArray {self.domain.dtype} ({sizes})",
            block=_block(self.da, self._grid),
            origin=origin_of_labelled(self.da, cells),
            mask=_mask(self.da, self._grid),
        )

    @property
    def domain(self) -> RasterDomain:
        """Grid, georeference, dtype and nodata."""
        return self._grid.domain

    @property
    def gives_windows(self) -> bool:
        """Windows are DataArrays."""
        return True

    def select(self, indexer: PixelWindow) -> LabelledArray:
        """Return a window as a `DataArray` of its own, lazy where the array is.

        Parameters
        ----------
        indexer
            A rasterio ``Window`` of whole pixels inside the raster.

        Returns
        -------
        xarray.DataArray
            With its own coordinates.

        """
        box = box_of(indexer)
        part = self.da.isel(self._grid.indexers(*box.slices())).copy()
        return _placed(part, self.domain.cut(box))

    def with_data(self, array: Array) -> XarrayField:
        """Return a field on the same grid holding ``array``, ``(h, w)`` or ``(bands, h, w)``.

        Parameters
        ----------
        array
            ``(h, w)`` or ``(bands, h, w)`` of the field's height and width.

        Returns
        -------
        XarrayField
            In memory.

        Raises
        ------
        ValueError
            The array has another height or width.

        """
        if array.shape[-2:] != self.domain.grid_shape:
            raise ValueError(
                f"an array of {array.shape} does not lie on the grid of {self.domain.grid_shape}"
            )
        return XarrayField(self.labelled(array))

    def labelled(self, array: Array) -> LabelledArray:
        """Return an array on the same grid, ``(h, w)`` or ``(bands, h, w)``, with its names and coordinates.

        Parameters
        ----------
        array
            Of the field's height and width.

        Returns
        -------
        xarray.DataArray
            In memory.

        """
        return self._labelled(array, Box.of_shape(self.domain.grid_shape))

    def dress(self, pixels: Array, box: Box) -> LabelledArray:
        """Return pixels ``(bands, h, w)`` as a `DataArray` with the coordinates of ``box``.

        Parameters
        ----------
        pixels
            ``(bands, h, w)``.
        box
            Where they were cut; it may overhang.

        Returns
        -------
        xarray.DataArray
            With its own coordinates.

        """
        return self._labelled(pixels if self._grid.bands is not None else pixels[0], box)

    def _labelled(self, array: Array, box: Box) -> LabelledArray:
        domain = self.domain.cut(box)
        bands = () if array.ndim == 2 else (self._grid.bands or "band",)
        coords = {}
        if domain.transform.b == domain.transform.d == 0:
            a, _, c, _, e, f = domain.transform[:6]
            coords = {
                self._grid.rows: f + e * (np.arange(box.height) + 0.5),
                self._grid.cols: c + a * (np.arange(box.width) + 0.5),
            }
        if bands and self._grid.bands in self.da.coords and len(array) == self.domain.n_bands:
            coords[bands[0]] = np.asarray(self.da.coords[bands[0]])
        dims = (*bands, self._grid.rows, self._grid.cols)
        labelled: LabelledArray = load("xarray").DataArray(array, coords, dims, attrs=dict(self.da.attrs))
        return _placed(labelled, domain, write_crs=True)


class RioXarrayField(XarrayField):
    """An `XarrayField` whose georeference rioxarray reads, which must be installed.

    Parameters
    ----------
    da
        As for `XarrayField`.

    Raises
    ------
    MissingExtraError
        rioxarray is not installed.

    """

    def __init__(self, da: LabelledArray) -> None:
        load("rioxarray")
        super().__init__(da)


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
            block=_pieces(array.chunks),
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


def _pieces(chunks: tuple[int | tuple[int, ...], ...]) -> tuple[int, int]:
    rows, cols = (piece if isinstance(piece, int) else piece[0] for piece in chunks[-2:])
    return (max(1, rows), max(1, cols))


def _block(array: LabelledArray, grid: Grid) -> tuple[int, int] | None:
    """Return the pieces a lazy array is computed or stored in."""
    if isinstance(array, HoldsChunks) and array.chunks is not None:
        by_dim = dict(zip(array.dims, array.chunks, strict=True))
        return _pieces((by_dim[grid.rows], by_dim[grid.cols]))
    stored = array.encoding.get("preferred_chunks")
    if isinstance(stored, dict):
        rows, cols = stored.get(grid.rows), stored.get(grid.cols)
        if isinstance(rows, int) and isinstance(cols, int):
            return _pieces((rows, cols))
    return None


def _mask(array: LabelledArray, grid: Grid) -> _Slices | None:
    """Return the coordinate that says which cells hold data, as results have it where they need one.

    CF names it among the ``ancillary_variables``; it is a status flag, and 0 says that a cell is missing.
    """
    for name in str(array.attrs.get("ancillary_variables", "")).split():
        flag = array.coords.get(name)
        if flag is not None and is_mask(flag.attrs) and {grid.rows, grid.cols} <= set(flag.dims):
            return _Slices(flag, grid)
    return None


def _placed(array: LabelledArray, domain: RasterDomain, *, write_crs: bool = False) -> LabelledArray:
    """Return a window with a transform of its own: what it was cut from may have left it another."""
    if not isinstance(array, HasRio):
        return array
    placed: object = array.rio.write_transform(domain.transform)
    if write_crs and domain.crs is not None and isinstance(placed, HasRio):
        placed = placed.rio.write_crs(domain.crs)
    return placed if isinstance(placed, LabelledArray) else array
