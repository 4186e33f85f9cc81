"""Which steps of a series belong to the patch at an anchor.

A window that would begin before the first step or end after the last is cut off there: nothing is made up,
and nothing is left out. A sampler that begins later gives whole windows only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, ClassVar, SupportsIndex

import numpy as np

from geopatcher.core.config import Configured, plain
from geopatcher.temporal.coordinates import as_coordinate, needs_coord
from geopatcher.temporal.stencils import Stencil, build_sampling_slices, divide_evenly

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

    from geopatcher.temporal.coordinates import Offset
    from geopatcher.temporal.stencils import Span


class TemporalGeometry(Configured, ABC):
    """Maps an anchor to the steps of its patch, or of several patches.

    Attributes
    ----------
    needs_coord
        Whether the steps are found by the coordinate along the axis: by `window_coord` only.

    Examples
    --------
    >>> import geopatcher
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Around(geopatcher.TemporalGeometry):
    ...     steps: int
    ...     def window(self, time_len, anchor):
    ...         return slice(max(0, anchor - self.steps), min(time_len, anchor + self.steps + 1))
    >>> Around(2).window(10, 1), Around(2).window(10, 5)
    (slice(0, 4, None), slice(3, 8, None))

    """

    needs_coord: ClassVar[bool] = False

    @abstractmethod
    def window(self, time_len: int, anchor: int) -> slice | list[slice]:
        """Return the steps of the patch at an anchor; several slices are several patches.

        Parameters
        ----------
        time_len
            Steps of the series.
        anchor
            The step the patch belongs to, counted from 0.

        Returns
        -------
        slice or list of slice
            ``start`` to ``stop``, inside the series.

        Raises
        ------
        ValueError
            The anchor is no step of the series.

        """

    def window_coord(self, coord: ArrayLike, anchor_idx: int) -> slice | list[slice]:
        """Return the steps of the patch at an anchor, of a series with a coordinate along its axis.

        Parameters
        ----------
        coord
            The 1-D coordinate.
        anchor_idx
            The step the patch belongs to, counted from 0.

        Returns
        -------
        slice or list of slice
            As of `window`.

        """
        return self.window(len(np.asarray(coord)), anchor_idx)


def windows_of(geometry: TemporalGeometry, n: int, coord: ArrayLike | None, anchor: int) -> list[slice]:
    """Return the slices of a patch: one, or several."""
    by_coord = coord is not None and needs_coord(geometry)
    found = (
        geometry.window_coord(coord, anchor) if by_coord and coord is not None else geometry.window(n, anchor)
    )
    return [found] if isinstance(found, slice) else list(found)


def _step(time_len: int, anchor: SupportsIndex) -> int:
    at = index(anchor)
    if not 0 <= at < time_len:
        raise ValueError(f"anchor {at} is no step of a series of {time_len}: 0 to {time_len - 1}")
    return at


def _count(value: SupportsIndex, name: str, least: int = 1) -> int:
    number = index(value)
    if number < least:
        raise ValueError(f"{name} is a number of steps, {least} or more, not {number}")
    return number


@dataclass(frozen=True)
class TemporalFixedLookback(TemporalGeometry):
    """The anchor and the steps before it: ``[t - length + 1, t + 1)``.

    Parameters
    ----------
    length
        How many steps, the anchor among them.

    Raises
    ------
    ValueError
        ``length`` is less than 1.

    Examples
    --------
    >>> TemporalFixedLookback(3).window(10, 5), TemporalFixedLookback(3).window(10, 1)
    (slice(3, 6, None), slice(0, 2, None))

    """

    length: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", _count(self.length, "length"))

    def window(self, time_len: int, anchor: int) -> slice:
        """Return ``[anchor - length + 1, anchor + 1)``, cut off at the first step."""
        at = _step(time_len, anchor)
        return slice(max(0, at - self.length + 1), at + 1)


@dataclass(frozen=True)
class TemporalLookbackHorizon(TemporalGeometry):
    """Steps up to the anchor, and steps to be forecast: ``[t - lookback + 1, t + horizon + 1)``.

    Parameters
    ----------
    lookback
        How many steps up to the anchor, which is one of them.
    horizon
        How many steps after it.

    Raises
    ------
    ValueError
        ``lookback`` is less than 1, or ``horizon`` negative.

    Examples
    --------
    >>> TemporalLookbackHorizon(3, 2).window(10, 5)
    slice(3, 8, None)

    """

    lookback: int
    horizon: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "lookback", _count(self.lookback, "lookback"))
        object.__setattr__(self, "horizon", _count(self.horizon, "horizon", least=0))

    def window(self, time_len: int, anchor: int) -> slice:
        """Return ``[anchor - lookback + 1, anchor + horizon + 1)``, cut off at both ends of the series."""
        at = _step(time_len, anchor)
        return slice(max(0, at - self.lookback + 1), min(time_len, at + self.horizon + 1))


@dataclass(frozen=True, init=False)
class TemporalMultiScale(TemporalGeometry):
    """Several look-backs of different lengths: a patch for each.

    Parameters
    ----------
    scales
        Lengths in steps, the anchor among them.

    Raises
    ------
    ValueError
        There is none, or one is less than 1.

    Examples
    --------
    >>> TemporalMultiScale((2, 4)).window(10, 5)
    [slice(4, 6, None), slice(2, 6, None)]

    """

    scales: tuple[int, ...]

    def __init__(self, scales: Iterable[SupportsIndex]) -> None:
        object.__setattr__(self, "scales", lengths(scales))

    def window(self, time_len: int, anchor: int) -> list[slice]:
        """Return a look-back of each length, in their order, cut off at the first step."""
        at = _step(time_len, anchor)
        return [slice(max(0, at - scale + 1), at + 1) for scale in self.scales]


def lengths(scales: Iterable[SupportsIndex]) -> tuple[int, ...]:
    """Return lengths of windows in steps.

    Raises
    ------
    ValueError
        There is none, or one is less than 1.

    """
    found = tuple(_count(scale, "a scale") for scale in scales)
    if not found:
        raise ValueError("scales are lengths in steps, one at least, such as (4, 16)")
    return found


@dataclass(frozen=True)
class TemporalPhaseWindow(TemporalGeometry):
    """The same phase of each period: steps up to ``phase_width`` away from it, a patch for each period.

    With monthly steps ``TemporalPhaseWindow(12, 1)`` at a June has the Mays, Junes and Julys of all years.

    Parameters
    ----------
    period
        Steps of a period.
    phase_width
        How many steps before and after the phase belong to it, 0 or more.

    Raises
    ------
    ValueError
        ``period`` is less than 1, or ``phase_width`` negative.

    Examples
    --------
    >>> TemporalPhaseWindow(period=12, phase_width=1).window(36, 17)
    [slice(4, 7, None), slice(16, 19, None), slice(28, 31, None)]

    """

    period: int
    phase_width: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "period", _count(self.period, "period"))
        object.__setattr__(self, "phase_width", _count(self.phase_width, "phase_width", least=0))

    def window(self, time_len: int, anchor: int) -> list[slice]:
        """Return a slice for each period, in order; one of all steps where they would overlap."""
        at, width = _step(time_len, anchor), self.phase_width
        if 2 * width + 1 > self.period:
            return [slice(0, time_len)]
        # The phase before the first step may reach into the series, and the one after the last, too.
        centres = range(at % self.period - self.period, time_len + self.period, self.period)
        spans = [(max(0, centre - width), min(time_len, centre + width + 1)) for centre in centres]
        return [slice(start, stop) for start, stop in spans if start < stop]


@dataclass(frozen=True, init=False)
class TemporalStencilGeometry(TemporalGeometry):
    """The points of a stencil around an anchor, found in the coordinate of the series.

    They have to be neighbours in the series: a stencil that leaves steps out is refused.

    Parameters
    ----------
    stencil
        The points around each anchor, in the units of the coordinate.
    source_step
        The step of the series, to be told at once that a stencil does not fit it; of no other use.

    Raises
    ------
    ValueError
        The step of the stencil is not ``source_step``.
    TypeError
        ``stencil`` is none.

    Examples
    --------
    >>> from geopatcher import TimeStencil
    >>> hours = np.datetime64("2026-01-01T00") + np.arange(24)
    >>> TemporalStencilGeometry(TimeStencil("-3h", "2h", "1h")).window_coord(hours, 10)
    slice(7, 12, None)

    """

    needs_coord: ClassVar[bool] = True

    stencil: Stencil
    source_step: Offset | None

    def __init__(self, stencil: Stencil, source_step: Offset | Span | None = None) -> None:
        if not isinstance(stencil, Stencil):
            raise TypeError(f"stencil is a Stencil or a TimeStencil, not {type(stencil).__name__}")
        step = (
            None
            if source_step is None
            else Stencil(source_step, source_step, source_step, closed="both").step
        )
        if (
            step is not None
            and (stride := divide_evenly(stencil.step, step, label="the stencil's step")) != 1
        ):
            raise ValueError(_strides(stride, stencil))
        object.__setattr__(self, "stencil", stencil)
        object.__setattr__(self, "source_step", step)

    def window(self, time_len: int, anchor: int) -> slice:
        """Refuse: a stencil is in the units of a coordinate.

        Raises
        ------
        TypeError
            Always.

        """
        raise TypeError(
            f"the steps of a stencil around {anchor} of {time_len} are found by a coordinate: call "
            f"window_coord(coord, anchor), or pass coord= to the patcher"
        )

    def window_coord(self, coord: ArrayLike, anchor_idx: int) -> slice:
        """Return the steps of the stencil's points.

        Raises
        ------
        ValueError
            The stencil does not fit whole, or leaves steps of the series out.

        """
        source = as_coordinate(coord)
        at = _step(len(source), anchor_idx)
        (found,) = build_sampling_slices(source, source[at : at + 1], self.stencil)
        if found.step != 1:
            raise ValueError(_strides(found.step, self.stencil))
        return slice(found.start, found.stop)

    def get_config(self) -> dict[str, object]:
        """Return ``"stencil"`` as class and config, and ``"source_step"``, as text where it is a time."""
        step = self.source_step
        told = None if step is None else Stencil(step, step, step, closed="both").get_config()["step"]
        return {"stencil": plain(self.stencil), "source_step": told}


def _strides(stride: int, stencil: Stencil) -> str:
    return (
        f"the stencil's step of {stencil.step} is {stride} steps of the series, and a patch has neighbouring "
        f"steps: thin the series out to every {stride}th step, or give the stencil the step of the series"
    )
