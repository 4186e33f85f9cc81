"""Operators over look-back windows along a leading dimension, such as the last 12 months at each month."""

from __future__ import annotations

from datetime import timedelta
from operator import index
from typing import TYPE_CHECKING, Self, SupportsIndex, TypeAlias

import numpy as np

from geopatcher.core.durations import duration, duration_text
from geopatcher.core.labelled_steps import first_steps
from geopatcher.operators.wrappers import OperatorWrapper, dims_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from geopatcher.core.leading import Leading
    from geopatcher.core.protocols import Array

#: Steps, or a span of time.
Lookback: TypeAlias = "SupportsIndex | str | timedelta | np.timedelta64"


class Rolling(OperatorWrapper):
    """A function of look-back windows as an operator over all steps; made by `rolling`."""

    def __init__(
        self,
        function: Callable[..., Array],
        lookback: Lookback,
        dim: str = "time",
        min_steps: int | None = None,
        dims: tuple[str, ...] | None = None,
        starts: tuple[int, ...] | None = None,
    ) -> None:
        self.lookback = _parsed(lookback)
        if isinstance(self.lookback, int):
            least = index(self.lookback if min_steps is None else min_steps)
            possible = 1 <= least <= self.lookback
        else:
            least = index(1 if min_steps is None else min_steps)
            possible = bool(least >= 1 and self.lookback > np.timedelta64(0, "ns"))
        if not possible:
            raise ValueError(
                f"lookback is a number of steps from 1, or a span of time, and min_steps from 1 to it, not "
                f"{lookback} and {least}"
            )
        super().__init__(function)
        self.dim, self.min_steps, self.dims, self.starts = dim, least, dims, starts

    def over(self, dims: Sequence[str]) -> Self:
        """Return the operator for patches of these leading dimensions.

        Parameters
        ----------
        dims
            Their names, in order.

        Returns
        -------
        Rolling
            That knows which of them it goes along.

        Raises
        ------
        ValueError
            None of them is the one it goes along.

        """
        if self.dim not in dims:
            raise ValueError(
                f"{self.__name__} goes along {self.dim!r}, and the source has the leading dimensions "
                f"{', '.join(dims) or 'none'}: name one of them by dim="
            )
        return type(self)(self._operator, self.lookback, self.dim, self.min_steps, tuple(dims))

    def along(self, leading: Leading) -> Self:
        """Return the operator for patches of leading dimensions with labels.

        Parameters
        ----------
        leading
            The dimensions, in order.

        Returns
        -------
        Rolling
            That knows which steps lie within its span of time.

        Raises
        ------
        ValueError
            The labels are no times, or do not increase.

        """
        if not isinstance(self.lookback, np.timedelta64):
            return self
        known = {dimension.name: dimension for dimension in leading}
        if self.dim not in known or not known[self.dim].values:
            raise ValueError(
                f"{self.__name__} looks back {duration_text(self.lookback)} along {self.dim!r}, which has no "
                f"labels: give the source coordinates, or a look-back in steps"
            )
        starts = first_steps(known[self.dim], self.lookback)
        return type(self)(self._operator, self.lookback, self.dim, self.min_steps, self.dims, starts)

    def _start(self, stop: int) -> int:
        """Return the first step of the window that ends before ``stop``."""
        if self.starts is not None:
            return self.starts[stop - 1]
        if isinstance(self.lookback, np.timedelta64):
            raise ValueError(  # noqa: TRY004 - it is what it lacks
                f"{self.__name__} looks back a span of time, and is run over patches without labels: "
                f"reconstruct tells it those of the source"
            )
        return max(0, stop - self.lookback)

    @property
    def output_dims(self) -> Sequence[str] | Mapping[str, Sequence[object] | None] | None:
        """The dimension it goes along, before those that the function says."""
        said = dims_of(self._operator)
        if said is None:
            return None
        labels = said if isinstance(said, dict) else dict.fromkeys(said)
        return {self.dim: None} | labels

    def wrapper_settings(self) -> Mapping[str, object]:
        """Return which windows it takes."""
        lookback = self.lookback if isinstance(self.lookback, int) else duration_text(self.lookback)
        return {"lookback": lookback, "dim": self.dim, "min_steps": self.min_steps}

    def __call__(self, patch: Array, *more: object, **keywords: object) -> Array:
        """Return what the function makes of the windows that end at each step."""
        dims = (self.dim,) if self.dims is None else self.dims
        n_axes = len(dims) + 2
        if self.dims is None or patch.ndim == n_axes:
            return self._series(patch, dims.index(self.dim), more, keywords)
        each = [
            self._series(one, dims.index(self.dim), _of_patch(more, number), keywords)
            for number, one in enumerate(patch)
        ]
        return _stack(each, 0)

    def _series(
        self, patch: Array, axis: int, more: tuple[object, ...], keywords: dict[str, object]
    ) -> Array:
        """Return the results of one patch, stacked where the dimension was."""
        made = list(self._results(np.moveaxis(patch, axis, 0), more, keywords))
        known = [one for one in made if one is not None]
        if not known:
            if isinstance(self.lookback, np.timedelta64):
                raise ValueError(
                    f"no window of {duration_text(self.lookback)} along {self.dim!r} has the "
                    f"{self.min_steps} steps it needs: give a longer lookback, or a smaller min_steps"
                )
            raise ValueError(
                f"there are {patch.shape[axis]} steps along {self.dim!r}, fewer than the {self.min_steps} "
                f"that a window has: give a smaller lookback, or min_steps"
            )
        missing = _missing_like(known[0]) if len(known) < len(made) else known[0]
        whole = known[0].ndim == patch.ndim - 1
        return _stack([missing if one is None else one for one in made], axis if whole else 0)

    def _results(
        self, steps: Array, more: tuple[object, ...], keywords: dict[str, object]
    ) -> Iterator[Array | None]:
        """Yield the result at each step, ``None`` where there are too few before it."""
        for stop in range(1, len(steps) + 1):
            window = steps[self._start(stop) : stop]
            if len(window) < self.min_steps:
                yield None
            else:  # memory of its own: a function may write into it, and steps are in several windows
                yield np.ma.asanyarray(self._operator(window.copy(), *more, **keywords))

    def _arguments(self) -> tuple[object, ...]:
        return (self._operator, self.lookback, self.dim, self.min_steps, self.dims, self.starts)


def _parsed(lookback: Lookback) -> int | np.timedelta64:
    """Return a number of steps, or a span of time."""
    return duration(lookback) if isinstance(lookback, str | timedelta | np.timedelta64) else index(lookback)


def _of_patch(more: tuple[object, ...], number: int) -> tuple[object, ...]:
    """Return what belongs to one patch of a batch: of positions its own."""
    return tuple(one[number] if isinstance(one, tuple) else one for one in more)


def _missing_like(result: Array) -> Array:
    """Return a result of which nothing is known."""
    plain = np.ma.getdata(result)
    fill = np.full_like(plain, np.nan) if plain.dtype.kind == "f" else np.zeros_like(plain)
    return fill if plain.dtype.kind == "f" else np.ma.array(fill, mask=True)


def _stack(results: Sequence[Array], axis: int) -> Array:
    masked = any(np.ma.isMaskedArray(one) and one.mask is not np.ma.nomask for one in results)
    stacked: Array = (np.ma.stack if masked else np.stack)(results, axis)
    return stacked if masked else np.ma.getdata(stacked)


def rolling(
    function: Callable[..., Array], lookback: Lookback, dim: str = "time", *, min_steps: int | None = None
) -> Rolling:
    """Make an operator of a function of the last steps of a series, called once for each step.

    The function is given ``(lookback, bands, h, w)``, the newest step last, of a source without bands
    ``(lookback, h, w)``: windows that end at each step, as those of pandas. What it returns,
    ``(bands, h, w)`` or ``(h, w)``, is the result at that step, so that the result has as many steps, with
    their coordinates. Patches of all steps are read once and in windows: the memory a run takes is planned
    with them, a smaller ``size`` takes less, and a run that is interrupted goes on.

    Parameters
    ----------
    function
        From the steps of a window to one result. With `masked` or `positioned` around it, it is given what
        they give.
    lookback
        Steps in a window, this one and those before; or a span of time, ``"30D"``, of dates that are not
        evenly spaced: the steps less than that before this one, by their labels, as in pandas. These may be
        of any calendar; they are sorted, and some may be equal.
    dim
        The leading dimension to go along; ``"time"`` by default.
    min_steps
        At the first steps there are fewer before: where there are at least so many, the function is given
        those there are. By default all of ``lookback`` are needed, of a span one, and what is before has no
        data.

    Returns
    -------
    Rolling
        An operator, which pickles where the function does.

    Raises
    ------
    ValueError
        ``lookback`` or ``min_steps`` is no number of steps; or, when it is run, the source has no such
        dimension, or fewer steps, or no times along it that increase.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> days = [geopatcher.RasterField.from_array(np.full((30, 40), day, "float32")) for day in range(5)]
    >>> mean = geopatcher.rolling(lambda window: window.mean(axis=0), 3)
    >>> geopatcher.reconstruct(geopatcher.Stack(days), mean, size=16).array[:, 0, 0]
    array([nan, nan,  1.,  2.,  3.], dtype=float32)

    """
    return Rolling(function, lookback, dim, min_steps)
