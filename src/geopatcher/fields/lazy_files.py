"""The stores that arrays of xarray and Dask read from, found behind the wrappers they are lazy by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from geopatcher.fields.lazy_identity import Graph, Graphed, HoldsVariable
from geopatcher.fields.source_files import files_under

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Tasks of a layer that are looked into: those that hold a whole array have a layer to themselves.
FEW = 4


@runtime_checkable
class _Variable(Protocol):
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


def files_of_lazy(array: object) -> tuple[Path, ...]:
    """Return the files and stores a `DataArray` reads; those only that can be known without reading it.

    >>> files_of_lazy(3)
    ()
    """
    variable = array.variable if isinstance(array, HoldsVariable) else None
    held = variable._data if isinstance(variable, _Variable) else None  # noqa: SLF001 - see `_Variable`
    found = dict.fromkeys(file for each in (held, *_in_graph(held)) for file in files_under(_innermost(each)))
    return tuple(found)


def _innermost(array: object) -> object:
    """Return the array behind all adapters."""
    while isinstance(array, _Wrapping):
        array = array.array
    return array.get_array() if isinstance(array, _Opening) else array


def _in_graph(array: object) -> Iterator[object]:
    """Yield what a Dask array is computed from."""
    graph = array.dask if isinstance(array, Graphed) else None
    for layer in graph.layers.values() if isinstance(graph, Graph) else ():
        if isinstance(layer, Mapping) and len(layer) <= FEW:
            yield from layer.values()
