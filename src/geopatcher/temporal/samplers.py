"""Samplers over time: the steps that patches belong to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, ClassVar, SupportsIndex

import numpy as np

from geopatcher.core.config import Configured
from geopatcher.patching.samplers.base import fixed_seed
from geopatcher.temporal.coordinates import as_coordinate, needs_coord
from geopatcher.temporal.stencils import Stencil, valid_origins
from geopatcher.temporal.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike


class TemporalSampler(Configured, ABC):
    """Chooses the steps that patches belong to.

    Attributes
    ----------
    needs_coord
        Whether they are found by the coordinate along the axis: by `anchors_coord` only.

    Examples
    --------
    >>> import geopatcher
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Mondays(geopatcher.TemporalSampler):
    ...     first: int
    ...     def anchors(self, time_len):
    ...         return range(self.first, time_len, 7)
    >>> list(Mondays(3).anchors(20))
    [3, 10, 17]

    """

    needs_coord: ClassVar[bool] = False

    @abstractmethod
    def anchors(self, time_len: int) -> Steps:
        """Return steps of a series; every call gives the same.

        Parameters
        ----------
        time_len
            Steps of the series.

        Returns
        -------
        Steps
            A lazy sequence of integers, equal to a list of them.

        """

    def anchors_coord(self, coord: ArrayLike) -> Steps:
        """Return steps of a series with a coordinate along its axis.

        Parameters
        ----------
        coord
            The 1-D coordinate.

        Returns
        -------
        Steps
            As of `anchors`.

        """
        return self.anchors(len(np.asarray(coord)))


def anchors_of(sampler: TemporalSampler, n: int, coord: ArrayLike | None) -> Steps:
    """Return the steps a sampler chooses, by the coordinate where it needs that.

    A sampler of somebody's own may give any iterable of whole numbers.
    """
    found: Iterable[SupportsIndex] = (
        sampler.anchors_coord(coord) if coord is not None and needs_coord(sampler) else sampler.anchors(n)
    )
    return found if isinstance(found, Steps) else Steps(np.array(_listed(found, "anchors"), dtype=np.int64))


def _positive(value: SupportsIndex, name: str) -> int:
    number = index(value)
    if number < 1:
        raise ValueError(f"{name} is a number of steps, 1 or more, not {number}")
    return number


@dataclass(frozen=True)
class TemporalRegularStride(TemporalSampler):
    """Every ``step``-th step of a series, from the first one on.

    Parameters
    ----------
    step
        Steps from an anchor to the next; 1 by default.

    Raises
    ------
    ValueError
        ``step`` is less than 1.

    Examples
    --------
    >>> TemporalRegularStride(4).anchors(10)
    Steps(0, 4, 8)

    """

    step: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", _positive(self.step, "step"))

    def anchors(self, time_len: int) -> Steps:
        """Return ``0, step, 2 step, ...``."""
        return Steps(range(0, time_len, self.step))


@dataclass(frozen=True)
class TemporalCausalRolling(TemporalSampler):
    """Every ``step``-th step from ``start`` on, as a forecast is rolled forward.

    With ``start`` one less than the length of a look-back, all windows are whole.

    Parameters
    ----------
    step
        Steps from an anchor to the next; 1 by default.
    start
        The first anchor; 0 by default.

    Raises
    ------
    ValueError
        ``step`` is less than 1, or ``start`` negative.

    Examples
    --------
    >>> TemporalCausalRolling(step=2, start=3).anchors(10)
    Steps(3, 5, 7, 9)

    """

    step: int = 1
    start: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", _positive(self.step, "step"))
        if index(self.start) < 0:
            raise ValueError(f"start is the first anchor, counted from 0, not {self.start}")
        object.__setattr__(self, "start", index(self.start))

    def anchors(self, time_len: int) -> Steps:
        """Return ``start, start + step, ...``."""
        return Steps(range(self.start, time_len, self.step))


def _listed(times: Iterable[SupportsIndex], name: str) -> tuple[int, ...]:
    array = np.asarray(times if isinstance(times, np.ndarray) else list(times))
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(
            f"{name} are steps of the series, whole numbers counted from 0, not {array.dtype} shaped "
            f"{array.shape}: of datetimes take np.searchsorted(coord, {name})"
        )
    return tuple(array.astype(np.int64).tolist())


@dataclass(frozen=True, init=False)
class TemporalEventTriggered(TemporalSampler):
    """The steps at which something happened; events outside the series are left out.

    Parameters
    ----------
    event_times
        Steps, counted from 0; of a catalogue that covers more than the series, say.

    Raises
    ------
    ValueError
        They are no whole numbers.

    Examples
    --------
    >>> TemporalEventTriggered([-4, 2, 7, 31]).anchors(10)
    Steps(2, 7)

    """

    event_times: tuple[int, ...]

    def __init__(self, event_times: Iterable[SupportsIndex]) -> None:
        object.__setattr__(self, "event_times", _listed(event_times, "event_times"))

    def anchors(self, time_len: int) -> Steps:
        """Return the events inside the series, in the order given."""
        events = np.array(self.event_times, dtype=np.int64)
        return Steps(events[(events >= 0) & (events < time_len)])


@dataclass(frozen=True, init=False)
class TemporalRandom(TemporalSampler):
    """``n`` steps at random, each equally likely, independently: the same step can come twice.

    Parameters
    ----------
    n
        How many, 0 or more; 1 by default.
    seed
        A whole number, which gives the same steps in every process, or ``None`` to draw one now.

    Raises
    ------
    ValueError
        ``n`` or the seed is negative.

    Examples
    --------
    >>> TemporalRandom(4, seed=3).anchors(100)
    Steps(81, 8, 17, 23)

    """

    n: int
    seed: int

    def __init__(self, n: SupportsIndex = 1, seed: SupportsIndex | None = None) -> None:
        if index(n) < 0:
            raise ValueError(f"n is the number of steps to draw, 0 or more, not {n!r}")
        object.__setattr__(self, "n", index(n))
        object.__setattr__(self, "seed", fixed_seed(seed))

    def anchors(self, time_len: int) -> Steps:
        """Return the steps in the order they were drawn; none of a series without steps."""
        n = self.n if time_len else 0
        return Steps(np.random.default_rng(self.seed).integers(0, max(1, time_len), n))


@dataclass(frozen=True, init=False)
class TemporalExplicit(TemporalSampler):
    """Steps that are given, in the order given.

    Parameters
    ----------
    times
        Steps, counted from 0.

    Raises
    ------
    ValueError
        They are no whole numbers.

    Examples
    --------
    >>> TemporalExplicit([7, 2]).anchors(10)
    Steps(7, 2)

    """

    times: tuple[int, ...]

    def __init__(self, times: Iterable[SupportsIndex]) -> None:
        object.__setattr__(self, "times", _listed(times, "times"))

    def anchors(self, time_len: int) -> Steps:
        """Return the steps.

        Raises
        ------
        ValueError
            One is outside the series.

        """
        times = np.array(self.times, dtype=np.int64)
        outside = (times < 0) | (times >= time_len)
        if outside.any():
            raise ValueError(
                f"{np.count_nonzero(outside)} of {len(times)} times are no steps of a series of {time_len} "
                f"(0 to {time_len - 1}), the first is {times[outside][0]}"
            )
        return Steps(times)


@dataclass(frozen=True, init=False)
class TemporalStencilSampler(TemporalSampler):
    """The steps around which a stencil fits whole, found in the coordinate of the series.

    Parameters
    ----------
    stencil
        The points around each anchor, in the units of the coordinate.
    every
        Of these steps every how-many-eth; 1 by default.
    shuffle
        Whether they come in random order.
    seed
        Of that order: a whole number, or ``None`` to draw one now.

    Raises
    ------
    ValueError
        ``every`` is less than 1, or the seed negative.
    TypeError
        ``stencil`` is none.

    Examples
    --------
    >>> from geopatcher import TimeStencil
    >>> hours = np.datetime64("2026-01-01T00") + np.arange(24)
    >>> TemporalStencilSampler(TimeStencil("-9h", "3h", "1h"), every=4).anchors_coord(hours)
    Steps(9, 13, 17, 21)

    """

    needs_coord: ClassVar[bool] = True

    stencil: Stencil
    every: int
    shuffle: bool
    seed: int

    def __init__(
        self,
        stencil: Stencil,
        every: SupportsIndex = 1,
        shuffle: bool = False,
        seed: SupportsIndex | None = None,
    ) -> None:
        if not isinstance(stencil, Stencil):
            raise TypeError(f"stencil is a Stencil or a TimeStencil, not {type(stencil).__name__}")
        object.__setattr__(self, "stencil", stencil)
        object.__setattr__(self, "every", _positive(every, "every"))
        object.__setattr__(self, "shuffle", bool(shuffle))
        object.__setattr__(self, "seed", fixed_seed(seed))

    def anchors(self, time_len: int) -> Steps:
        """Refuse: a stencil is in the units of a coordinate.

        Raises
        ------
        TypeError
            Always.

        """
        raise TypeError(
            f"where in {time_len} steps a stencil fits is found by a coordinate: call anchors_coord(coord), "
            f"or pass coord= to the patcher"
        )

    def anchors_coord(self, coord: ArrayLike) -> Steps:
        """Return the steps around which the stencil fits whole."""
        steps = np.flatnonzero(valid_origins(as_coordinate(coord), self.stencil))[:: self.every]
        if self.shuffle:
            steps = np.random.default_rng(self.seed).permutation(steps)
        return Steps(steps)
