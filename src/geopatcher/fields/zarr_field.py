"""A zarr store as a source of pixels, with the georeference it carries."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher.errors import SourceChangedError, SourceError
from geopatcher.fields.array_source import ArraySource, is_mask
from geopatcher.fields.flat_bands import FlatBands, along_all, flat_bands
from geopatcher.fields.labelled_grid import grid_of
from geopatcher.fields.source_files import store_of
from geopatcher.fields.stored_values import PLAIN, StoredValues
from geopatcher.fields.zarr_group import ZarrNode, place_of_node
from geopatcher.fields.zarr_labels import CORRUPT, open_node
from geopatcher.fields.zarr_places import dims_of, place_of
from geopatcher.formats.chunk_guard import read_cells, require_chunks
from geopatcher.formats.local_files import is_elsewhere, is_here
from geopatcher.formats.side_by_side import READS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from types import EllipsisType

    import zarr

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array, Sliceable
    from geopatcher.fields.labelled_grid import Grid
    from geopatcher.fields.origin import Origin
    from geopatcher.fields.zarr_labels import Opened, StoredLabels
    from geopatcher.fields.zarr_places import Place

#: The array of a result.
RESULT = "data"


@dataclass(frozen=True, eq=False)
class StoredArray:
    """A zarr array as one of ``(height, width)``, any leading dimensions before, in whatever order it is.

    ``axes`` are the axes of leading dimensions, rows and columns in what is stored, and ``values`` says how
    its cells are taken. Errors name the store and the window.
    """

    array: zarr.Array
    name: str
    axes: tuple[int, ...] = ()
    values: StoredValues = PLAIN

    def files(self) -> tuple[Path, ...]:
        """Return the folder of the whole store; none of one that is elsewhere."""
        return () if is_elsewhere(self.name) else (store_of(Path(self.name)),)

    @property
    def order(self) -> tuple[int, ...]:
        """Axes of leading dimensions, rows and columns in what is stored."""
        return self.axes or tuple(range(len(self.array.shape)))

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)``, with any leading dimensions before."""
        return tuple(int(self.array.shape[axis]) for axis in self.order)

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        return self.values.dtype(np.dtype(self.array.dtype))

    @property
    def reads_at_once(self) -> int:
        """Several where each waits for a server."""
        return READS_AT_ONCE if is_elsewhere(self.name) else 1

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns that are decoded together."""
        return self._pair(self.array.shards or self.array.chunks)

    @property
    def chunk(self) -> tuple[int, int]:
        """Rows and columns of a chunk."""
        return self._pair(self.array.chunks)

    def _pair(self, lengths: tuple[int, ...]) -> tuple[int, int]:
        rows, cols = (int(lengths[axis]) for axis in self.order[-2:])
        return rows, cols

    def beside(self, array: zarr.Array, name: str) -> StoredArray:
        """Return another array of the same dimensions."""
        return StoredArray(array, name, self.axes if len(array.shape) == len(self.array.shape) else ())

    def __getitem__(self, index: tuple[EllipsisType | slice | int, ...]) -> Array:
        """Return cells; those of a chunk that was never written are the fill value.

        Raises
        ------
        SourceError
            A chunk cannot be read or decoded.

        """
        order = self.order
        given = [part for part in index if part is not ...]
        parts = [slice(None)] * (len(order) - len(given)) + given
        key: list[slice | int] = [0] * len(self.array.shape)
        for axis, part in zip(order, parts, strict=True):
            key[axis] = part
        kept = [axis for axis, part in zip(order, parts, strict=True) if isinstance(part, slice)]
        try:
            cells = read_cells(self.array, key)
        except CORRUPT as error:
            rows, cols = (f"{part.start}:{part.stop}" for part in parts[-2:] if isinstance(part, slice))
            doing = f"cannot read {self.name}, rows {rows}, columns {cols}"
            if isinstance(error, SourceError):  # of a server
                raise type(error)(f"{doing}: {error}") from error
            raise SourceError(
                f"{doing}: a chunk is damaged or unreadable ({type(error).__name__}: {error})"
            ) from error
        return self.values.plain(cells.transpose([sorted(kept).index(axis) for axis in kept]))


class _Mask(NamedTuple):
    """An array that says which cells of another hold data, as it is stored, and as one of bands."""

    stored: StoredArray
    cells: Sliceable


def zarr_source(
    path: str | Path | ZarrNode, array: str = RESULT, credentials: str | None = None
) -> ArraySource:
    """Open an array of a zarr group, or a zarr array itself, as a source of pixels.

    ``path`` is that of a store, of a group in one, or of an array, such as ``scene.zarr/ndvi``; or such an
    address in a bucket or on a web server, see `geopatcher.fields.zarr_places`; or an open group or array. Of
    a group ``array`` is taken where it has it, else its only array of rows and columns; of a pyramid of the
    GeoZarr convention ``multiscales``, the finest level. Dimension names say which axes are rows,
    columns and bands, and coordinates where they lie, as of a `xarray.DataArray`. Values are those that
    are stored: a scale and an offset are kept as metadata.

    Raises
    ------
    SourceError
        There is no zarr store, or it has no such array, or several.

    """
    place = place_of_node(path) if isinstance(path, ZarrNode) else place_of(path, credentials)
    stored, domain, mask = found = _found(place, array)
    return ArraySource(
        flat_bands(stored),
        domain,
        label=str(place),
        block=stored.block,
        origin=_StoreOrigin(place.origin(found.arrays), place, array, found.described),
        mask=None if mask is None else mask.cells,
    )


class _Found(NamedTuple):
    """The cells of an array, what they mean, and which of them hold data."""

    stored: StoredArray
    domain: RasterDomain
    mask: _Mask | None

    @property
    def arrays(self) -> list[zarr.Array]:
        """The arrays of the store."""
        return [self.stored.array] if self.mask is None else [self.stored.array, self.mask.stored.array]

    @property
    def described(self) -> str:
        """How the arrays are stored, and what is read of them."""
        stored = [{**array.metadata.to_dict(), "attributes": None} for array in self.arrays]
        read = (self.stored.axes, self.stored.values)
        return repr((stored, read, self.domain))


def _found(place: Place, array: str) -> _Found:
    opened, name = _chosen(place, array)
    try:
        labels = opened.labelled(name)
        require_chunks(labels.array)
        grid = grid_of(labels)
        stored = _stored(labels, grid, str(place))
    except (ValueError, TypeError) as error:
        raise SourceError(f"{place} cannot be used: {error}") from error
    missing = stored.values.missing
    domain = replace(grid.domain, nodata=missing[0] if missing else grid.domain.nodata)
    return _Found(stored, domain, _mask(opened, labels, grid, str(place)))


@dataclass(frozen=True)
class _StoreOrigin:
    """An array of a store: ``opened`` is how it was found, which it has to be still when it is read."""

    origin: Origin
    place: Place
    wanted: str
    opened: str
    _seen: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    def identity(self) -> Mapping[str, str | int | float]:
        """Return what tells the array from another."""
        return self.origin.identity()

    def version(self) -> str:
        """Return a text that changes when the array does.

        Raises
        ------
        SourceChangedError
            It has another shape, dtype, codec or place than when it was opened.

        """
        version = self.origin.version()
        if [version] != self._seen:
            if _found(self.place, self.wanted).described != self.opened:
                raise SourceChangedError(f"{self.place} has changed since it was opened: open it again")
            self._seen[:] = [version]
        return version


def stored_array(source: ArraySource) -> StoredArray | None:
    """Return the array behind a source that `zarr_source` made; ``None`` of another, or of some bands."""
    array = source.array.array if isinstance(source.array, FlatBands) else source.array
    return array if isinstance(array, StoredArray) else None


def is_zarr(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder that holds zarr metadata.

    >>> is_zarr("nowhere.zarr")
    False
    """
    if is_elsewhere(os.fspath(path)) or not is_here(os.fspath(path)):
        return False
    place = Path(path)
    return place.is_dir() and any((place / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def _chosen(place: Place, wanted: str) -> tuple[Opened, str]:
    """Return the group and the name of the array that a path and a name stand for."""
    opened, name = open_node(place, wanted)
    if name is not None:
        if wanted not in (RESULT, name):
            raise SourceError(f"{place} is an array, and has no variable {wanted!r} in it: leave it out")
        return opened, name
    if wanted in opened.arrays and len(opened.arrays[wanted].shape) >= 2:
        return opened, wanted
    rasters = opened.rasters
    if wanted == RESULT and len(rasters) == 1:
        return opened, rasters[0]
    if wanted == RESULT and not rasters and opened.finest is not None:
        return _chosen(place.child(opened.finest), wanted)
    if wanted == RESULT and len(rasters) > 1:
        raise SourceError(
            f"{place} holds {len(rasters)} rasters, {', '.join(rasters)}: name one of them by variable="
            f"{rasters[0]!r}, or by its path, such as {place}/{rasters[0]}"
        )
    known = ", ".join(sorted(rasters)) or "none of two or more dimensions"
    groups = f"; its groups, each of which has a path of its own: {', '.join(opened.groups)}" * bool(
        opened.groups
    )
    raise SourceError(f"{place} has no array {wanted!r} to read as a raster; its arrays: {known}{groups}")


def _stored(labels: StoredLabels, grid: Grid, name: str) -> StoredArray:
    """Return the cells of an array as those of a grid."""
    values = StoredValues.of(labels.attrs, np.dtype(labels.array.dtype), ranged=True)
    return StoredArray(labels.array, name, tuple(labels.dims.index(dim) for dim in grid.dims), values)


def _mask(opened: Opened, labels: StoredLabels, grid: Grid, name: str) -> _Mask | None:
    """Return the array that says which cells of another hold data, as results have it where they need one."""
    for key in str(labels.attrs.get("ancillary_variables", "")).split():
        flag = opened.arrays.get(key)
        if flag is None or not is_mask(_said_of(flag, f"{name}/{key}")):
            continue
        dims = dims_of(flag)
        if {grid.rows, grid.cols} <= set(dims):
            own = [dim for dim in grid.dims if str(dim) in dims]
            axes, wanted = tuple(dims.index(str(dim)) for dim in own), tuple(grid.lengths[dim] for dim in own)
            if tuple(flag.shape[axis] for axis in axes) != wanted:
                raise SourceError(
                    f"{name} cannot be used: {key}, which says where it holds data, has the shape "
                    f"{flag.shape}, and {wanted} is that of what it is of"
                )
            stored = StoredArray(flag, f"{name}/{key}", axes)
            held = tuple(str(dim) in dims for dim in grid.leading)
            return _Mask(stored, along_all(stored, grid.domain.lengths, held))
    return None


def _said_of(array: zarr.Array, name: str) -> dict[Hashable, object]:
    try:
        return dict(array.attrs)
    except TypeError as error:
        raise SourceError(f"{name} cannot be used: its attributes are no object ({error})") from error
