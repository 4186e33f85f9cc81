"""Spans of time as text, such as ``"-9h"``, and as NumPy has them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Protocol, runtime_checkable

import numpy as np

_UNITS: dict[str, str] = {
    name: unit
    for unit, names in {
        "W": "w week weeks",
        "D": "d day days",
        "h": "h hr hour hours",
        "m": "m min mins minute minutes",
        "s": "s sec second seconds",
        "ms": "ms millisecond milliseconds",
        "us": "us microsecond microseconds",
        "ns": "ns nanosecond nanoseconds",
    }.items()
    for name in names.split()
}
_SHORT = {"m": "min"}


@runtime_checkable
class FineTimedelta(Protocol):
    """A ``pandas.Timedelta``, which counts nanoseconds."""

    def to_timedelta64(self) -> np.timedelta64:
        """Return all of it."""
        ...


def duration(value: str | timedelta | np.timedelta64) -> np.timedelta64:
    """Return a span of time: a whole number and a unit, ``"-9h"``, ``"30min"``, ``"2 days"``.

    Months and years have no fixed length, and are refused.

    Raises
    ------
    ValueError
        The text is no span of time, or the span is not a time.
    TypeError
        It is neither text nor a span of time.

    Examples
    --------
    >>> duration("-9h"), duration("2 days")
    (np.timedelta64(-9,'h'), np.timedelta64(2,'D'))

    """
    if isinstance(value, np.timedelta64):
        if np.isnat(value) or np.datetime_data(value.dtype)[0] in ("generic", "M", "Y"):
            raise ValueError(f"{value!r} is no span of time of a fixed length: say days, hours or less")
        return value
    if isinstance(value, FineTimedelta):
        return duration(value.to_timedelta64())  # a timedelta, whose nanoseconds NumPy would drop
    if isinstance(value, timedelta):
        return np.timedelta64(value)
    if not isinstance(value, str):
        raise TypeError(f"a span of time is a text such as '3h' or a timedelta64, not {value!r}")
    found = re.fullmatch(r"\s*([+-]?\d+)\s*([a-zA-Z]+)\s*", value)
    # "M" is a month to NumPy and a minute to nobody: only whole words are read in any case.
    unit = None if found is None or found[2] == "M" else _UNITS.get(found[2].lower())
    if found is None or unit is None:
        raise ValueError(
            f"{value!r} is no span of time: a whole number and a unit, such as '-9h', '30min' or '2D' "
            f"(weeks, days, h, min, s, ms, us, ns; months and years have no fixed length)"
        )
    return np.timedelta64(int(found[1]), unit)  # type: ignore[call-overload,no-any-return] # a unit


def duration_text(value: np.timedelta64) -> str:
    """Return a span of time as `duration` reads it.

    >>> duration_text(np.timedelta64(-90, "m"))
    '-90min'
    """
    unit, count = np.datetime_data(value.dtype)
    return f"{int(value.astype(np.int64)) * count}{_SHORT.get(unit, unit)}"
