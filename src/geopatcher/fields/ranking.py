"""Which of several rasters of one place comes first: by their order, by their dates, or by their clouds."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from geopatcher.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.core.metadata import TagValue
    from geopatcher.core.protocols import PixelSource

#: How rasters that lie over each other become one.
Order: TypeAlias = Literal["first", "newest", "least-cloud", "median"]
ORDERS: tuple[str, ...] = get_args(Order)
#: What says when something was seen.
Date: TypeAlias = "str | date | datetime"

#: Tags with the time at which a raster was seen, and, last, at which a file was made.
DATE_TAGS = (
    *("IMAGERY#ACQUISITIONDATETIME", "ACQUISITIONDATETIME", "ACQUISITION_DATETIME", "ACQUISITION_DATE"),
    *("DATE_ACQUIRED", "ACQUIRED", "PRODUCT_START_TIME", "datetime", "TIFFTAG_DATETIME"),
)
#: Tags with the share of clouds, in per cent.
CLOUD_TAGS = ("IMAGERY#CLOUDCOVER", "CLOUDCOVER", "CLOUD_COVER", "eo:cloud_cover", "CLOUDY_PIXEL_PERCENTAGE")


def ranked(
    sources: Sequence[PixelSource], order: str, dates: Sequence[Date] | None, cloud: Sequence[float] | None
) -> list[int]:
    """Return the numbers of rasters, the one that comes first first; equals stay in the order given.

    Raises
    ------
    ValueError
        There is no such order, or there are not as many dates or numbers as rasters.
    SourceError
        A raster does not say when it was seen, or how cloudy it is; names it.

    """
    if order not in ORDERS:
        raise ValueError(f"order is one of {', '.join(ORDERS)}, not {order!r}")
    for name, given, wanted in (("dates", dates, "newest"), ("cloud", cloud, "least-cloud")):
        if given is None:
            continue
        if order != wanted:
            raise ValueError(f"{name} is for order={wanted!r}, and order is {order!r}: leave it out")
        if len(given) != len(sources):
            raise ValueError(f"{name} has {len(given)} values for {len(sources)} scenes: give one for each")
    numbers = range(len(sources))
    if order == "newest":
        seen = [parsed_date(one) for one in dates] if dates is not None else [date_of(one) for one in sources]
        return sorted(numbers, key=lambda number: seen[number], reverse=True)
    if order == "least-cloud":
        covers = [float(one) for one in cloud] if cloud is not None else [cloud_of(one) for one in sources]
        if any(map(math.isnan, covers)):
            raise ValueError(f"cloud has NaN, which is neither more nor less than a number: {covers}")
        return sorted(numbers, key=lambda number: covers[number])
    return list(numbers)


def date_of(source: PixelSource) -> datetime:
    """Return when a raster was seen, as its tags say.

    Raises
    ------
    SourceError
        They do not.

    """
    value = _tagged(source, DATE_TAGS)
    if value is None:
        raise SourceError(
            f"{source.name} does not say when it was seen (tags {', '.join(DATE_TAGS)}): give dates=, one "
            f"for each scene"
        )
    try:
        return parsed_date(str(value))
    except ValueError as error:
        raise SourceError(
            f"{source.name} does not say plainly when it was seen: {error}. Give dates="
        ) from error


def cloud_of(source: PixelSource) -> float:
    """Return how much of a raster clouds cover, as its tags say.

    Raises
    ------
    SourceError
        They do not.

    """
    value = _tagged(source, CLOUD_TAGS)
    try:
        return float(str(value))
    except ValueError as error:
        raise SourceError(
            f"{source.name} does not say how cloudy it is (tags {', '.join(CLOUD_TAGS)}): give cloud=, a "
            f"number for each scene"
        ) from error


def _tagged(source: PixelSource, names: Sequence[str]) -> TagValue | None:
    tags = dict(source.domain.metadata.tags)
    return next((tags[name] for name in names if name in tags), None)


def parsed_date(given: Date) -> datetime:
    """Return a time; one without a zone is of UTC.

    Raises
    ------
    ValueError
        A text is no date.

    Examples
    --------
    >>> parsed_date("2024:05:01 10:20:30") == parsed_date("2024-05-01T12:20:30+02:00")
    True

    """
    if isinstance(given, str):
        text = re.sub(r"^(\d{4}):(\d\d):(\d\d)", r"\1-\2-\3", given.strip())  # as TIFF writes it
        try:
            given = datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"{given!r} is no date, such as 2024-05-01 or 2024-05-01T10:20:30Z") from error
    if not isinstance(given, datetime):
        given = datetime(given.year, given.month, given.day, tzinfo=UTC)
    return given if given.tzinfo is not None else given.replace(tzinfo=UTC)
