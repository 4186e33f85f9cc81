"""What identifies arrays of xarray and Dask: their cells, where those are in memory, or their files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher.core.digests import array_digest, cells_digest, digest_of
from geopatcher.fields.origin import FileOrigin, NamedOrigin
from geopatcher.fields.zarr_group import snapshot_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.core.arrays import Sliceable
    from geopatcher.fields.labelled import LabelledArray
    from geopatcher.fields.origin import Origin

#: Rows of a lazy array that are read to tell it from others in the same file.
SAMPLE_ROWS = 16


@runtime_checkable
class HoldsChunks(Protocol):
    """A `DataArray`: ``None`` where it is not chunked."""

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...] | None:
        """Lengths of the pieces along each axis."""
        ...


@runtime_checkable
class HoldsData(Protocol):
    """A `DataArray`."""

    @property
    def data(self) -> object:
        """Its cells, as they are held."""
        ...


@runtime_checkable
class _HoldsName(Protocol):
    @property
    def name(self) -> object: ...


@runtime_checkable
class Graph(Protocol):
    """How a Dask array is computed: layers of tasks, and which others each needs."""

    layers: Mapping[str, Mapping[object, object]]
    dependencies: Mapping[str, set[str]]


@runtime_checkable
class Graphed(Protocol):
    """A Dask array."""

    @property
    def dask(self) -> Graph:
        """How it is computed."""
        ...


@runtime_checkable
class _Variable(Protocol):
    """What is in a `DataArray`; xarray has no public way to ask whether it was read."""

    @property
    def _in_memory(self) -> bool: ...


@runtime_checkable
class HoldsVariable(Protocol):
    """A `DataArray`."""

    @property
    def variable(self) -> object:
        """What is in it."""
        ...


@runtime_checkable
class _HoldsAny(Protocol):
    """What is in a `DataArray`; xarray has no public way to ask for it without reading it."""

    @property
    def _data(self) -> object: ...


@runtime_checkable
class _Wrapping(Protocol):
    """An adapter of xarray around another array."""

    @property
    def array(self) -> object: ...


@runtime_checkable
class _Opening(Protocol):
    """A variable in a store, as xarray's backends hold it."""

    def get_array(self) -> object: ...


@dataclass(frozen=True)
class _WithSample:
    """A lazy array of a file or a snapshot; rows of it tell it from others there, such as another band."""

    origin: Origin
    cells: Sliceable

    def identity(self) -> Mapping[str, str | int | float]:
        """Return what is known of the file or snapshot, and a digest of some rows."""
        height, width = self.cells.shape[-2:]
        step = max(1, height // SAMPLE_ROWS)
        rows = [self.cells[..., slice(row, row + 1), slice(0, width)] for row in range(0, height, step)]
        return {**self.origin.identity(), "rows": digest_of(*map(array_digest, rows))}

    def version(self) -> str:
        """Return the version of the file or snapshot."""
        return self.origin.version()


@dataclass(frozen=True)
class _InMemory:
    """An array in memory with coordinates."""

    cells: Sliceable
    coordinates: str

    def identity(self) -> Mapping[str, str | int | float]:
        """Return digests of all cells and of the coordinates."""
        return {"cells": cells_digest(self.cells), "coordinates": self.coordinates}

    def version(self) -> str:
        """Return ``""``: all cells would have to be looked at."""
        return ""


def origin_of_labelled(array: LabelledArray, cells: Sliceable) -> Origin:
    """Return what identifies a `DataArray`, whose ``cells`` are those of its grid."""
    path = array.encoding.get("source")
    coordinates = _coordinates(array)
    known = {"variable": str(array.name if isinstance(array, _HoldsName) else ""), "coordinates": coordinates}
    if isinstance(array, HoldsChunks) and array.chunks is not None:
        data = array.data if isinstance(array, HoldsData) else None
        if isinstance(path, str):
            return FileOrigin(path, {**known, "key": _key(data)})
        return NamedOrigin({**known, "key": _key(data)}, _trouble(data))
    if _is_in_memory(array):
        return _InMemory(cells, coordinates)
    snapshot = snapshot_of(innermost(held_by(array)))
    if snapshot:
        return _WithSample(NamedOrigin(known | {"snapshot": snapshot}), cells)
    if not isinstance(path, str):
        return _InMemory(cells, coordinates)
    return _WithSample(FileOrigin(path, known), cells)


def origin_of_chunked(array: object) -> Origin:
    """Return what identifies a Dask array: how it is computed, by its name; of Icechunk, which snapshot."""
    known = {"array": type(array).__name__, "key": _key(array)}
    snapshot = snapshot_of(array)
    return NamedOrigin(known | {"snapshot": snapshot}) if snapshot else NamedOrigin(known, _trouble(array))


def held_by(array: object) -> object:
    """Return what is in a `DataArray`, as it is held; ``None`` of another object."""
    variable = array.variable if isinstance(array, HoldsVariable) else None
    return variable._data if isinstance(variable, _HoldsAny) else None  # noqa: SLF001 - see `_HoldsAny`


def innermost(array: object) -> object:
    """Return the array behind all adapters."""
    while isinstance(array, _Wrapping):
        array = array.array
    return array.get_array() if isinstance(array, _Opening) else array


def _is_in_memory(array: LabelledArray) -> bool:
    """Whether an array was read: then its cells may have been changed, whatever its file holds."""
    variable = array.variable if isinstance(array, HoldsVariable) else None
    return not isinstance(variable, _Variable) or variable._in_memory  # noqa: SLF001 - see `_Variable`


def _trouble(array: object) -> str:
    """Return why the name of a Dask array does not tell its cells; ``""`` if all it is made of is in memory.

    A name is a digest of how an array is computed: of arrays in memory with all their cells, but of files
    at most with their names.
    """
    graph = array.dask if isinstance(array, Graphed) else None
    if isinstance(graph, Graph):
        roots = [layer for name, layer in graph.layers.items() if not graph.dependencies.get(name)]
        if roots and all(isinstance(piece, np.ndarray) for layer in roots for piece in layer.values()):
            return ""
    return f"a {type(array).__module__.partition('.')[0]} array may be computed from files that have changed"


def _key(array: object) -> str:
    name = array.name if isinstance(array, _HoldsName) else ""
    return name if isinstance(name, str) else ""


def _coordinates(array: LabelledArray) -> str:
    """Return a digest of the names and values of all coordinates."""
    texts = []
    for name in sorted(array.coords, key=str):
        values = np.asarray(array.coords[name])
        texts += [str(name), repr(values.tolist()) if values.dtype.hasobject else array_digest(values)]
    return digest_of(*texts)
