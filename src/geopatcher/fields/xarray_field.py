"""`xarray.DataArray` and Dask arrays as fields: read strip by strip, never whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher._optional import load
from geopatcher.box import Box, box_of
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.labelled_grid import Grid, HasRio, LabelledArray, grid_of
from geopatcher.fields.raster import RasterField

if TYPE_CHECKING:
    from types import EllipsisType

    from affine import Affine

    from geopatcher.box import PixelWindow
    from geopatcher.domain import RasterDomain
    from geopatcher.protocols import Array, PixelSource


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

    def __getitem__(self, index: tuple[EllipsisType | slice, ...]) -> Array:
        """Return a rectangle of cells."""
        ...


@dataclass(frozen=True, eq=False)
class _Slices:
    """A `DataArray` that is sliced like an array of ``(bands, rows, cols)``; reads what is asked for."""

    array: LabelledArray
    grid: Grid

    @property
    def shape(self) -> tuple[int, ...]:
        return self.grid.domain.shape

    @property
    def dtype(self) -> np.dtype:
        return self.grid.domain.dtype

    def __getitem__(self, index: tuple[EllipsisType | slice, ...]) -> Array:
        rows, cols = (part for part in index[-2:] if isinstance(part, slice))
        part = self.array.isel(self.grid.indexers(rows, cols))
        return np.asarray(part.transpose(*self.grid.dims))


class XarrayField:
    """A `xarray.DataArray` as a field.

    Rows and columns are found by the names of the dimensions (``y``, ``lat``, ``northing``...), by
    their CF attributes, or else are the last two; one further dimension holds the bands. Lazy arrays
    (Dask, files) are read strip by strip. Georeference and nodata are read by rioxarray where it is
    installed, else from the CF grid mapping and the coordinates.

    Raises
    ------
    ValueError
        The array has more dimensions, or its coordinates are not evenly spaced.

    Examples
    --------
    >>> import numpy as np, xarray
    >>> coords = {"y": [25.0, 15.0], "x": [105.0, 115.0, 125.0]}
    >>> field = XarrayField(xarray.DataArray(np.zeros((2, 3)), coords, ("y", "x")))
    >>> field.domain.bounds
    (100.0, 10.0, 130.0, 30.0)

    """

    def __init__(self, array: LabelledArray) -> None:
        self.array, self._grid = grid_of(array)
        sizes = ", ".join(f"{dim}: {n}" for dim, n in zip(self._grid.dims, self.domain.shape, strict=True))
        self.source: PixelSource = ArraySource(
            _Slices(self.array, self._grid),
            self._grid.domain,
            label=f"DataArray {self.domain.dtype} ({sizes})",
            block=_block(self.array, self._grid),
            origin=_origin(self.array),
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
        """Return a window as a `DataArray` of its own, lazy where the array is."""
        box = box_of(indexer)
        part = self.array.isel(self._grid.indexers(*box.slices())).copy()
        return _placed(part, self.domain.cut(box))

    def with_data(self, array: Array) -> XarrayField:
        """Return a field on the same grid holding ``array``, ``(h, w)`` or ``(bands, h, w)``."""
        if array.shape[-2:] != self.domain.grid_shape:
            raise ValueError(
                f"an array of {array.shape} does not lie on the grid of {self.domain.grid_shape}"
            )
        return XarrayField(self._labelled(array, Box.of_shape(self.domain.grid_shape)))

    def dress(self, pixels: Array, box: Box) -> LabelledArray:
        """Return pixels ``(bands, h, w)`` as a `DataArray` with the coordinates of ``box``."""
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
        if bands and self._grid.bands in self.array.coords and len(array) == self.domain.n_bands:
            coords[bands[0]] = np.asarray(self.array.coords[bands[0]])
        dims = (*bands, self._grid.rows, self._grid.cols)
        labelled: LabelledArray = load("xarray").DataArray(array, coords, dims, attrs=dict(self.array.attrs))
        return _placed(labelled, domain, write_crs=True)


class RioXarrayField(XarrayField):
    """An `XarrayField` whose georeference rioxarray reads, which must be installed.

    Raises
    ------
    MissingExtraError
        rioxarray is not installed.

    """

    def __init__(self, array: LabelledArray) -> None:
        load("rioxarray")
        super().__init__(array)


class DaskField(RasterField):
    """A Dask array, ``(h, w)`` or ``(bands, h, w)``, as a field; computed strip by strip.

    ``transform``, ``crs``, ``nodata`` and ``band_names`` are those of `RasterField.from_array`.

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
            origin={"array": f"{type(array).__name__} {array.shape} {array.dtype} {_key(array)}"},
        )
        super().__init__(source)


@runtime_checkable
class _Keyed(Protocol):
    """An array whose name says how it was made, such as a Dask array."""

    @property
    def name(self) -> str: ...


@runtime_checkable
class _HoldsChunks(Protocol):
    """A `DataArray`: ``None`` where it is not chunked."""

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...] | None: ...


@runtime_checkable
class _HoldsData(Protocol):
    @property
    def data(self) -> object: ...


def _key(array: object) -> str:
    return array.name if isinstance(array, _Keyed) and isinstance(array.name, str) else ""


def _pieces(chunks: tuple[int | tuple[int, ...], ...]) -> tuple[int, int]:
    rows, cols = (piece if isinstance(piece, int) else piece[0] for piece in chunks[-2:])
    return (max(1, rows), max(1, cols))


def _block(array: LabelledArray, grid: Grid) -> tuple[int, int] | None:
    """Return the pieces a lazy array is computed or stored in."""
    if isinstance(array, _HoldsChunks) and array.chunks is not None:
        by_dim = dict(zip(array.dims, array.chunks, strict=True))
        return _pieces((by_dim[grid.rows], by_dim[grid.cols]))
    stored = array.encoding.get("preferred_chunks")
    if isinstance(stored, dict):
        rows, cols = stored.get(grid.rows), stored.get(grid.cols)
        if isinstance(rows, int) and isinstance(cols, int):
            return (rows, cols)
    return None


def _origin(array: LabelledArray) -> dict[str, str | int | float] | None:
    """Return what identifies an array that is not in memory: its file, or how Dask makes it."""
    path = array.encoding.get("source")
    chunked = isinstance(array, _HoldsChunks) and array.chunks is not None
    if not chunked and not isinstance(path, str):
        return None
    known: dict[str, str | int | float] = {"shape": str(array.shape), "dtype": str(array.dtype)}
    if chunked and isinstance(array, _HoldsData):  # not asked of others: it would read them
        known["key"] = _key(array.data)
    if isinstance(path, str):
        known["path"] = path
        if Path(path).is_file():
            status = Path(path).stat()
            known |= {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
    return known


def _placed(array: LabelledArray, domain: RasterDomain, *, write_crs: bool = False) -> LabelledArray:
    """Return a window with a transform of its own: what it was cut from may have left it another."""
    if not isinstance(array, HasRio):
        return array
    placed: object = array.rio.write_transform(domain.transform)
    if write_crs and domain.crs is not None and isinstance(placed, HasRio):
        placed = placed.rio.write_crs(domain.crs)
    return placed if isinstance(placed, LabelledArray) else array
