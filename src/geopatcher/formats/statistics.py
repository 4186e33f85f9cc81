"""Statistics of bands as files keep them: GDAL's tags of a band, and attributes of a zarr array.

An array has the names that GDAL gives to a band, ``STATISTICS_MINIMUM`` and so on: a number of one band,
as rioxarray reads it of a GeoTIFF, a list of several; and ``actual_range`` of CF, over all bands and in units
of what is stored as numbers with scale and offset.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from geopatcher.core.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from geopatcher.core.metadata import Metadata

#: CF's name of the lowest and the highest value.
ACTUAL_RANGE = "actual_range"
#: Bands of which each has its statistics among the attributes, which are read whenever an array is opened.
MAX_BANDS = 1024

_BEFORE = "STATISTICS_"
_MINIMUM, _MAXIMUM, _MEAN, _STDDEV, _PERCENT, _COUNT = (
    f"{_BEFORE}{name}" for name in ("MINIMUM", "MAXIMUM", "MEAN", "STDDEV", "VALID_PERCENT", "VALID_COUNT")
)
#: Largest whole number that is written with all of its digits: those of a cell are not larger.
_MOST_WHOLE = 2**64


def tags_of(found: Statistics | None) -> dict[str, str]:
    """Return the tags of a band as GDAL writes them, the lowest and the highest value without loss.

    >>> tags_of(Statistics(1, 3, 2.0, 1.0, 100 / 3, 2))["STATISTICS_VALID_PERCENT"]
    '33.33'
    """
    if found is None:
        return {}
    tags = {
        _MAXIMUM: _text(found.maximum),
        _MEAN: f"{found.mean:.14g}",
        _MINIMUM: _text(found.minimum),
        _STDDEV: f"{found.deviation:.14g}",
    }
    if found.valid_count is not None:
        tags[_COUNT] = str(found.valid_count)
    if found.valid_percent is not None:
        tags[_PERCENT] = f"{found.valid_percent:.4g}"
    return tags


def attributes_of(found: Sequence[Statistics | None], metadata: Metadata) -> dict[str, object]:
    """Return the attributes of an array of these bands; none where no band has any.

    A band without has the text ``NaN``, which is what zarr calls it: JSON has no such number. Of more than
    `MAX_BANDS` bands only the range of all is kept.

    >>> from geopatcher.core.metadata import BandMetadata, Metadata
    >>> said = attributes_of([Statistics(0, 50, 9.5, 2.0, 50.0, 3)], Metadata((BandMetadata(0.5, 1.0),)))
    >>> said["STATISTICS_MAXIMUM"], said["actual_range"]
    (50, [1.0, 26.0])
    """
    known = [each for each in found if each is not None]
    if not known:
        return {}
    pairs = [(band.scale, band.offset) for band in metadata.bands] or [(1.0, 0.0)] * len(found)
    meant = [
        each if pair == (1.0, 0.0) else each.scaled(*pair)
        for each, pair in zip(found, pairs, strict=True)
        if each is not None
    ]
    low, high = min(each.minimum for each in meant), max(each.maximum for each in meant)
    ends: dict[str, object] = {ACTUAL_RANGE: [low, high]}
    if len(found) > MAX_BANDS:
        return ends
    listed: dict[str, list[object]] = {
        _MAXIMUM: [None if each is None else each.maximum for each in found],
        _MEAN: [None if each is None else each.mean for each in found],
        _MINIMUM: [None if each is None else each.minimum for each in found],
        _STDDEV: [None if each is None else each.deviation for each in found],
        _COUNT: [0 if each is None else each.valid_count for each in found],
        _PERCENT: [0.0 if each is None else each.valid_percent for each in found],
    }
    told = {name: ["NaN" if each is None else each for each in values] for name, values in listed.items()}
    return {name: values[0] if len(values) == 1 else values for name, values in told.items()} | ends


def in_tags(tags: Mapping[str, str]) -> Statistics | None:
    """Return what the tags of a band say; `None` where they say nothing, or tell of a sample.

    >>> in_tags({"STATISTICS_MINIMUM": "0", "STATISTICS_MAXIMUM": "1", "STATISTICS_APPROXIMATE": "YES"})
    """
    if tags.get(f"{_BEFORE}APPROXIMATE", "NO").upper() not in ("NO", "FALSE", "0"):
        return None
    return _read({name: value for name, value in tags.items() if name.startswith(_BEFORE)})


def in_attributes(attributes: Mapping[Hashable, object], n_bands: int) -> tuple[Statistics | None, ...]:
    """Return what the attributes of an array say of each of its bands; nothing where they say nothing.

    >>> [each.mean for each in in_attributes({"STATISTICS_MINIMUM": 0, "STATISTICS_MAXIMUM": 2}, 1)]
    []
    """
    told: dict[str, Sequence[object]] = {}
    for name in (_MINIMUM, _MAXIMUM, _MEAN, _STDDEV, _PERCENT, _COUNT):
        value = attributes.get(name)
        values = value if isinstance(value, list | tuple) else [value]
        if len(values) == n_bands:
            told[name] = values
    found = tuple(_read({name: values[band] for name, values in told.items()}) for band in range(n_bands))
    return found if any(each is not None for each in found) else ()


def _read(told: Mapping[str, object]) -> Statistics | None:
    """Return statistics of which each number may be missing, or be none; anybody may have written them."""
    low, high, mean, deviation = (_number(told.get(name)) for name in (_MINIMUM, _MAXIMUM, _MEAN, _STDDEV))
    if low is None or high is None or mean is None or deviation is None or low > high:
        return None
    percent, count = _number(told.get(_PERCENT)), _number(told.get(_COUNT))
    return Statistics(
        low,
        high,
        float(mean),
        float(deviation),
        None if percent is None else float(percent),
        None if count is None else int(count),
    )


def _number(value: object) -> float | int | None:
    """Return a number that is finite, whole where it is written so."""
    if not isinstance(value, str | int | float):
        return None
    try:
        return int(value) if isinstance(value, int | str) else _finite(value)
    except ValueError:
        pass
    try:
        return _finite(float(value))
    except ValueError:
        return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _text(value: float | int) -> str:
    """Write a value the way GDAL does where nothing of it is lost by that.

    >>> _text(0.5), _text(0.1 + 0.2), _text(2**63 - 1), _text(3.0)
    ('0.5', '0.30000000000000004', '9223372036854775807', '3')
    """
    if abs(value) < _MOST_WHOLE and value == int(value):
        return str(int(value))
    short = f"{value:.14g}"
    return short if float(short) == value else repr(float(value))
