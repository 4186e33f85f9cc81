"""What a patcher over time takes: an array with an axis of time, whose steps are read when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np

from geopatcher.fields.labelled import LabelledArray
from geopatcher.fields.labelled_grid import nodata_of
from geopatcher.fields.masked import is_masked_lazily, parted
from geopatcher.temporal.coordinates import as_coordinate

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import ArrayLike

    from geopatcher.core.protocols import Array


@runtime_checkable
class ArrayOnDisk(Protocol):
    """An ndarray, a zarr or a Dask array: sliced along any axis."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        ...

    def __getitem__(self, cut: tuple[slice, ...], /) -> Array:
        """Return a part."""
        ...


class ByPosition(Protocol):
    """Rows of a table by number."""

    def __getitem__(self, rows: slice, /) -> object:
        """Return some rows."""
        ...


@runtime_checkable
class Table(Protocol):
    """A pandas Series or DataFrame: its rows are steps, its index is the coordinate."""

    @property
    def iloc(self) -> ByPosition:
        """Rows by number."""
        ...

    @property
    def index(self) -> ArrayLike:
        """Labels of the rows."""
        ...


#: What has an axis of time.
SeriesLike: TypeAlias = "LabelledArray | ArrayOnDisk | Table | Sequence[float]"
#: An axis by number, or of a `DataArray` by name.
TimeAxis: TypeAlias = "int | str"


class Series(Protocol):
    """Steps of something, read when they are asked for."""

    @property
    def n_steps(self) -> int:
        """How many."""
        ...

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    def labels(self) -> ArrayLike | None:
        """Return the coordinate it brings along, if there is one."""
        ...

    def read(self, steps: slice) -> object:
        """Return some steps, in memory of their own."""
        ...


@dataclass(frozen=True)
class _Labelled:
    array: LabelledArray
    dim: Hashable

    @property
    def n_steps(self) -> int:
        return self.array.shape[self.array.dims.index(self.dim)]

    @property
    def name(self) -> str:
        sizes = ", ".join(f"{dim}: {n}" for dim, n in zip(self.array.dims, self.array.shape, strict=True))
        return f"DataArray {self.array.dtype} ({sizes})"

    def labels(self) -> ArrayLike | None:
        # Asked for one that is not there, a DataArray makes numbers up.
        return np.asarray(self.array.coords[self.dim]) if self.dim in self.array.coords else None

    def read(self, steps: slice) -> LabelledArray:
        return self.array.isel({self.dim: steps}).copy()  # lazy data stays lazy


@dataclass(frozen=True)
class _Plain:
    array: ArrayOnDisk
    axis: int
    name: str
    held: ArrayOnDisk | None = None

    @property
    def n_steps(self) -> int:
        return int(self.array.shape[self.axis])

    def labels(self) -> None:
        return None

    def read(self, steps: slice) -> Array:
        cut = (*[slice(None)] * self.axis, steps)
        # A view would show what is written into other patches.
        part = self.array[cut]
        cells = part.copy() if isinstance(part, np.ndarray) else np.asarray(part)
        if self.held is None:
            return cells
        return np.ma.array(cells, mask=~np.asarray(self.held[cut]))


@dataclass(frozen=True)
class _Rows:
    table: Table

    @property
    def n_steps(self) -> int:
        return len(np.asarray(self.table.index))

    @property
    def name(self) -> str:
        return f"{type(self.table).__name__} of {self.n_steps} rows"

    def labels(self) -> ArrayLike:
        return self.table.index

    def read(self, steps: slice) -> object:
        return self.table.iloc[steps]


def series_of(series: SeriesLike, time_axis: TimeAxis = 0) -> Series:
    """Return what steps are read from.

    Raises
    ------
    ValueError
        There is no such axis.
    TypeError
        Nothing is known about objects of this type.

    """
    if isinstance(series, LabelledArray):
        return _Labelled(series, _dimension(series, time_axis))
    if isinstance(time_axis, str):
        raise TypeError(
            f"time_axis={time_axis!r} is a name, and a {type(series).__name__} has none: a number"
        )
    if isinstance(series, Table):
        if index(time_axis) != 0:
            raise ValueError(f"the rows of a {type(series).__name__} are its steps: time_axis is 0")
        return _Rows(series)
    array = np.asarray(series) if isinstance(series, list | tuple) else series
    if not isinstance(array, ArrayOnDisk):
        raise TypeError(
            f"a series is an ndarray, a zarr or Dask array, a DataArray or a table of pandas, not "
            f"{type(series).__name__}"
        )
    name = f"{type(array).__name__} {array.dtype} {tuple(array.shape)}"
    cells, held = parted(array) if is_masked_lazily(array) else (array, None)
    return _Plain(cells, axis_of(time_axis, array.shape), name, held)


def nodata_in(series: object) -> float | int | None:
    """Return the value of missing cells, which the attributes of a `DataArray` say; else ``None``."""
    return nodata_of(series) if isinstance(series, LabelledArray) else None


def axis_of(time_axis: int, shape: tuple[int, ...]) -> int:
    """Return the number of an axis, counted from the first.

    Raises
    ------
    ValueError
        There is none of this number.

    """
    axis = index(time_axis)
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"time_axis={axis} is no axis of a series shaped {tuple(shape)}")
    return axis % len(shape)


def _dimension(array: LabelledArray, time_axis: TimeAxis) -> Hashable:
    if not isinstance(time_axis, str):
        return array.dims[axis_of(time_axis, array.shape)]
    if time_axis not in array.dims:
        raise ValueError(
            f"time_axis={time_axis!r} is none of the dimensions {', '.join(map(str, array.dims))}"
        )
    return time_axis


def coordinate_for(series: Series, coord: ArrayLike | None) -> Array:
    """Return the coordinate along the axis of time: the one that is given, or the series' own.

    Raises
    ------
    ValueError
        There is none, it has another length, or it does not increase.

    """
    found = series.labels() if coord is None else coord
    if found is None:
        raise ValueError(
            f"the stencil is in the units of a coordinate, and {series.name} brings none along: pass coord=, "
            f"the 1-D coordinate of its {series.n_steps} steps"
        )
    coordinate = as_coordinate(found)
    if len(coordinate) != series.n_steps:
        raise ValueError(f"coord has {len(coordinate)} points, and {series.name} has {series.n_steps} steps")
    return coordinate
