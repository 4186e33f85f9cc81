"""Coordinates along an axis: numbers, datetimes of NumPy, and those of other calendars (cftime)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np

from geopatcher.core.durations import duration

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from geopatcher.core.protocols import Array

#: A number, or a span of time.
Offset: TypeAlias = "int | float | np.integer | np.floating | np.timedelta64"
#: Two numbers closer than this share of a step are the same point: coordinates such as 0.1, 0.2 are rounded.
TOLERANCE = 1e-6
#: How many times a point, its origin and the stencil are rounded, at most.
ROUNDINGS = 4


@runtime_checkable
class SaysCoord(Protocol):
    """An axis of a patcher that says whether it is in units of the coordinate."""

    @property
    def needs_coord(self) -> bool:
        """Whether it is."""
        ...


def needs_coord(axis: object) -> bool:
    """Whether an axis of a patcher is in units of the coordinate; one that does not say so counts steps.

    >>> from geopatcher import TemporalRegularStride
    >>> needs_coord(TemporalRegularStride()), needs_coord(object())
    (False, False)
    """
    return isinstance(axis, SaysCoord) and axis.needs_coord


def as_coordinate(values: ArrayLike, name: str = "coord") -> Array:
    """Return a 1-D coordinate that increases from each point to the next.

    Datetimes of other calendars stay the objects they are.

    Raises
    ------
    ValueError
        It is not 1-D, does not increase, or has a value that is none (NaN, NaT).
    TypeError
        It holds neither numbers nor datetimes.

    """
    array = as_points(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name} is a coordinate along one axis, not an array shaped {array.shape}")
    offsets = from_first(array, array)
    if offsets.dtype.kind in "fmM" and not np.isfinite(offsets).all():
        raise ValueError(f"{name} has points that are no number or no time")
    rises = offsets[1:] > offsets[:-1]
    if not rises.all():
        at = int(np.argmin(rises))
        raise ValueError(
            f"{name} has to increase, and does not from point {at} to {at + 1} ({array[at]} to "
            f"{array[at + 1]}): sort the series along it first"
        )
    return array


def as_points(values: ArrayLike, name: str) -> Array:
    """Return points of a coordinate; months and years are their first days, for they have no fixed length.

    Raises
    ------
    TypeError
        They are neither numbers nor datetimes.

    """
    array = np.asarray(values)
    check_kind(array, name)
    calendar = array.dtype.kind == "M" and np.datetime_data(array.dtype)[0] in ("M", "Y")
    return array.astype("M8[D]") if calendar else array


def check_kind(array: Array, name: str) -> None:
    """Refuse what is no coordinate.

    Raises
    ------
    TypeError
        The array holds neither numbers nor datetimes.

    """
    objects = array.dtype.kind == "O"
    if array.dtype.kind not in "iufmMO" or (objects and not _are_datetimes(array)):
        raise TypeError(f"{name} holds {array.dtype}, which is neither numbers, datetimes nor cftime's")


def _are_datetimes(array: Array) -> bool:
    try:
        return all(isinstance(value - array[0], timedelta) for value in array)
    except TypeError:
        return False


def from_first(points: Array, source: Array) -> Array:
    """Return how far points are from the first one of a source: spans of time, or numbers as they are.

    Raises
    ------
    TypeError
        One holds datetimes and the other does not, or those of another calendar.

    """
    kinds = {points.dtype.kind, source.dtype.kind}
    if kinds <= set("iuf"):  # wide enough for differences and sums of them
        return points.astype(np.float64 if points.dtype.kind == "f" else np.int64)
    if len(source) == 0 or len(points) == 0:
        return np.empty(len(points), "m8[us]")
    if kinds == {"m"}:
        return points
    try:
        if kinds == {"M"}:
            return np.asarray(points - source[0])
        return np.array([duration(_passed(point, source[0])) for point in points])
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"points of {points.dtype} are not on a coordinate of {source.dtype}: {error}"
        ) from error


def _passed(later: object, first: object) -> timedelta:
    """Return the time between two datetimes. Of one zone Python subtracts what clocks show there."""
    if isinstance(later, datetime) and isinstance(first, datetime) and later.tzinfo and first.tzinfo:
        return later.astimezone(UTC) - first.astimezone(UTC)
    return later - first  # type: ignore[operator,no-any-return] # those of cftime


def moved(offsets: Array, by: Offset) -> Array:
    """Return points moved by a number or a span of time.

    Raises
    ------
    TypeError
        The points are times and the shift is a number, or the other way round.

    """
    if isinstance(by, np.timedelta64) != (offsets.dtype.kind == "m"):
        held = "datetimes" if offsets.dtype.kind == "m" else "numbers"
        raise TypeError(
            f"the coordinate holds {held}, and the stencil has a step of {by!r}: TimeStencil('-9h', '3h', "
            f"'1h') is for datetimes, Stencil(-9, 3, 1) for numbers"
        )
    return np.asarray(offsets + by)


def spacing_of(*coordinates: Array) -> float:
    """Return the widest gap between neighbouring floats of a coordinate; 0 of integers and times.

    >>> spacing_of(np.array([1, 2])), spacing_of(np.array([1.0, 16.0], "float32")) == 2.0**-19
    (0.0, True)
    """
    largest = (np.abs(one).max(initial=0) for one in coordinates if one.dtype.kind == "f")
    return max((float(np.spacing(value)) for value in largest), default=0.0)


def find(points: Array, offsets: Array, step: Offset, spacing: float = 0.0) -> Array:
    """Return where points are among sorted offsets, -1 where they are not.

    Spans of time and integers have to be equal; floats may differ by a millionth of ``step``, or by as much
    as is lost where they are ``spacing`` apart.

    >>> find(np.array([0.3, 0.35]), np.array([0.1, 0.2, 0.30000000000000004]), 0.1)
    array([ 2, -1])
    """
    if len(offsets) == 0:
        return np.full(len(points), -1)
    after = np.minimum(np.searchsorted(offsets, points), len(offsets) - 1)
    if "f" not in (points.dtype.kind, offsets.dtype.kind):
        return np.where(offsets[after] == points, after, -1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(offsets[before] - points) < np.abs(offsets[after] - points), before, after)
    # A quarter of a step is nearer to one point than to the next.
    tolerance = np.minimum(np.maximum(TOLERANCE * np.abs(step), ROUNDINGS * spacing), 0.25 * np.abs(step))
    near: Array = np.abs(offsets[nearest] - points) <= tolerance
    return np.where(near, nearest, -1)
