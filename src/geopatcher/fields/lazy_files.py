"""The stores that arrays of xarray and Dask read from, found behind the wrappers they are lazy by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from geopatcher.fields.lazy_identity import Graph, Graphed, held_by, innermost
from geopatcher.fields.source_files import files_under

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Tasks of a layer that are looked into: those that hold a whole array have a layer to themselves.
FEW = 4


def files_of_lazy(array: object) -> tuple[Path, ...]:
    """Return the files and stores a `DataArray` reads; those only that can be known without reading it.

    >>> files_of_lazy(3)
    ()
    """
    held = held_by(array)
    found = dict.fromkeys(file for each in (held, *_in_graph(held)) for file in files_under(innermost(each)))
    return tuple(found)


def _in_graph(array: object) -> Iterator[object]:
    """Yield what a Dask array is computed from."""
    graph = array.dask if isinstance(array, Graphed) else None
    for layer in graph.layers.values() if isinstance(graph, Graph) else ():
        if isinstance(layer, Mapping) and len(layer) <= FEW:
            yield from layer.values()
