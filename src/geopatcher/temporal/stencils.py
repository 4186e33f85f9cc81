"""Stencils: which points around an origin a sample is made of, in the units of the coordinate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from geopatcher.core.config import Configured
from geopatcher.core.durations import duration, duration_text
from geopatcher.temporal.coordinates import (
    Offset,
    as_coordinate,
    as_points,
    find,
    from_first,
    moved,
    spacing_of,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from geopatcher.core.protocols import Array

Closed: TypeAlias = Literal["left", "right", "both", "neither"]
#: A span of time as people say it.
Span: TypeAlias = str | timedelta | np.timedelta64

_CLOSED: tuple[Closed, ...] = ("left", "right", "both", "neither")
#: How far from a whole number the quotient of two floats may be, by rounding.
_ROUNDING = 1e-9


def divide_evenly(x: Offset | Span, y: Offset | Span, *, label: str = "value") -> int:
    """Return how many times ``y`` goes into ``x``, which has to be a whole number.

    Parameters
    ----------
    x, y
        Two numbers or two spans of time: text such as ``"6h"``, a ``timedelta`` or a ``timedelta64``.
    label
        What messages call ``x``.

    Returns
    -------
    int
        The quotient; negative where one of them is.

    Raises
    ------
    ValueError
        ``y`` is zero, or does not go into ``x`` a whole number of times; names both.
    TypeError
        One is a span of time, and the other a number; or one is neither.

    Examples
    --------
    >>> divide_evenly(12, 4), divide_evenly(0.3, 0.1)
    (3, 3)
    >>> divide_evenly(np.timedelta64(1, "D"), "6h")
    4
    >>> divide_evenly(10, 4, label="span")
    Traceback (most recent call last):
    ValueError: span 10 is not a whole number of steps of 4

    """
    x, y = _number(x, label), _number(y, "the step")
    if isinstance(x, np.timedelta64) != isinstance(y, np.timedelta64):
        raise TypeError(f"{label} {x!r} and the step {y!r} are not of one kind: both numbers, or both times")
    if not y:
        raise ValueError(f"{label} {x} cannot be divided by a step of {y}")
    problem = f"{label} {x} is not a whole number of steps of {y}"
    if isinstance(x, np.timedelta64) or (_is_whole(x) and _is_whole(y)):
        quotient, rest = divmod(x, y)  # type: ignore[operator] # both of one kind
        if rest:
            raise ValueError(problem)
        return int(quotient)
    ratio = float(x) / float(y)
    if not np.isfinite(ratio) or abs(ratio - round(ratio)) > _ROUNDING * max(1.0, abs(ratio)):
        raise ValueError(problem)
    if x and not round(ratio):  # less than a step, however little
        raise ValueError(problem)
    return round(ratio)


def _number(value: Offset | Span, name: str) -> Offset:
    """Return a span of time, or a number of Python's own: those of NumPy overflow."""
    if isinstance(value, str | timedelta | np.timedelta64):
        return duration(value)
    if isinstance(value, np.integer | np.floating):
        return value.item()
    if not isinstance(value, int | float):
        raise TypeError(f"{name} is a finite number or a span of time, not {value!r}")
    return value


def _is_whole(value: Offset) -> bool:
    return isinstance(value, int | np.integer)


@dataclass(frozen=True, init=False)
class Stencil(Configured):
    """Evenly spaced points around an origin, in the units of a coordinate.

    Parameters
    ----------
    start, stop
        The first and the last point, relative to the origin.
    step
        From each point to the next; ``stop - start`` is a whole number of them.
    closed
        Which of the two ends are points: ``"left"`` (the first, as in a slice), ``"right"``, ``"both"`` or
        ``"neither"``.

    Raises
    ------
    ValueError
        ``closed`` is unknown, ``step`` is not positive, ``stop - start`` is no whole number of steps, or no
        point is left.
    TypeError
        Numbers and spans of time are mixed, or one is neither.

    Examples
    --------
    >>> Stencil(-3, 2, 1).points
    array([-3, -2, -1,  0,  1])
    >>> Stencil(-3, 2, 1, closed="both").points
    array([-3, -2, -1,  0,  1,  2])

    """

    start: Offset
    stop: Offset
    step: Offset
    closed: Closed

    def __init__(
        self, start: Offset | Span, stop: Offset | Span, step: Offset | Span, *, closed: Closed = "left"
    ) -> None:
        first, last, by = _offset(start, "start"), _offset(stop, "stop"), _offset(step, "step")
        if closed not in _CLOSED:
            raise ValueError(f"closed={closed!r} is none of {', '.join(_CLOSED)}")
        times = [isinstance(value, np.timedelta64) for value in (first, last, by)]
        if any(times) and not all(times):
            raise TypeError(f"start={start!r}, stop={stop!r} and step={step!r} mix numbers and times")
        if not by > by * 0:  # in its own unit
            raise ValueError(f"step is the way from a point to the next, more than 0, not {step!r}")
        for name, value in (("start", first), ("stop", last), ("step", by), ("closed", closed)):
            object.__setattr__(self, name, value)
        n = self._n_steps + 1 - (not self.includes_start) - (not self.includes_stop)
        if n < 1:
            raise ValueError(
                f"no point is from {start!r} to {stop!r} in steps of {step!r}, closed={closed!r}"
            )

    @property
    def _n_steps(self) -> int:
        return divide_evenly(self.stop - self.start, self.step, label="stop - start")  # type: ignore[operator]

    @property
    def includes_start(self) -> bool:
        """Whether ``start`` is a point."""
        return self.closed in ("left", "both")

    @property
    def includes_stop(self) -> bool:
        """Whether ``stop`` is a point."""
        return self.closed in ("right", "both")

    @property
    def points(self) -> Array:
        """The points relative to the origin: integers, floats or ``timedelta64``."""
        steps = np.arange(not self.includes_start, self._n_steps + self.includes_stop)
        return np.asarray(self.start + steps * self.step)  # type: ignore[operator]

    def get_config(self) -> dict[str, object]:
        """Return ``"start"``, ``"stop"``, ``"step"`` and ``"closed"``; spans of time are text."""
        ends = {name: vars(self)[name] for name in ("start", "stop", "step")}
        told = {
            name: duration_text(value)
            if isinstance(value, np.timedelta64)
            else (int(value) if _is_whole(value) else float(value))
            for name, value in ends.items()
        }
        return {**told, "closed": self.closed}


@dataclass(frozen=True, init=False, repr=False)
class TimeStencil(Stencil):
    """A `Stencil` in spans of time, given as text.

    Parameters
    ----------
    start, stop
        The first and the last point, relative to the origin: ``"-9h"``, ``"2D"``, or a ``timedelta64``.
    step
        From each point to the next.
    closed
        Which of the two ends are points: ``"left"`` by default, ``"right"``, ``"both"`` or ``"neither"``.

    Raises
    ------
    ValueError
        A text is no span of time; or as of `Stencil`.

    Examples
    --------
    >>> TimeStencil("-9h", "3h", "6h")
    TimeStencil('-9h', '3h', '6h', closed='left')
    >>> TimeStencil("-9h", "3h", "6h").points
    array([-9, -3], dtype='timedelta64[h]')

    """

    def __init__(self, start: Span, stop: Span, step: Span, *, closed: Closed = "left") -> None:
        super().__init__(duration(start), duration(stop), duration(step), closed=closed)

    def __repr__(self) -> str:
        config = self.get_config()
        return (
            f"TimeStencil({config['start']!r}, {config['stop']!r}, {config['step']!r}, "
            f"closed={self.closed!r})"
        )


def _offset(value: Offset | Span, name: str) -> Offset:
    number = _number(value, name)
    if not isinstance(number, np.timedelta64) and not math.isfinite(number):
        raise ValueError(f"{name} is a finite number or a span of time, not {value!r}")
    return number


def build_sampling_slices(
    source_points: ArrayLike, sample_origins: ArrayLike, stencil: Stencil
) -> list[slice]:
    """Return which points of a source a stencil means at each origin.

    Parameters
    ----------
    source_points
        The coordinate of the source, which increases: numbers, ``datetime64``, ``timedelta64``, or
        datetimes of cftime. It may have gaps where no stencil needs a point.
    sample_origins
        Where the stencil is put; they need not be points of the source.
    stencil
        The points around each origin.

    Returns
    -------
    list of slice
        One for each origin, with a step: more than 1 where the stencil leaves points of the source out.

    Raises
    ------
    ValueError
        A point of a stencil is not in the source, or its points are not evenly spaced there; says which.
    TypeError
        Coordinate and stencil are not of one kind.

    Examples
    --------
    >>> build_sampling_slices([0, 1, 2, 3, 4, 5], [2, 3], Stencil(-2, 2, 2, closed="both"))
    [slice(0, 5, 2), slice(1, 6, 2)]

    """
    source = as_coordinate(source_points, "source_points")
    origins = np.atleast_1d(as_points(sample_origins, "sample_origins"))
    first, stride, fits = _fitted(source, origins, stencil)
    if not fits.all():
        origin = origins[int(np.argmin(fits))]
        between = f"{source[0]} to {source[-1]}" if len(source) else "no points"
        raise ValueError(
            f"the stencil from {stencil.start} to {stencil.stop} in steps of {stencil.step} does not fit at "
            f"{origin}: the source of {len(source)} points ({between}) does not have all its points, evenly "
            f"spaced; valid_origin_points gives the origins where it fits"
        )
    n = len(stencil.points)
    return [
        slice(start, start + (n - 1) * by + 1, by)
        for start, by in zip(first.tolist(), stride.tolist(), strict=True)
    ]


def valid_origin_points(source_points: ArrayLike, stencil: Stencil) -> Array:
    """Return the points of a source around which a stencil fits whole.

    Parameters
    ----------
    source_points
        The coordinate of the source, as for `build_sampling_slices`.
    stencil
        The points around each origin.

    Returns
    -------
    numpy.ndarray
        Those points, in order: all points of the stencil around each are in the source.

    Examples
    --------
    >>> valid_origin_points([0, 1, 2, 3, 5, 6, 7], Stencil(-1, 1, 1, closed="both"))
    array([1, 2, 6])

    """
    source = as_coordinate(source_points, "source_points")
    return np.asarray(source[valid_origins(source, stencil)])


def valid_origins(source: Array, stencil: Stencil) -> Array:
    """Return which points of a coordinate a stencil fits whole around, as booleans."""
    return _fitted(source, source, stencil)[2]


def _fitted(source: Array, origins: Array, stencil: Stencil) -> tuple[Array, Array, Array]:
    """Return for each origin the index of its first point, the stride, and whether all points are there."""
    offsets, around = from_first(source, source), from_first(origins, source)
    points, spacing = stencil.points, spacing_of(source, origins)
    first = find(moved(around, points[0]), offsets, stencil.step, spacing)
    fits = first >= 0
    stride = np.ones_like(first)
    for number, point in enumerate(points[1:], 1):
        index = find(moved(around, point), offsets, stencil.step, spacing)
        if number == 1:
            stride = index - first
        fits &= (index >= 0) & (index == first + number * stride)
    return first, stride, fits
