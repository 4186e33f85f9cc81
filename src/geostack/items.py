"""From what a user has of items to items: objects, mappings, and files of JSON."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable
from urllib.parse import urlsplit

from geostack._optional import load
from geostack.errors import ItemError
from geostack.places import path_of
from geostack.redaction import reason, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pystac import Item

_ONE_PAGE = (
    "{} is one page of a search, and those that follow are left out: load_stac_items fetches all of them"
)
TIMEOUT_S = (10.0, 60.0)  # to connect, to answer


@runtime_checkable
class Recorded(Protocol):
    """An item as an object, such as one of pystac's."""

    def to_dict(self, *, transform_hrefs: bool) -> Mapping[str, object]:
        """Return it as JSON has it, addresses as they are."""
        ...


#: What an item, or several in one, may be given as.
ItemLike: TypeAlias = "Recorded | Mapping[str, object] | str | os.PathLike[str]"


def items_of(given: ItemLike | Iterable[ItemLike]) -> list[tuple[Item, str | None]]:
    """Return items, each with what its relative addresses are relative to, if that is not the item's own.

    None of the objects given is changed by what is done to these.

    Raises
    ------
    ItemError
        There are none, or a file or mapping is no item; names it.
    TypeError
        It is nothing of the kind.

    """
    if isinstance(given, str | os.PathLike | Mapping | Recorded):
        given = [given]
    if not isinstance(given, Iterable):
        raise TypeError(f"items are a list of items, or of paths to their JSON, not {type(given).__name__}")
    records = [_record_of(each) for each in given]
    found = [pair for record in records for pair in _of_record(*record)]
    if not found:
        raise ItemError("there are no items: a search that found some gives one at least")
    record, who, _ = records[-1]  # of the pages of a search each but the last leads to another one
    if _leads_on(record):
        warnings.warn(_ONE_PAGE.format(who), stacklevel=3)
    return found


def _record_of(given: ItemLike) -> tuple[Mapping[str, object], str, str | None]:
    """Return JSON, what messages call it, and what addresses in it are relative to."""
    if isinstance(given, str | os.PathLike):
        place = os.fspath(given)
        home = place if urlsplit(place).scheme else str(Path(place).absolute())
        return _read(place), without_secrets(place), home
    if isinstance(given, Mapping):
        return given, "a mapping", None
    if isinstance(given, Recorded):
        return given.to_dict(transform_hrefs=False), f"an object of the type {type(given).__name__}", None
    raise TypeError(
        f"an item is a pystac.Item, a mapping as JSON has it, or the path of a file of JSON, not "
        f"{type(given).__name__}"
    )


def _leads_on(record: Mapping[str, object]) -> bool:
    """Whether a collection of items is a page that another one follows."""
    links = record.get("links")
    listed = links if isinstance(links, list) else []
    return record.get("type") == "FeatureCollection" and any(
        isinstance(link, Mapping) and link.get("rel") == "next" for link in listed
    )


def _of_record(
    record: Mapping[str, object], who: str, place: str | None
) -> Iterator[tuple[Item, str | None]]:
    kind, features = record.get("type"), record.get("features")
    if kind == "FeatureCollection" and isinstance(features, list):
        for number, feature in enumerate(features, start=1):
            if not isinstance(feature, Mapping):
                raise ItemError(f"{who} has no item in place {number}, but {type(feature).__name__}")
            yield from _of_record(feature, f"{who}, feature {number}", place)
        return
    if kind != "Feature":
        raise ItemError(f"{who} is no STAC item, nor a collection of items: its type is {kind!r}")
    library = load("pystac")
    malformed = (library.STACError, library.STACTypeError, ValueError, KeyError, TypeError, AttributeError)
    try:
        item = library.Item.from_dict(dict(record), preserve_dict=True)
    except malformed as error:
        raise ItemError(
            f"{who} ({record.get('id')}) is no STAC item: {type(error).__name__}: {reason(error)}"
        ) from error
    is_placed = load("pystac.utils").is_absolute_href(item.get_self_href() or "")
    yield item, None if is_placed else place


def _read(place: str) -> Mapping[str, object]:
    """Return the JSON of a file or a page."""
    name = without_secrets(place)
    try:
        if urlsplit(place).scheme in {"http", "https"}:
            answer = load("requests").get(place, timeout=TIMEOUT_S)
            answer.raise_for_status()
            text = answer.text
        else:
            text = Path(path_of(place)).read_text(encoding="utf-8")
        record = json.loads(text)
    except (OSError, ValueError) as error:  # those of requests are OSErrors
        raise ItemError(f"{name} cannot be read as an item: {reason(error)}") from None
    if not isinstance(record, dict):
        raise ItemError(f"{name} is no STAC item, but {type(record).__name__}")
    return record
