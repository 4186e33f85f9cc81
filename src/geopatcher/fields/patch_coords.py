"""Coordinates of an array with named dimensions: one by name, and those of patches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import numpy as np

from geopatcher.core.box import box_of

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from geopatcher.core.box import Box, PixelWindow
    from geopatcher.fields.labelled import LabelledArray
    from geopatcher.fields.labelled_grid import Grid


def coordinate_of(array: LabelledArray, name: Hashable) -> NDArray[np.generic]:
    """Return the values of a coordinate.

    Raises
    ------
    KeyError
        There is none of that name.

    """
    if name not in array.coords:
        known = ", ".join(repr(other) for other in array.coords) or "none"
        raise KeyError(f"there is no coordinate {name!r}: the array has {known}")
    return np.asarray(array.coords[name])


def coords_of_patch(
    array: LabelledArray, grid: Grid, indices: PixelWindow | Mapping[Hashable, object] | None
) -> dict[Hashable, NDArray[np.generic]]:
    """Return the coordinates of a patch by dimension; positions where a dimension has none.

    Raises
    ------
    TypeError
        The patch does not say where it is.

    """
    if indices is None:
        raise TypeError("a patch without indices does not say where it is: take those of split")
    lengths = dict(zip(array.dims, array.shape, strict=True))
    if isinstance(indices, Mapping):
        return {
            dim: np.atleast_1d(_values(array, dim, n)[cast("slice", indices.get(dim, slice(None)))])
            for dim, n in lengths.items()
        }
    box = box_of(indices)
    return {dim: _along(array, grid, dim, n, box) for dim, n in lengths.items()}


def _values(array: LabelledArray, dim: Hashable, n: int) -> NDArray[np.generic]:
    return np.asarray(array.coords[dim]) if dim in array.coords else np.arange(n)


def _along(array: LabelledArray, grid: Grid, dim: Hashable, n: int, box: Box) -> NDArray[np.generic]:
    values = _values(array, dim, n)
    if dim not in (grid.rows, grid.cols):
        return values
    start, stop = (box.row0, box.row1) if dim == grid.rows else (box.col0, box.col1)
    if start >= 0 and stop <= n:
        return values[start:stop]
    a, b, c, d, e, f = grid.domain.transform[:6]
    if b or d or dim not in array.coords:
        return np.arange(start, stop)
    first, step = (f, e) if dim == grid.rows else (c, a)
    beyond: NDArray[np.generic] = first + step * (np.arange(start, stop) + 0.5)
    return beyond
