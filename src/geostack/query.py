"""What is asked of a catalogue: a value, checked once, sent in the API's words, held against each answer."""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    #: a date or time of RFC 3339, cut off at any part ("2024", "2024-06"), or an end left open
    Moment: TypeAlias = str | dt.datetime | None
    #: one moment, "start/end", or a pair
    DateRange: TypeAlias = str | dt.datetime | tuple[Moment, Moment]
    #: what a condition of a search may hold
    Json: TypeAlias = str | float | Sequence["Json"] | Mapping[str, "Json"]

#: the Sentinel-2 tile (MGRS 100 km square) of the southern shore of Lake Tahoe, UTM zone 10 N
LAKE_TAHOE_TILE = "10SGJ"

CLOUD_COVER = "eo:cloud_cover"  # per cent, STAC extension "eo"
SENTINEL_TILE = "s2:mgrs_tile"  # "10SGJ", STAC extension "sentinel-2"
GRID_CODE = "grid:code"  # "MGRS-10SGJ", STAC extension "grid"

#: the two extensions of a STAC API that filter at the server
Language: TypeAlias = Literal["query", "filter"]

_MOMENT = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[-+]\d{2}:\d{2})?)?)?)?"
)
# Latitude bands and square letters leave out I and O; the rows of a square end at V.
_TILE = re.compile(r"(?:MGRS-|T)?0?([1-9]|[1-5]\d|60)([C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])", re.IGNORECASE)


def parse_tile(text: str) -> str | None:
    """Return the five-letter name of an MGRS tile, or None when the text is no such name.

    Catalogues write the same tile in several ways; this is the way Sentinel-2 products write it.

    Examples
    --------
    >>> parse_tile("T10SGJ"), parse_tile("MGRS-5qkb"), parse_tile("Tahoe")
    ('10SGJ', '05QKB', None)

    """
    match = _TILE.fullmatch(text.strip())
    return f"{int(match[1]):02d}{match[2].upper()}" if match else None


class Condition(TypedDict, total=False):
    """Keywords of a search that filter at the server."""

    query: dict[str, Json]
    filter: dict[str, Json]
    filter_lang: str


@dataclass(frozen=True)
class SceneQuery:
    """A question to a catalogue: which items of a collection, where, when, which tile, how cloudy.

    Parameters
    ----------
    collection
        Identifier of the collection.
    bbox
        West, south, east, north in degrees (WGS 84); west may exceed east across the antimeridian.
    datetime
        `"start/end"` in the words of the API, as `SceneQuery.of` makes it.
    tile
        Five-letter MGRS tile, or None.
    max_cloud_cover
        Largest cloud cover in per cent, inclusive, or None.

    Examples
    --------
    >>> query = SceneQuery.of("sentinel-2-l2a", (-121, 38, -119, 40), "2024-06", "T10SGJ", 5)
    >>> print(query)
    collection 'sentinel-2-l2a', bbox (-121, 38, -119, 40), datetime 2024-06, tile 10SGJ, cloud cover <= 5 %

    """

    collection: str
    bbox: tuple[float, ...]
    datetime: str
    tile: str | None = None
    max_cloud_cover: float | None = None

    @classmethod
    def of(
        cls,
        collection: str,
        bbox: Sequence[float],
        datetime: DateRange,
        tile: str | None = None,
        max_cloud_cover: float | None = None,
    ) -> SceneQuery:
        """Check what a caller wrote and put it into one form.

        Raises
        ------
        ValueError
            A value that no catalogue could answer, with the form that is expected.

        """
        if not collection:
            raise ValueError('collection is empty: name one, such as "sentinel-2-l2a"')
        if max_cloud_cover is not None and not 0 <= max_cloud_cover <= 100:
            raise ValueError(f"max_cloud_cover is in per cent, from 0 to 100, not {max_cloud_cover}")
        name = None
        if tile is not None:
            name = parse_tile(tile)
            if name is None:
                raise ValueError(
                    f"tile {tile!r} is not an MGRS tile: zone, latitude band and square, "
                    f"as in {LAKE_TAHOE_TILE!r}"
                )
        return cls(collection, _checked_bbox(bbox), _checked_range(datetime), name, max_cloud_cover)

    def conditions(self, language: Language) -> list[Condition]:
        """Return what to send along with a search, one per way catalogues name the tile, likeliest first.

        Empty when nothing is left for the server to filter.
        """
        names: list[tuple[str, str] | None] = [None]
        if self.tile is not None:
            # The grid code of zones 1 to 9 is found written with and without the zero.
            codes = dict.fromkeys((self.tile, self.tile.removeprefix("0")))
            names = [(SENTINEL_TILE, self.tile), *((GRID_CODE, f"MGRS-{code}") for code in codes)]
        elif self.max_cloud_cover is None:
            return []
        write = self._as_query if language == "query" else self._as_filter
        return [write(name) for name in names]

    def _as_query(self, tile: tuple[str, str] | None) -> Condition:
        """Write the conditions for the extension "query"."""
        query: dict[str, Json] = {}
        if tile is not None:
            query[tile[0]] = {"eq": tile[1]}
        if self.max_cloud_cover is not None:
            query[CLOUD_COVER] = {"lte": self.max_cloud_cover}
        return {"query": query}

    def _as_filter(self, tile: tuple[str, str] | None) -> Condition:
        """Write the conditions in CQL2 (OGC 21-065), for the extension "filter"."""
        terms: list[dict[str, Json]] = []
        if tile is not None:
            terms.append({"op": "=", "args": [{"property": tile[0]}, tile[1]]})
        if self.max_cloud_cover is not None:
            terms.append({"op": "<=", "args": [{"property": CLOUD_COVER}, self.max_cloud_cover]})
        whole: dict[str, Json] = terms[0] if len(terms) == 1 else {"op": "and", "args": terms}
        return {"filter": whole, "filter_lang": "cql2-json"}

    def is_tile(self, properties: Mapping[str, object]) -> bool:
        """Tell whether the properties of an item name the tile that was asked for."""
        if self.tile is None:
            return True
        codes = (properties.get(SENTINEL_TILE), properties.get(GRID_CODE))
        return any(isinstance(code, str) and parse_tile(code) == self.tile for code in codes)

    def is_clear(self, properties: Mapping[str, object]) -> bool:
        """Tell whether an item states a cloud cover no larger than asked."""
        if self.max_cloud_cover is None:
            return True
        cover = cloud_cover(properties)
        return cover is not None and cover <= self.max_cloud_cover

    def __str__(self) -> str:
        asked = f"collection {self.collection!r}, bbox {self.bbox}, datetime {self.datetime}"
        if self.tile is not None:
            asked += f", tile {self.tile}"
        if self.max_cloud_cover is not None:
            asked += f", cloud cover <= {self.max_cloud_cover:g} %"
        return asked


def tile_of(properties: Mapping[str, object]) -> str | None:
    """Return the tile an item is of, or None when it does not say.

    Examples
    --------
    >>> tile_of({"grid:code": "MGRS-5QKB"}), tile_of({"grid:code": "WRS2-043033"}), tile_of({})
    ('05QKB', 'WRS2-043033', None)

    """
    codes = (properties.get(SENTINEL_TILE), properties.get(GRID_CODE))
    code = next((code for code in codes if isinstance(code, str)), None)
    return None if code is None else parse_tile(code) or code


def cloud_cover(properties: Mapping[str, object]) -> float | None:
    """Return the cloud cover of an item in per cent, or None when it does not say.

    Examples
    --------
    >>> cloud_cover({"eo:cloud_cover": 3}), cloud_cover({"eo:cloud_cover": None})
    (3.0, None)

    """
    value = properties.get(CLOUD_COVER)
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return float(value)


def _checked_bbox(bbox: Sequence[float]) -> tuple[float, ...]:
    values = tuple(bbox)
    # The forms of RFC 7946, section 5: four numbers, or six with heights in third and sixth place.
    if len(values) not in {4, 6} or not all(math.isfinite(value) for value in values):
        raise ValueError(f"bbox is (west, south, east, north) in degrees, not {values}")
    west, south, east, north = values if len(values) == 4 else (*values[:2], *values[3:5])
    if not (-90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
        raise ValueError(
            f"bbox {values} is not (west, south, east, north) in degrees: "
            "longitudes within -180..180, south <= north within -90..90"
        )
    return values


def _checked_range(datetime: DateRange) -> str:
    moments = datetime.split("/") if isinstance(datetime, str) else datetime
    parts = [_moment(part) for part in (moments if isinstance(moments, list | tuple) else (moments,))]
    form = '"2024-06-01/2024-07-15", "2024-06", "2024-06-01T10:00:00Z/.." or a pair of these'
    if len(parts) not in {1, 2} or all(part == ".." for part in parts):
        raise ValueError(f"datetime {datetime!r} names no time: write {form}")
    for part in parts:
        if part != ".." and not _is_calendar(part):
            raise ValueError(f"datetime {datetime!r}: {part!r} is no date or time: write {form}")
    if len(parts) == 2 and ".." not in parts:
        start, end = parts
        shared = min(len(start), len(end), len("2024-06-01"))  # "2024-06/2024" ends with its year
        if start[:shared] > end[:shared]:
            raise ValueError(f"datetime {datetime!r} ends before it starts: write start/end")
    return "/".join(parts)


def _moment(value: Moment) -> str:
    if isinstance(value, dt.datetime):
        utc = value.astimezone(dt.UTC) if value.tzinfo else value
        return f"{utc.replace(tzinfo=None).isoformat()}Z"
    return (value or "").strip() or ".."


def _is_calendar(text: str) -> bool:
    match = _MOMENT.fullmatch(text)
    if match is None:
        return False
    year, month, day = (int(part or 1) for part in match.groups())
    try:
        dt.date(year, month, day)
    except ValueError:
        return False
    return True
