"""Spans of time as text, such as ``"-9h"``, and as NumPy has them."""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction
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
#: Nanoseconds of each unit, coarsest first.
_NANOSECONDS = {unit: int(np.timedelta64(1, unit).astype("m8[ns]").astype(int)) for unit in _UNITS.values()}  # type: ignore[call-overload]
_TERM = r"(\d+(?:\.\d+)?)\s*([a-zA-Z]+)"


@runtime_checkable
class FineTimedelta(Protocol):
    """A ``pandas.Timedelta``, which counts nanoseconds."""

    def to_timedelta64(self) -> np.timedelta64:
        """Return all of it."""
        ...


def duration(value: str | timedelta | np.timedelta64) -> np.timedelta64:
    """Return a span of time: numbers with units, ``"-9h"``, ``"2 days"``, ``"1.5h"``, ``"1h30min"``.

    A sign holds for all of it. Months and years have no fixed length, and are refused.

    Raises
    ------
    ValueError
        The text is no span of time, or the span is not a time.
    TypeError
        It is neither text nor a span of time.

    Examples
    --------
    >>> duration("-9h"), duration("2 days"), duration("1.5h")
    (np.timedelta64(-9,'h'), np.timedelta64(2,'D'), np.timedelta64(90,'m'))

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
    terms = re.findall(_TERM, value)
    # "M" is a month to NumPy and a minute to nobody: only whole words are read in any case.
    units = ["" if word == "M" else _UNITS.get(word.lower(), "") for _, word in terms]
    whole = re.fullmatch(rf"\s*([+-]?)\s*(?:{_TERM}\s*)+", value)
    if whole is None or not all(units):
        raise ValueError(
            f"{value!r} is no span of time: numbers with units, such as '-9h', '1h30min' or '2D' "
            f"(weeks, days, h, min, s, ms, us, ns; months and years have no fixed length)"
        )
    lengths = (Fraction(number) * _NANOSECONDS[unit] for (number, _), unit in zip(terms, units, strict=True))
    return _in_units(-sum(lengths) if whole[1] == "-" else sum(lengths), units, value)


def _in_units(nanoseconds: Fraction | int, units: list[str], text: str) -> np.timedelta64:
    """Return a span in the finest of some units, or in the first finer one in which it is a whole number."""
    coarsest_first = list(_NANOSECONDS)
    finest = max(map(coarsest_first.index, units))
    for unit in coarsest_first[finest:]:
        number = Fraction(nanoseconds, _NANOSECONDS[unit])
        if number.denominator == 1:
            return np.timedelta64(number.numerator, unit)  # type: ignore[call-overload,no-any-return]
    raise ValueError(f"{text!r} is no span of time: it is no whole number of nanoseconds")


def duration_text(value: np.timedelta64) -> str:
    """Return a span of time as `duration` reads it.

    >>> duration_text(np.timedelta64(-90, "m"))
    '-90min'
    """
    unit, count = np.datetime_data(value.dtype)
    return f"{int(value.astype(np.int64)) * count}{_SHORT.get(unit, unit)}"
