"""Series with other steps than the primary one: which of them are read for its steps, by their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from geopatcher.core.durations import duration
from geopatcher.fields.plain_field import array_of
from geopatcher.patchers.matching import time_axis_of
from geopatcher.temporal.coordinates import as_coordinate, from_first

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from datetime import timedelta
    from typing import Self

    from numpy.typing import ArrayLike, NDArray

    from geopatcher.core.protocols import Array
    from geopatcher.fields.open import Source
    from geopatcher.patchers.cubes import Cube
    from geopatcher.patchers.series import Series, TimeAxis

#: Which step stands for a label: one of the same label, the nearest, the last before, or the first after.
Method: TypeAlias = Literal["exact", "nearest", "ffill", "bfill"]
METHODS: tuple[Method, ...] = ("exact", "nearest", "ffill", "bfill")
#: How far its own label may be away: a number, or a span of time.
Tolerance: TypeAlias = "float | str | timedelta | np.timedelta64"


class Matching(Protocol):
    """What says how secondary sources are brought to the steps of the primary one."""

    @property
    def coreg(self) -> Mapping[str, object]:
        """Functions by name."""
        ...

    @property
    def reindex(self) -> Mapping[str, Method]:
        """How steps are chosen, by name."""
        ...

    @property
    def tolerance(self) -> Mapping[str, Tolerance]:
        """How far a label may be away, by name."""
        ...


def steps_for(
    labels: ArrayLike, wanted: ArrayLike, method: Method, tolerance: Tolerance | None = None
) -> NDArray[np.int64]:
    """Return which step of a series stands for each label that is wanted, -1 for none.

    Of two that are equally near the later one is taken, as pandas does.

    >>> steps_for([0, 10, 20], [4, 5, 21], "nearest").tolist()
    [0, 1, 2]
    >>> steps_for([0, 10, 20], [-1, 5, 21], "ffill", tolerance=4).tolist()
    [-1, -1, 2]

    Raises
    ------
    ValueError
        Labels do not increase: it would not be known which step is meant.
    TypeError
        Labels are not of one kind, or the tolerance is not of theirs.

    """
    source = as_coordinate(labels, "the labels of a secondary series")
    points = as_coordinate(wanted, "the labels of the primary series")
    own, at = from_first(source, source), from_first(points, source)
    if not len(own):
        return np.full(len(at), -1, np.int64)
    before = np.searchsorted(own, at, "right") - 1
    after = np.searchsorted(own, at, "left")
    after = np.where(after < len(own), after, -1)
    if method == "exact":
        found = np.where(before == after, before, -1)
    elif method == "nearest":
        later = (before < 0) | ((after >= 0) & (own[after] - at <= at - own[before]))
        found = np.where(later, after, before)
    else:
        found = before if method == "ffill" else after
    if tolerance is not None:
        span = tolerance if isinstance(tolerance, int | float) else duration(tolerance)
        if isinstance(span, np.timedelta64) != (own.dtype.kind == "m"):
            raise TypeError(f"a tolerance of {tolerance!r} is not of the kind of labels of {source.dtype}")
        found = np.where(np.abs(own[found] - at) <= span, found, -1)
    return found.astype(np.int64)


@runtime_checkable
class Reindexable(Protocol):
    """What is used of a `xarray.DataArray` to choose some of its steps."""

    @property
    def dims(self) -> tuple[Hashable, ...]:
        """Names of the dimensions, in order."""
        ...

    @property
    def coords(self) -> Mapping[Hashable, Self]:
        """Coordinates by name."""
        ...

    def isel(self, indexers: Mapping[Hashable, NDArray[np.int64]]) -> Self:
        """Return some steps."""
        ...

    def assign_coords(self, coords: Mapping[Hashable, Array]) -> Self:
        """Return it with other labels."""
        ...

    def copy(self, *, data: Array) -> Self:
        """Return an array with the same labels and other values."""
        ...

    def where(self, known: Self) -> Self:
        """Return it with NaN where something is not known."""
        ...


class Choice(Protocol):
    """Which steps of a source are read for those of the primary one, and what becomes of them."""

    def span(self, steps: slice) -> slice:
        """Return the steps of the source that are needed for some of the primary one."""
        ...

    def pick(self, data: object, steps: slice) -> object:
        """Return what is given for data of `span`."""
        ...


@dataclass(frozen=True)
class _Reindexed:
    """For each step of the primary source one of the other, -1 for none."""

    chosen: NDArray[np.int64]
    labels: Array
    time_axis: TimeAxis

    def span(self, steps: slice) -> slice:
        needed = self.chosen[steps]
        needed = needed[needed >= 0]
        return slice(int(needed.min()), int(needed.max()) + 1) if needed.size else slice(0, 1)

    def pick(self, data: object, steps: slice) -> object:
        """Return the data at the steps of the primary source; NaN or NaT where none stands for one."""
        needed = self.chosen[steps]
        lost = needed < 0
        at = np.where(lost, 0, needed - self.span(steps).start)
        axis = time_axis_of(data, self.time_axis)
        if isinstance(data, Reindexable):
            dim = data.dims[axis]
            picked = data.isel({dim: at}).assign_coords({dim: self.labels[steps]})
            known = picked.coords[dim].copy(data=~lost)
            return picked.where(known) if self._loses else picked
        cells = array_of(data).take(at, axis)
        if self._loses:  # in whichever patch: all have one dtype
            times = cells.dtype.kind in "mM"
            cells = cells if times else cells.astype(np.result_type(cells.dtype, np.float32))
            np.moveaxis(cells, axis, 0)[lost] = np.array("NaT", cells.dtype) if times else np.nan
        return cells

    @property
    def _loses(self) -> bool:
        return bool((self.chosen < 0).any())


@dataclass(frozen=True)
class _Between:
    """The steps whose labels lie from the first to the last of the primary source's, for ``coreg``."""

    own: Array
    labels: Array

    def span(self, steps: slice) -> slice:
        first = np.searchsorted(self.own, self.labels[steps.start], "left")
        last = np.searchsorted(self.own, self.labels[steps.stop - 1], "right")
        return slice(int(first), int(last))

    def pick(self, data: object, steps: slice) -> object:
        _ = steps
        return data


@dataclass(frozen=True)
class PlacedSeries:
    """A series read at the steps of another one."""

    series: Series
    choice: Choice

    def read(self, steps: slice) -> object:
        """Return what is given for some steps of the other one."""
        return self.choice.pick(self.series.read(self.choice.span(steps)), steps)


@dataclass(frozen=True)
class PlacedCube(PlacedSeries):
    """A field with an axis of time, read at the steps of another one."""

    series: Cube

    @property
    def n_steps(self) -> int:
        """Of the field itself."""
        return self.series.n_steps

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.series.name

    def labels(self) -> ArrayLike | None:
        """Return those of the field itself."""
        return self.series.labels()

    def at(self, steps: slice) -> Source:
        """Return the field of the steps that are needed; nothing is read."""
        span = self.choice.span(steps)
        return self.series.at(span if span.start < span.stop else slice(0, 1))

    def dress(self, data: object, steps: slice) -> object:
        """Return the data of a patch of that field, as it is given for the steps of the other one.

        Raises
        ------
        ValueError
            There is no step between the labels of the patch.

        """
        span = self.choice.span(steps)
        if span.start >= span.stop:
            raise ValueError(
                f"{self.name} has no step between the labels of steps {steps.start} to {steps.stop - 1} of "
                f'the primary field: say by reindex= which one to take, such as "nearest"'
            )
        return self.choice.pick(self.series.dress(data, span), steps)


def choice_of(
    name: str, own: Series, primary: Series, coord: ArrayLike | None, mfield: Matching, time_axis: TimeAxis
) -> Choice | None:
    """Return how the steps of a secondary series are chosen, ``None`` where both have the same.

    For ``reindex`` the coordinate that was passed for a primary series without labels stands for these.

    Raises
    ------
    ValueError
        They have other steps and nothing says which belong together.

    """
    its, labels = own.labels(), primary.labels()
    if name in mfield.reindex:
        labels = coord if labels is None else labels
        if its is None or labels is None:
            whose = f"{name!r} has" if its is None else "the primary series has"
            raise ValueError(
                f"reindex[{name!r}] finds the steps that belong together by their labels, and {whose} none: "
                f"give DataArrays with a coordinate along time"
            )
        chosen = steps_for(its, labels, mfield.reindex[name], mfield.tolerance.get(name))
        return _Reindexed(chosen, np.asarray(labels), time_axis)
    if labels is None or its is None:
        if own.n_steps == primary.n_steps:
            return None
        raise ValueError(
            f"{name!r} has {own.n_steps} steps and the primary series {primary.n_steps}, and without "
            f"labels of both nothing says which belong together: give DataArrays with a coordinate, or cut "
            f"it to the steps of the primary one"
        )
    if own.n_steps == primary.n_steps and np.array_equal(np.asarray(labels), np.asarray(its)):
        return None
    if name not in mfield.coreg:
        raise ValueError(
            f"{name!r} has other labels than the primary series: have the nearest or the last ones taken by "
            f"reindex={{{name!r}: 'nearest'}}, or give coreg={{{name!r}: f}} with a function f(raw, primary) "
            f"that brings a patch to the steps of the primary one"
        )
    known = as_coordinate(labels, "the labels of the primary series")
    return _Between(as_coordinate(its, f"the labels of {name!r}"), known)
