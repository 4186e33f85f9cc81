"""Leading dimensions as JSON, and back."""

from __future__ import annotations

import numpy as np

from geopatcher.core.json_values import (
    Json,
    Record,
    dtype_from_json,
    number_from_json,
    number_to_json,
    whole_from_json,
)
from geopatcher.core.leading import Dimension, Leading
from geopatcher.core.metadata_json import tags_from_json, tags_to_json

#: The dtype of labels that are true or false.
BOOL = "|b1"


def leading_to_json(leading: Leading) -> list[Json]:
    """Return everything of leading dimensions."""
    return [_to_json(dimension) for dimension in leading]


def leading_from_json(record: Json) -> Leading:
    """Return the dimensions `leading_to_json` was given.

    Raises
    ------
    ValueError
        Something is of another kind.

    Examples
    --------
    >>> leading = (Dimension.of("time", np.array([0.5, np.inf])), Dimension("band", 2, ("B04", "B08"), "str"))
    >>> leading_from_json(leading_to_json(leading)) == leading
    True

    """
    if not isinstance(record, list):
        raise ValueError(f"{record!r:.80} is no list of dimensions")  # noqa: TRY004 - the file is wrong
    return tuple(map(_from_json, record))


def _to_json(dimension: Dimension) -> Record:
    numbers = dimension.dtype not in ("", "str", BOOL)
    return {
        "name": dimension.name,
        "length": dimension.length,
        "values": [
            number_to_json(each) if numbers and not isinstance(each, str) else each
            for each in dimension.values
        ],
        "dtype": dimension.dtype,
        "attributes": tags_to_json(dimension.attributes),
    }


def _from_json(record: Json) -> Dimension:
    match record:
        case {
            "name": str() as name,
            "length": int() as length,
            "values": list() as values,
            "dtype": str() as dtype,
            "attributes": attributes,
        }:
            known = tuple(_label(value, dtype) for value in values)
            return Dimension(name, whole_from_json(length, 1), known, dtype, tags_from_json(attributes))
    raise ValueError(f"{record!r:.80} is no dimension")


def _label(value: Json, dtype: str) -> str | int | float | bool:
    """Return a label of a kind its dtype has."""
    if dtype == "str" and isinstance(value, str):
        return value
    if dtype == BOOL and isinstance(value, bool):
        return value
    number = None if dtype in ("str", BOOL) else number_from_json(value)
    if number is not None:
        found: int | float = np.asarray(number, dtype_from_json(dtype)).item()
        return found
    raise ValueError(f"{value!r:.80} is no label of {dtype!r:.20}")
