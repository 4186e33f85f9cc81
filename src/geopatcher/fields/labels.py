"""What bands are called: the labels of a dimension as text, and names and units of attributes."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import load
from geopatcher.core.leading import BAND, Dimension

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.core.leading import Leading
    from geopatcher.core.protocols import Array
    from geopatcher.fields.georeference import Attributes
    from geopatcher.fields.labelled import Labels

#: Units of time of CF (section 4.4), in nanoseconds.
UNITS_NS = {
    **dict.fromkeys(("day", "days", "d"), 86_400_000_000_000),
    **dict.fromkeys(("hour", "hours", "hr", "hrs", "h"), 3_600_000_000_000),
    **dict.fromkeys(("minute", "minutes", "min", "mins"), 60_000_000_000),
    **dict.fromkeys(("second", "seconds", "sec", "secs", "s"), 1_000_000_000),
    **dict.fromkeys(("millisecond", "milliseconds", "msec", "msecs", "ms"), 1_000_000),
    **dict.fromkeys(("microsecond", "microseconds", "us"), 1_000),
    **dict.fromkeys(("nanosecond", "nanoseconds", "ns"), 1),
}
#: Calendars whose dates are those of NumPy, but for dates before 1582.
CALENDARS = ("", "standard", "gregorian", "proleptic_gregorian")


def texts_of(labels: Array, attributes: Attributes) -> tuple[str, ...]:
    """Return labels as text: dates as ISO 8601 has them, numbers as they are read.

    Numbers with CF units of time, such as ``"days since 2024-01-01"``, are dates.

    >>> texts_of(np.array([0, 31.5]), {"units": "days since 2024-01-01"})
    ('2024-01-01', '2024-02-01T12:00:00')
    >>> texts_of(np.array([0.49, 0.665]), {})
    ('0.49', '0.665')
    """
    labels = _dates(labels, attributes)
    if labels.dtype.kind == "M":
        return tuple(map(_iso, labels))
    return tuple(str(label) for label in labels.tolist())


def _iso(date: np.datetime64) -> str:
    """Return a date without the parts that say nothing."""
    text = re.sub(r"\.0+$", "", str(date))
    text = re.sub(r"(\.[0-9]*[1-9])0+$", r"\1", text)
    return re.sub(r"T00(:00(:00)?)?$", "", text)


def _dates(labels: Array, attributes: Attributes) -> Array:
    """Return numbers as dates where their units make them so."""
    if labels.dtype.kind not in "iuf":
        return labels
    match = re.fullmatch(r"\s*(\w+)\s+since\s+(.*?)\s*", str(attributes.get("units", "")))
    calendar = str(attributes.get("calendar", "")).lower()
    unit = None if match is None else UNITS_NS.get(match[1].lower())
    if match is None or unit is None or calendar not in CALENDARS:
        return labels
    began = re.sub(r"\s*(UTC|Z|[+-]00:?00)$", "", match[2]).replace(" ", "T", 1)
    # Counted in nanoseconds there are no years before 1678.
    precision, tick_ns = ("ns", 1) if unit < 1000 else ("us", 1000)
    try:
        start = np.asarray(began, dtype=f"M8[{precision}]")
        passed = np.asarray([_whole(value, unit // tick_ns) for value in labels.tolist()], dtype=np.int64)
    except (ValueError, OverflowError):  # what cannot be said as a date stays a number
        return labels
    dates: Array = start + passed.astype(f"m8[{precision}]")
    return dates


def _whole(value: float | int, ticks: int) -> int:
    """Whole ticks; those of integers are exact."""
    return value * ticks if isinstance(value, int) else round(value * ticks)


def names_of(labels: Array | None, said: Attributes, attributes: Attributes, count: int) -> tuple[str, ...]:
    """Return the names of bands: their labels, or what the attributes of the array call them.

    ``said`` are the attributes of the labels. Labels that only number the bands are not names.
    """
    labels = None if labels is None else _dates(labels, said)
    if labels is not None and labels.dtype.kind not in "iuf":
        return texts_of(labels, said)
    for key in ("band_names", "long_name"):
        given = attributes.get(key)
        if isinstance(given, list | tuple) and len(given) == count:
            return tuple(map(str, given))
        if isinstance(given, str) and given and count == 1 and (labels is None or numbers_bands(labels)):
            return (given,)
    if labels is None or numbers_bands(labels):
        return tuple(f"b{band + 1}" for band in range(count))
    return texts_of(labels, said)


def names_along(leading: Leading, n_bands: int) -> tuple[str, ...]:
    """Return the names of bands along leading dimensions, such as ``"2024-01-03 B04"``.

    >>> names_along((Dimension("time", 2), Dimension("band", 2, ("B04", "B08"), "str")), 4)
    ('time 1 B04', 'time 1 B08', 'time 2 B04', 'time 2 B08')
    """
    along = [_along(dimension) for dimension in leading or (Dimension(BAND, n_bands),)]
    return tuple(" ".join(parts) for parts in itertools.product(*along))


def encoded(labels: Array, coordinate: Labels) -> tuple[Array, Attributes]:
    """Return labels as CF stores them, and the attributes that say what they are: calendars of xarray, too.

    Dates of NumPy stay dates.
    """
    if labels.dtype.kind != "O" or all(isinstance(label, str) for label in labels.tolist()):
        return labels, coordinate.attrs
    given = load("xarray").Variable(coordinate.dims, labels, dict(coordinate.attrs))
    stored = load("xarray.conventions").encode_cf_variable(given)
    return np.asarray(stored.values), stored.attrs


def _along(dimension: Dimension) -> Sequence[str]:
    labels = dimension.labels()
    if labels is not None:
        return texts_of(labels, dict(dimension.attributes))
    prefix = "b" if dimension.name == BAND else f"{dimension.name} "
    return [f"{prefix}{place + 1}" for place in range(dimension.length)]


def numbers_bands(labels: Array) -> bool:
    """Whether labels are but the numbers of the bands, from 0 or 1.

    >>> numbers_bands(np.array([1, 2, 3])), numbers_bands(np.array([4, 8]))
    (True, False)
    """
    return labels.dtype.kind in "iuf" and any(
        np.array_equal(labels, np.arange(first, first + len(labels))) for first in (0, 1)
    )


def units_of(attributes: Attributes, count: int) -> tuple[str, ...]:
    """Return the units of bands: one for all, or one for each; none where they are not known."""
    for key in ("band_units", "units"):
        given = attributes.get(key)
        if isinstance(given, str) and given:
            return (given,) * count
        if isinstance(given, list | tuple) and len(given) == count:
            return tuple(_texts(given))
    return ()


def _texts(values: Sequence[object]) -> list[str]:
    return ["" if value is None else str(value) for value in values]
