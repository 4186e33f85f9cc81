"""Numbers and dtypes as JSON holds them, and back."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What JSON holds.
Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
#: An object of JSON, such as a line of a ledger.
Record: TypeAlias = "Mapping[str, Json]"

#: Longest text that stands for a number.
MAX_NUMBER = 40


def number_to_json(value: float | int | None) -> Json:
    """Return a number as JSON can hold it: one that is not finite becomes text.

    >>> number_to_json(3), number_to_json(0.5), number_to_json(float("nan"))
    (3, 0.5, 'nan')
    """
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def whole_from_json(value: Json, least: int = 0) -> int:
    """Return a whole number that is not below ``least``; JSON's true is none, nor is 3.0.

    Raises
    ------
    ValueError
        It is something else.

    """
    if type(value) is not int or value < least:
        raise ValueError(f"{value!r:.40} is not a whole number of {least} or more")
    return value


def dtype_from_json(value: Json) -> np.dtype:
    """Return the dtype a text stands for, of numbers of one size and nothing else.

    >>> dtype_from_json("<f4")
    dtype('float32')

    Raises
    ------
    ValueError
        It is something else, such as one of objects or records.

    """
    if not isinstance(value, str) or not re.fullmatch(r"[<>|=]?[biufc][0-9]{1,2}", value):
        raise ValueError(f"{value!r:.40} is not the dtype of a raster")
    try:
        return np.dtype(value)
    except TypeError as error:
        raise ValueError(f"{value!r:.40} is not a dtype") from error


def number_from_json(value: Json) -> float | int | None:
    """Return what `number_to_json` was given.

    Raises
    ------
    ValueError
        It is not a number.

    """
    if isinstance(value, str):
        if len(value) > MAX_NUMBER:
            raise ValueError(f"{value[:MAX_NUMBER]!r}... is not a number")
        return float(value)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise ValueError(f"{value!r:.40} is not a number")


def required_number(value: Json) -> float | int:
    """Return what `number_to_json` was given, where that was a number.

    Raises
    ------
    ValueError
        It is none, or nothing.

    """
    number = number_from_json(value)
    if number is None:
        raise ValueError("a number is missing")
    return number


def list_from_json(value: Json) -> Sequence[Json]:
    """Return a list, or a tuple that becomes one.

    Raises
    ------
    ValueError
        It is something else.

    """
    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r:.80} is not a list")  # noqa: TRY004 - the value is wrong, not the call
    return value


def text_from_json(value: Json) -> str:
    """Return a text.

    Raises
    ------
    ValueError
        It is something else.

    """
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.80} is not a text")  # noqa: TRY004 - the value is wrong, not the call
    return value
