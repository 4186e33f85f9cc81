"""Arrays whose cells are masked, taken apart: the cells, and where they hold data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, cast, runtime_checkable

import numpy as np

from geopatcher._optional import load

if TYPE_CHECKING:
    from geopatcher.core.arrays import Sliceable

T = TypeVar("T")


@runtime_checkable
class Lazy(Protocol):
    """A collection of Dask."""

    def __dask_graph__(self) -> object:
        """Return the tasks it is computed by."""
        ...


def is_masked_lazily(array: object) -> bool:
    """Whether a Dask array says that its pieces are masked: made an ndarray it would lose the mask."""
    return isinstance(array, Lazy) and isinstance(
        load("dask.array").utils.meta_from_array(array), np.ma.MaskedArray
    )


def parted(array: T) -> tuple[T, Sliceable | None]:
    """Return the cells of an array, and where they hold data; ``None`` where no mask says so.

    >>> parted(np.ma.array([1, 2], mask=[False, True]))
    (array([1, 2]), array([ True, False]))
    """
    if isinstance(array, np.ma.MaskedArray):
        return cast("T", np.ma.getdata(array)), ~np.ma.getmaskarray(array)
    if is_masked_lazily(array):
        masks = load("dask.array").ma
        return masks.getdata(array), ~masks.getmaskarray(array)
    return array, None
