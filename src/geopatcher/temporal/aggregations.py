"""What becomes of the patches of a series: one pass over them, in the order they come."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import deepcopy
from dataclasses import dataclass, field
from operator import index
from typing import TYPE_CHECKING, ClassVar, Generic, SupportsIndex, TypeVar

import numpy as np

from geopatcher.core.config import Configured, comparable
from geopatcher.core.patch import carriers
from geopatcher.core.typevars import R_co
from geopatcher.temporal.contents import floats_of, span_of, time_first, weights_of
from geopatcher.temporal.geometry import lengths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array
    from geopatcher.temporal.patch import TemporalPatch

S = TypeVar("S")

#: Steps there is room for beside those that are needed.
SPARE = 64


class TemporalAggregation(Configured, ABC, Generic[R_co]):
    """Makes one thing of the patches of a series. One of your own is a dataclass with `merge`.

    Examples
    --------
    >>> import geopatcher
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Longest(geopatcher.TemporalAggregation):
    ...     def merge(self, patches):
    ...         return max(len(patch.data) for patch in patches)
    >>> Longest().merge([geopatcher.TemporalPatch([1, 2], 1), geopatcher.TemporalPatch([1, 2, 3], 2)])
    3

    """

    @abstractmethod
    def merge(self, patches: Iterable[TemporalPatch[object]]) -> R_co:
        """Return what becomes of the patches.

        Parameters
        ----------
        patches
            Any iterable of `geopatcher.TemporalPatch`; lazily, where it is lazy.

        Returns
        -------
        object
            As the class says.

        """


@dataclass(frozen=True)
class TemporalMean(TemporalAggregation["Array"]):
    """The mean of patches, cell by cell; NaN and masked cells are left out.

    A cell that is missing in all is NaN. All patches have one shape. Windows that the beginning of a series
    cuts off are shorter: let an operator make one value of each window, or begin with the first whole one.

    Examples
    --------
    >>> from geopatcher.temporal.patch import TemporalPatch
    >>> first, second = np.array([1.0, np.nan]), np.array([3.0, 5.0])
    >>> TemporalMean().merge([TemporalPatch(first, 0), TemporalPatch(second, 1)])
    array([2., 5.])

    """

    def merge(self, patches: Iterable[TemporalPatch[object]]) -> Array:
        """Return the mean, float64.

        Raises
        ------
        ValueError
            There is no patch, or shapes differ; says where.
        OperatorError
            A patch holds something else than real numbers.

        """
        total: NDArray[np.float64] | None = None
        count: NDArray[np.int64] = np.empty(0, np.int64)
        first = 0
        for patch in carriers(patches):
            cells = floats_of(patch)
            if total is None:
                total, count, first = np.zeros(cells.shape), np.zeros(cells.shape, np.int64), patch.anchor
            if cells.shape != total.shape:
                raise ValueError(
                    f"the patch at step {first} is shaped {total.shape} and the one at step {patch.anchor} "
                    f"{cells.shape}: a mean needs one shape; begin with the first whole window "
                    f"(TemporalCausalRolling(start=...)), or make one value of each window first"
                )
            known = ~np.isnan(cells)
            total += np.where(known, cells, 0.0)
            count += known
        if total is None:
            raise ValueError("there are no patches to take the mean of")
        mean: Array = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        return mean


@dataclass(frozen=True)
class TemporalFold(TemporalAggregation[S], Generic[S]):
    """Carries a state from patch to patch: ``state = fold_fn(state, patch)``.

    Parameters
    ----------
    fold_fn
        Takes the state and a patch, and returns the next state.
    initial_state
        The first one, of which each merge takes a copy; ``None`` by default.

    Raises
    ------
    TypeError
        ``fold_fn`` cannot be called.

    Examples
    --------
    >>> from geopatcher.temporal.patch import TemporalPatch
    >>> TemporalFold(lambda state, patch: state + patch.data, 0).merge(TemporalPatch(n, n) for n in (1, 2, 3))
    6

    """

    forbid_in_yaml: ClassVar[bool] = True
    function_parameter: ClassVar[str] = "fold_fn"

    fold_fn: Callable[[S, TemporalPatch[object]], S]
    initial_state: S = field(default=None, compare=False)  # type: ignore[assignment] # then S may be None
    _begins_with: object = field(init=False, repr=False)  # what is compared in its place

    def __post_init__(self) -> None:
        object.__setattr__(self, "_begins_with", comparable(self.initial_state))
        if not callable(self.fold_fn):
            raise TypeError(f"fold_fn is called with a state and a patch; {self.fold_fn!r} cannot be")

    def merge(self, patches: Iterable[TemporalPatch[object]]) -> S:
        """Return the last state; a copy of ``initial_state`` where there are no patches."""
        state = deepcopy(self.initial_state)  # a function may write into it, and the next merge begins anew
        for patch in carriers(patches):
            state = self.fold_fn(state, patch)
        return state


@dataclass(frozen=True)
class TemporalForecast(TemporalAggregation["dict[int, object]"]):
    """The last steps of each patch, by its anchor: what a model forecasts.

    Parameters
    ----------
    horizon
        How many steps; 1 by default.
    time_axis
        Which axis of the data is time; 0 by default.

    Raises
    ------
    ValueError
        ``horizon`` is less than 1.

    Examples
    --------
    >>> from geopatcher.temporal.patch import TemporalPatch
    >>> TemporalForecast(horizon=2).merge([TemporalPatch(np.arange(5), 4)])
    {4: array([3, 4])}

    """

    horizon: int = 1
    time_axis: int = 0

    def __post_init__(self) -> None:
        if index(self.horizon) < 1:
            raise ValueError(f"horizon is a number of steps, 1 or more, not {self.horizon!r}")
        object.__setattr__(self, "horizon", index(self.horizon))
        object.__setattr__(self, "time_axis", index(self.time_axis))

    def merge(self, patches: Iterable[TemporalPatch[object]]) -> dict[int, object]:
        """Return ``{anchor: the last steps}``; of several patches at an anchor the last is kept.

        Raises
        ------
        ValueError
            A patch has fewer steps, or no such axis.

        """
        return {patch.anchor: self._last(patch) for patch in carriers(patches)}

    def _last(self, patch: TemporalPatch[object]) -> Array:
        data = patch.data if isinstance(patch.data, np.ma.MaskedArray) else np.asarray(patch.data)
        steps = time_first(patch, data, self.time_axis)
        if len(steps) < self.horizon:
            raise ValueError(
                f"the patch at step {patch.anchor} has {len(steps)} steps, fewer than horizon={self.horizon}"
            )
        return np.moveaxis(steps[len(steps) - self.horizon :], 0, self.time_axis)


@dataclass(frozen=True, init=False)
class TemporalHierarchicalCombine(TemporalAggregation["dict[int, dict[tuple[int, int], object]]"]):
    """The patches of several scales side by side: by anchor, then by their steps.

    Parameters
    ----------
    scales
        Lengths of the windows in steps: those of the `geopatcher.TemporalMultiScale` that cut them.

    Raises
    ------
    ValueError
        There is none, or one is less than 1.

    Examples
    --------
    >>> from geopatcher.temporal.patch import TemporalPatch
    >>> TemporalHierarchicalCombine((1, 3)).merge(
    ...     [TemporalPatch("near", 5, slice(5, 6)), TemporalPatch("far", 5, slice(3, 6))])
    {5: {(5, 6): 'near', (3, 6): 'far'}}

    """

    scales: tuple[int, ...]

    def __init__(self, scales: Iterable[SupportsIndex]) -> None:
        object.__setattr__(self, "scales", lengths(scales))

    def merge(self, patches: Iterable[TemporalPatch[object]]) -> dict[int, dict[tuple[int, int], object]]:
        """Return ``{anchor: {(start, stop): data}}``, in the order the patches come.

        Raises
        ------
        ValueError
            A patch does not say its steps, or has more than the longest scale.

        """
        found: dict[int, dict[tuple[int, int], object]] = {}
        for patch in carriers(patches):
            start, stop = span_of(patch)
            if stop - start > max(self.scales):
                raise ValueError(
                    f"the patch at step {patch.anchor} has steps {start}:{stop}, more than the longest of "
                    f"the scales {self.scales}: give the scales of the geometry"
                )
            found.setdefault(patch.anchor, {})[start, stop] = patch.data
        return found


@dataclass(frozen=True)
class TemporalOverlapAdd(TemporalAggregation["Array"]):
    """Overlapping windows as one series: the weighted mean of what they say of each step.

    Of each step the result is ``sum(w x) / sum(w)`` over the windows that have it, in float64; NaN and masked
    cells are left out, and a step that no window has is NaN. Patches come in any order. What an operator
    returns has the steps it was given, and any number of bands.

    Parameters
    ----------
    time_axis
        Which axis of the data is time; 0 by default.
    n_steps
        Steps of the series; by default it ends with the last window.

    Raises
    ------
    ValueError
        ``n_steps`` is negative.

    Examples
    --------
    >>> from geopatcher.temporal.patch import TemporalPatch
    >>> TemporalOverlapAdd().merge([TemporalPatch(np.array([1.0, 1.0, 1.0]), 2, slice(0, 3)),
    ...     TemporalPatch(np.array([2.0, 2.0, 2.0]), 4, slice(2, 5), np.array([0.25, 0.5, 1.0]))])
    array([1. , 1. , 1.2, 2. , 2. ])

    """

    time_axis: int = 0
    n_steps: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "time_axis", index(self.time_axis))
        if self.n_steps is not None and index(self.n_steps) < 0:
            raise ValueError(f"n_steps is the length of a series, 0 or more, not {self.n_steps}")
        object.__setattr__(self, "n_steps", None if self.n_steps is None else index(self.n_steps))

    def merge(self, patches: Iterable[TemporalPatch[object]]) -> Array:
        """Return the series, float64.

        Raises
        ------
        ValueError
            There is no patch, or one does not fit; says which and why.
        OperatorError
            A patch holds something else than real numbers.

        """
        total, share = np.empty((0, 0)), np.empty((0, 0))
        shape: tuple[int, ...] | None = None
        end = 0
        for patch in carriers(patches):
            start, stop = span_of(patch)
            cells = time_first(patch, floats_of(patch), self.time_axis)
            self._check(patch, cells.shape, shape)
            shape = cells.shape[1:]
            end = max(end, stop)
            if end > len(total):  # room for as many again: each step is copied once or twice, in all
                room = self.n_steps or max(2 * len(total), end + SPARE)
                total, share = _grown(total, room, shape), _grown(share, room, shape)
            by_step = weights_of(patch, stop - start).reshape(-1, *[1] * len(shape))
            known = ~np.isnan(cells)
            total[start:stop] += np.where(known, cells, 0.0) * by_step
            share[start:stop] += known * by_step
        if shape is None:
            raise ValueError("there are no patches to make a series of")
        n = end if self.n_steps is None else self.n_steps
        series = np.divide(total[:n], share[:n], out=np.full((n, *shape), np.nan), where=share[:n] > 0)
        return np.moveaxis(series, 0, self.time_axis)

    def _check(
        self, patch: TemporalPatch[object], found: tuple[int, ...], shape: tuple[int, ...] | None
    ) -> None:
        start, stop = span_of(patch)
        what = f"the patch at step {patch.anchor}, which has steps {start}:{stop}"
        if found[:1] != (stop - start,):
            raise ValueError(
                f"{what}, came back with {found[:1]} of them along axis {self.time_axis}: an operator "
                f"returns the steps it was given, and time_axis= says where they are"
            )
        if shape is not None and found[1:] != shape:
            raise ValueError(f"{what}, is shaped {found[1:]} beside time, and those before it {shape}")
        if start < 0 or (self.n_steps is not None and stop > self.n_steps):
            series = "a series" if self.n_steps is None else f"the series of n_steps={self.n_steps}"
            raise ValueError(f"{what}, is not inside {series}")


def _grown(array: NDArray[np.float64], n: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    grown = np.zeros((n, *shape))
    if len(array):
        grown[: len(array)] = array
    return grown
