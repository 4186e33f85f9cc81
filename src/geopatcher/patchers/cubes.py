"""A field with an axis of time: the field of some steps is cut into places like any other."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from rasterio.windows import Window

from geopatcher.core.protocols import BandSelectable, Field, PixelSource
from geopatcher.fields.labelled import LabelledArray
from geopatcher.fields.masked import is_masked_lazily
from geopatcher.fields.open import as_field
from geopatcher.fields.plain_field import array_of, raster_domain
from geopatcher.fields.raster import RasterField
from geopatcher.fields.xarray_field import XarrayField
from geopatcher.patchers.series import ArrayOnDisk, axis_of, series_of

if TYPE_CHECKING:
    from types import EllipsisType

    from numpy.typing import ArrayLike

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array
    from geopatcher.fields.open import Source
    from geopatcher.patchers.series import Series, TimeAxis

#: What has places and times: an array whose last two axes are rows and columns, or a field of such.
CubeLike: TypeAlias = "Source | LabelledArray | ArrayOnDisk"


class Cube(Protocol):
    """A field at each of its steps. As a `Series` it has a length, a name and perhaps labels."""

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
        """Return some steps of the whole field."""
        ...

    def at(self, steps: slice) -> Source:
        """Return the field of some steps; nothing is read."""
        ...

    def dress(self, data: object, steps: slice) -> object:
        """Return the data of a patch of that field with the axes that the cube has."""
        ...


@dataclass(frozen=True)
class _Labelled:
    """A `DataArray` of time, rows and columns."""

    array: LabelledArray
    series: Series

    @property
    def n_steps(self) -> int:
        return self.series.n_steps

    @property
    def name(self) -> str:
        return self.series.name

    def labels(self) -> ArrayLike | None:
        return self.series.labels()

    def read(self, steps: slice) -> object:
        return self.series.read(steps)

    def at(self, steps: slice) -> Source:
        return self.series.read(steps)  # type: ignore[return-value] # of a DataArray another

    def dress(self, data: object, steps: slice) -> object:
        _ = steps
        return data


@dataclass(frozen=True)
class _Flat:
    """Some steps of an array of any number of axes as bands, which are read when they are asked for."""

    array: ArrayOnDisk
    leading: tuple[slice, ...]
    n_bands: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.n_bands, *self.array.shape[-2:])

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.array.dtype)

    def __getitem__(self, cut: tuple[EllipsisType | slice, ...]) -> Array:
        rows, cols = (part for part in cut[-2:] if isinstance(part, slice))
        cells = np.asarray(self.array[(*self.leading, rows, cols)])
        return cells.reshape(self.n_bands, *cells.shape[-2:])


@dataclass(frozen=True)
class _Stack:
    """An array whose last two axes are rows and columns, and an earlier one time."""

    array: ArrayOnDisk
    axis: int
    series: Series

    @property
    def n_steps(self) -> int:
        return int(self.array.shape[self.axis])

    @property
    def name(self) -> str:
        return self.series.name

    def labels(self) -> ArrayLike | None:
        return self.series.labels()

    def read(self, steps: slice) -> object:
        return self.series.read(steps)

    def _lengths(self, steps: slice) -> tuple[int, ...]:
        lengths = list(self.array.shape[:-2])
        lengths[self.axis] = steps.stop - steps.start
        return tuple(lengths)

    def at(self, steps: slice) -> Source:
        leading = (
            *[slice(None)] * self.axis,
            steps,
            *[slice(None)] * (len(self.array.shape) - 3 - self.axis),
        )
        if isinstance(self.array, np.ndarray) or is_masked_lazily(self.array):  # these keep their mask
            return self.array[leading].reshape(-1, *self.array.shape[-2:])
        return RasterField.from_array(_Flat(self.array, leading, prod(self._lengths(steps))))

    def dress(self, data: object, steps: slice) -> object:
        cells = array_of(data)
        return cells.reshape(*self._lengths(steps), *cells.shape[-2:])


@dataclass(frozen=True)
class _Bands:
    """A raster whose bands are the steps."""

    source: PixelSource

    @property
    def n_steps(self) -> int:
        return self.source.domain.n_bands

    @property
    def name(self) -> str:
        return self.source.name

    def labels(self) -> None:
        return None

    def read(self, steps: slice) -> object:
        field = as_field(self.at(steps))
        return field.select(Window(0, 0, field.domain.width, field.domain.height))

    def at(self, steps: slice) -> Source:
        if not isinstance(self.source, BandSelectable):
            raise TypeError(f"steps cannot be chosen from {self.name}: give its path, or an array")
        return RasterField(self.source.select_bands(range(steps.start, steps.stop)))

    def dress(self, data: object, steps: slice) -> object:
        _ = steps
        return data


@dataclass(frozen=True)
class _Selected:
    """A field of somebody's own: `select` gives all steps of a window, of which some are kept."""

    field: Field[object]
    axis: int
    n_steps: int

    @property
    def name(self) -> str:
        return type(self.field).__name__

    def labels(self) -> None:
        return None

    def read(self, steps: slice) -> object:
        height, width = self.field.domain.shape[-2:]
        return self.dress(self.field.select(Window(0, 0, width, height)), steps)

    def at(self, steps: slice) -> Source:
        _ = steps
        return self.field

    def dress(self, data: object, steps: slice) -> object:
        whole = data if isinstance(data, LabelledArray) else array_of(data)
        return series_of(whole, self.axis).read(steps)


def cube_of(field: CubeLike, time_axis: TimeAxis = 0) -> Cube:
    """Return a field with an axis of time.

    Raises
    ------
    ValueError
        There is no such axis, or it is one of rows or columns.
    TypeError
        Nothing is known about objects of this type.

    """
    if isinstance(field, XarrayField):
        field = field.da
    if isinstance(field, LabelledArray):
        series = series_of(field, time_axis)
        axis = field.dims.index(time_axis) if isinstance(time_axis, str) else time_axis
        if len(field.shape) <= 3:
            _not_spatial(axis_of(axis, field.shape), field.shape, series.name)
            return _Labelled(field, series)
        return _stack(field, axis_of(axis, field.shape), series)  # type: ignore[arg-type] # it is sliced alike
    if isinstance(time_axis, str):
        raise TypeError(f"time_axis={time_axis!r} is a name, and a {type(field).__name__} has none: a number")
    if not isinstance(field, str | os.PathLike | Field | PixelSource) and isinstance(field, ArrayOnDisk):
        return _stack(field, axis_of(time_axis, field.shape), series_of(field, time_axis))
    opened = as_field(field)
    in_one = len(opened.domain.leading) < 2
    if in_one and isinstance(opened.source, BandSelectable) and not opened.gives_windows:
        _not_spatial(axis_of(time_axis, opened.domain.shape), opened.domain.shape, opened.source.name)
        return _Bands(opened.source)
    own = field if isinstance(field, Field) else opened
    return _Selected(own, time_axis, _steps_of(own, time_axis))


def _stack(array: ArrayOnDisk, axis: int, series: Series) -> _Stack:
    _not_spatial(axis, array.shape, series.name)
    return _Stack(array, axis, series)


def _not_spatial(axis: int, shape: tuple[int, ...], name: str) -> None:
    if axis >= len(shape) - 2:
        raise ValueError(
            f"time_axis={axis} of {name}, shaped {tuple(shape)}, is one of rows or columns, "
            f"which are the last two: move time before them"
        )


def _steps_of(field: Field[object], time_axis: int) -> int:
    """Return how many steps a field has: what its domain says, or else its first pixel."""
    shape = tuple(field.domain.shape)
    if len(shape) < 3:
        shape = tuple(array_of(field.select(Window(0, 0, 1, 1))).shape)
    axis = axis_of(time_axis, shape)
    _not_spatial(axis, shape, type(field).__name__)
    return int(shape[axis])


def domain_of(cube: Cube) -> RasterDomain:
    """Return the grid of the places of a cube: height and width, georeference, dtype and nodata."""
    domain = raster_domain(as_field(cube.at(slice(0, 1))).domain)
    return domain.with_bands((), n_bands=None, dtype=domain.dtype)
