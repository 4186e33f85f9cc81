"""`xarray.DataArray` as a field: read strip by strip, never whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import load
from geopatcher.core.box import Box, box_of
from geopatcher.core.grid_domain import DEGREES
from geopatcher.core.leading import BAND, unnamed
from geopatcher.fields.array_source import ArraySource, is_mask
from geopatcher.fields.boundless import read_boundless
from geopatcher.fields.dask_field import pieces
from geopatcher.fields.facts import field_card
from geopatcher.fields.flat_bands import along_all, flat_bands
from geopatcher.fields.labelled import HasRio, LabelledArray
from geopatcher.fields.labelled_grid import Grid, grid_of
from geopatcher.fields.lazy_files import files_of_lazy
from geopatcher.fields.lazy_identity import HoldsChunks, origin_of_labelled
from geopatcher.fields.patch_coords import coordinate_of, coords_of_patch
from geopatcher.fields.source_files import files_behind, store_of
from geopatcher.fields.stored_values import PLAIN, StoredValues
from geopatcher.fields.zarr_field import is_zarr
from geopatcher.formats.attributes import MISSING_VALUES
from geopatcher.formats.gdal_environment import foreign

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from types import EllipsisType

    from numpy.typing import NDArray

    from geopatcher.core.box import PixelWindow
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.patch import Patch
    from geopatcher.core.protocols import Array, Sliceable


@dataclass(frozen=True, eq=False)
class _Slices:
    """A `DataArray` that is sliced like an array of its grid's dimensions; reads what is asked for."""

    array: LabelledArray
    grid: Grid
    values: StoredValues = PLAIN

    def files(self) -> tuple[Path, ...]:
        """Return the file or store the array says it was read from, or the one its cells are mapped from."""
        path = self.array.encoding.get("source")
        if isinstance(path, str):
            return (store_of(Path(path)),) if is_zarr(path) else files_behind(path)
        return files_of_lazy(self.array)

    @property
    def dims(self) -> tuple[Hashable, ...]:
        """Those of the grid that the array has; a mask may lack leading ones."""
        return tuple(dim for dim in self.grid.dims if dim in self.array.dims)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.grid.lengths[dim] for dim in self.dims)

    @property
    def dtype(self) -> np.dtype:
        return self.grid.domain.dtype

    def __getitem__(self, index: tuple[EllipsisType | slice, ...], /) -> Array:
        rows, cols = (part for part in index[-2:] if isinstance(part, slice))
        indexers = self.grid.indexers(rows, cols)
        for dim, place in zip(self.dims, index[:-2], strict=False):
            if isinstance(place, slice):
                indexers[dim] = place
        part = self.array.isel(indexers)
        with foreign("a DataArray", f"rows {rows.start}:{rows.stop}, columns {cols.start}:{cols.stop}"):
            return self.values.plain(np.asarray(part.transpose(*self.dims)))


class XarrayField:
    """A `xarray.DataArray` as a field.

    Rows and columns are found by the names of the dimensions (``y``, ``lat``, ``northing``...), by
    their CF attributes, or else are the last two; further ones, such as times and bands, come before them,
    with their coordinates. Lazy arrays
    (Dask, files) are read strip by strip. The CRS is that of the CF grid mapping, or what else rioxarray
    finds; the transform that of the coordinates. Values are taken as they are: a ``scale_factor`` among
    the attributes is kept with the result, and not applied.

    Parameters
    ----------
    da
        With two dimensions of space, and any others.

    Attributes
    ----------
    da
        The same.

    Raises
    ------
    ValueError
        The array has no two dimensions, or its coordinates are not evenly spaced.
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

    #: Whether what lies beyond a valid range that attributes name is missing.
    _ranged = False

    def __init__(self, da: LabelledArray) -> None:
        if not isinstance(da, LabelledArray):
            raise TypeError(f"an XarrayField is made of a xarray.DataArray, not {type(da).__name__}")
        values = _stored(da, ranged=self._ranged)
        self._grid = _taken(grid_of(da), values)
        self.da = da
        sizes = ", ".join(f"{dim}: {n}" for dim, n in self._grid.lengths.items())
        cells = _Slices(self.da, self._grid, values)
        self.source = ArraySource(
            flat_bands(cells),
            self._grid.domain,
            label=f"DataArray {self.domain.dtype} ({sizes})",
            block=_block(self.da, self._grid),
            origin=origin_of_labelled(self.da, cells),
            mask=_mask(self.da, self._grid),
        )

    def __repr__(self) -> str:
        domain = self.domain
        what = f"{domain.n_bands} x {domain.dtype}, {domain.height:,} x {domain.width:,} pixels"
        return f"{type(self).__name__}({self.source.name}, {what})"

    def _repr_html_(self) -> str:
        return field_card(self, self.source.name, self.domain)

    @property
    def domain(self) -> RasterDomain:
        """Grid, georeference, dtype and nodata."""
        return self._grid.domain

    @property
    def in_degrees(self) -> bool:
        """Whether rows and columns are called latitude and longitude."""
        return {str(self._grid.rows).lower(), str(self._grid.cols).lower()} <= set(DEGREES)

    @property
    def gives_windows(self) -> bool:
        """Windows are DataArrays."""
        return True

    def select(self, indexer: PixelWindow | Mapping[Hashable, slice | int]) -> LabelledArray:
        """Return a window as a `DataArray` of its own, lazy where the array is.

        Parameters
        ----------
        indexer
            A rasterio ``Window`` of whole pixels, or ``{dim: index}``, as for ``isel``. Where a window
            reaches over the edge it is filled: with NaN, of integers with their nodata value, else 0.

        Returns
        -------
        xarray.DataArray
            With its own coordinates.

        """
        if isinstance(indexer, Mapping):
            return self.da.isel(indexer).copy()
        box = box_of(indexer)
        if not Box.of_shape(self.domain.grid_shape).contains(box):
            return self.dress(read_boundless(self.source, box), box)
        part = self.da.isel(self._grid.indexers(*box.slices())).copy()
        return _placed(part, self.domain.cut(box))

    def with_data(self, array: Array) -> XarrayField:
        """Return a field on the same grid holding ``array``, with any leading dimensions.

        Parameters
        ----------
        array
            ``(h, w)`` or ``(bands, h, w)``, or more, of the field's height and width.

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

    def time_coord(self, name: str = "time") -> NDArray[np.generic]:
        """Return a coordinate, such as the times that a `TemporalPatcher` wants as ``coord``.

        Parameters
        ----------
        name
            Of the coordinate.

        Returns
        -------
        numpy.ndarray
            Its values: ``datetime64``, or what else it holds.

        Raises
        ------
        KeyError
            There is no such coordinate; names those there are.

        """
        return coordinate_of(self.da, name)

    def coords_per_patch(self, patches: Iterable[Patch[object]]) -> list[dict[Hashable, NDArray[np.generic]]]:
        """Return the coordinates of each patch: those of its rows and columns, and of other dimensions whole.

        Parameters
        ----------
        patches
            Patches of this field; their ``indices`` say where they are.

        Returns
        -------
        list of dict
            ``{dim: values}`` for each, in their order. Beyond the edge coordinates go on evenly.

        """
        return [coords_of_patch(self.da, self._grid, patch.indices) for patch in patches]

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
        return self._labelled(pixels.reshape(*self.domain.lengths, *pixels.shape[-2:]), box)

    def _labelled(self, array: Array, box: Box) -> LabelledArray:
        domain = self.domain.cut(box)
        leading = self._leading_of(array.shape[:-2])
        coords = {}
        if domain.transform.b == domain.transform.d == 0:
            a, _, c, _, e, f = domain.transform[:6]
            coords = {
                self._grid.rows: f + e * (np.arange(box.height) + 0.5),
                self._grid.cols: c + a * (np.arange(box.width) + 0.5),
            }
        coords |= {dim: self.da.coords[dim] for dim in leading if dim in self.da.coords}
        coords |= {name: one for name, one in self.da.coords.items() if not one.dims}  # true of every patch
        dims = (*leading, self._grid.rows, self._grid.cols)
        labelled: LabelledArray = load("xarray").DataArray(
            array, coords, dims, name=self.da.name, attrs=dict(self.da.attrs)
        )
        return _placed(labelled, domain, write_crs=True)

    def _leading_of(self, lengths: tuple[int, ...]) -> tuple[Hashable, ...]:
        """Return the names of the leading dimensions of an array: the field's own, where they are as long."""
        own = self._grid.leading
        if lengths == self.domain.lengths:
            return own
        if len(lengths) == 1:
            return own if len(own) == 1 and own[0] not in self.da.coords else (BAND,)
        return tuple(dimension.name for dimension in unnamed(lengths))


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


class StoredVariable(XarrayField):
    """A variable of a file as it is stored: what lies beyond its valid range is missing.

    Nobody has computed with it yet, so that the range is that of its values.

    Parameters
    ----------
    da
        As for `XarrayField`, not decoded.

    """

    _ranged = True


def _stored(array: LabelledArray, *, ranged: bool) -> StoredValues:
    """Return what attributes say of cells; nothing of those that xarray has decoded."""
    if any(array.encoding.get(key) is not None for key in MISSING_VALUES):
        return PLAIN
    return StoredValues.of(array.attrs, np.dtype(array.dtype), ranged=ranged)


def _taken(grid: Grid, values: StoredValues) -> Grid:
    """Return a grid of cells that are taken so."""
    nodata = values.missing[0] if values.missing else grid.domain.nodata
    return replace(grid, domain=replace(grid.domain, dtype=values.dtype(grid.domain.dtype), nodata=nodata))


def _block(array: LabelledArray, grid: Grid) -> tuple[int, int] | None:
    """Return the pieces a lazy array is computed or stored in."""
    if isinstance(array, HoldsChunks) and array.chunks is not None:
        by_dim = dict(zip(array.dims, array.chunks, strict=True))
        return pieces((by_dim[grid.rows], by_dim[grid.cols]))
    stored = array.encoding.get("preferred_chunks")
    if isinstance(stored, dict):
        rows, cols = stored.get(grid.rows), stored.get(grid.cols)
        if isinstance(rows, int) and isinstance(cols, int):
            return pieces((rows, cols))
    return None


def _mask(array: LabelledArray, grid: Grid) -> Sliceable | None:
    """Return the coordinate that says which cells hold data, as results have it where they need one.

    CF names it among the ``ancillary_variables``; it is a status flag, and 0 says that a cell is missing.
    """
    for name in str(array.attrs.get("ancillary_variables", "")).split():
        flag = array.coords.get(name)
        if flag is not None and is_mask(flag.attrs) and {grid.rows, grid.cols} <= set(flag.dims):
            held = tuple(dim in flag.dims for dim in grid.leading)
            return along_all(_Slices(flag, grid), grid.domain.lengths, held)
    return None


def _placed(array: LabelledArray, domain: RasterDomain, *, write_crs: bool = False) -> LabelledArray:
    """Return a window with a transform of its own: what it was cut from may have left it another."""
    if not isinstance(array, HasRio):
        return array
    placed: object = array.rio.write_transform(domain.transform)
    if write_crs and domain.crs is not None and isinstance(placed, HasRio):
        placed = placed.rio.write_crs(domain.crs)
    return placed if isinstance(placed, LabelledArray) else array
