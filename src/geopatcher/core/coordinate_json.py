"""Coordinates along an axis as JSON, and back: numbers, texts, datetimes, and those of other calendars."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher._optional import load
from geopatcher.core.json_values import dtype_from_json, number_from_json, number_to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from geopatcher.core.json_values import Json, Record

#: Dtypes of dates, spans of time and texts.
OTHERS = re.compile(r"[<>|=]?([Mm]8\[\d*[a-zA-Zμ]+\]|U\d+)")
#: What is said in the place of a dtype of Python's texts.
TEXTS = "str"


@runtime_checkable
class CalendarDate(Protocol):
    """What is used of a ``cftime.datetime``: a date of any calendar."""

    @property
    def calendar(self) -> str:
        """Name of the calendar."""
        ...

    @property
    def has_year_zero(self) -> bool:
        """Whether there is a year 0 between -1 and 1."""
        ...

    @property
    def microsecond(self) -> int:
        """0 to 999999."""
        ...

    def timetuple(self) -> Sequence[int]:
        """Return year, month, day, hour, minute, second and more."""
        ...


def coordinate_to_json(values: NDArray[np.generic]) -> Record:
    """Return a coordinate: its dtype, or its calendar, and its values; dates are text of ISO 8601.

    >>> coordinate_to_json(np.array(["2024-01-03", "NaT"], "M8[D]"))
    {'dtype': '<M8[D]', 'values': ['2024-01-03', 'NaT']}
    >>> coordinate_to_json(np.array([0.5, np.nan]))
    {'dtype': '<f8', 'values': [0.5, 'nan']}

    Raises
    ------
    TypeError
        It holds something else.

    """
    kind, listed = values.dtype.kind, values.tolist()
    if kind == "O":
        if all(isinstance(value, str) for value in listed):
            return {"dtype": TEXTS, "values": listed}
        dates = [value for value in listed if isinstance(value, CalendarDate)]
        if len({(date.calendar, date.has_year_zero) for date in dates}) == 1 and len(dates) == len(listed):
            told = [[*map(int, date.timetuple()[:6]), date.microsecond] for date in dates]
            return {"calendar": dates[0].calendar, "has_year_zero": dates[0].has_year_zero, "values": told}
    known: Json | None = None
    if kind in "biuf":
        known = [number_to_json(value) for value in listed]
    elif kind == "M":
        known = np.datetime_as_string(values).tolist()  # type: ignore[arg-type]
    elif kind == "m":
        counts = values.astype(np.int64).tolist()
        known = [None if lost else count for count, lost in zip(counts, np.isnat(values), strict=True)]
    elif kind == "U":
        known = listed
    if known is None:
        raise TypeError(
            f"coordinates of {values.dtype} cannot be told in a configuration: give numbers, texts or dates, "
            f"all of one calendar"
        )
    return {"dtype": values.dtype.str, "values": known}


def coordinate_from_json(record: Mapping[str, Json]) -> NDArray[np.generic]:
    """Return the coordinate `coordinate_to_json` was given.

    Raises
    ------
    ValueError
        Something is of another kind.
    MissingExtraError
        It is of another calendar, and cftime is not installed.

    """
    match record:
        case {"dtype": str() as dtype, "values": list() as values, **more} if not more:
            return _of_dtype(dtype, values)
        case {
            "calendar": str() as calendar,
            "has_year_zero": bool() as has_year_zero,
            "values": list() as values,
            **more,
        } if not more:
            date = load("cftime").datetime
            found = np.empty(len(values), dtype=object)
            for number, value in enumerate(values):
                found[number] = date(*value, calendar=calendar, has_year_zero=has_year_zero)
            return found
    raise ValueError(f"{record!r:.80} is no coordinate: it has a dtype or a calendar, and values")


def _of_dtype(dtype: str, values: Sequence[Json]) -> NDArray[np.generic]:
    if dtype == TEXTS:
        if not all(isinstance(value, str) for value in values):
            raise ValueError(f"{values!r:.80} are no texts")
        return np.array(values, dtype=object)
    if not OTHERS.fullmatch(dtype):
        return np.array([number_from_json(_as_number(value)) for value in values], dtype_from_json(dtype))
    if "m8" in dtype:
        return np.array([np.timedelta64("NaT") if value is None else value for value in values], dtype)
    return np.array(values, dtype)


def _as_number(value: Json) -> Json:
    return int(value) if isinstance(value, bool) else value
