"""Search a STAC API and hand back items whose assets open as they are.

Examples
--------
>>> load_stac_items("sentinel-2-l2a", (-121, 38, -119, 40), "2024-06", tile="Tahoe")
Traceback (most recent call last):
...
ValueError: tile 'Tahoe' is not an MGRS tile: zone, latitude band and square, as in '10SGJ'

"""

from __future__ import annotations

import math
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from geostack._optional import load
from geostack.errors import NoItemsError, StacApiError
from geostack.query import SceneQuery, cloud_cover, tile_of
from geostack.redaction import reason, without_secrets
from geostack.signing import PLANETARY_COMPUTER, sign_for_planetary_computer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pystac import Item
    from pystac_client import Client

    from geostack.query import Condition, DateRange, Language

#: environment variable that names another default
API_VARIABLE = "GEOSTACK_STAC_API"

TIMEOUT_S = (10.0, 60.0)  # to connect, to answer: a search over the whole world takes its time
PAGE_ITEMS = 100  # the largest page every API is known to give
_REFUSED, _UNKNOWN = 400, 404  # statuses: a question the API does not understand; nothing by that name


def load_stac_items(
    collection: str,
    bbox: Sequence[float],
    datetime: DateRange,
    tile: str | None = None,
    max_cloud_cover: float | None = None,
    api: str | None = None,
) -> list[Item]:
    """Find the items of a collection, least cloudy first, their assets ready to open.

    Parameters
    ----------
    collection
        Identifier of the collection at that API, such as `"sentinel-2-l2a"`.
    bbox
        West, south, east, north in degrees (WGS 84); west may exceed east across the antimeridian.
    datetime
        `"2024-06-01/2024-07-15"` (both days included), one day, month or year, an open range
        (`"2024-06-01/.."`), a `datetime`, or a pair; without a time zone it is UTC.
    tile
        Only items of this Sentinel-2 MGRS tile (`"10SGJ"`), by `s2:mgrs_tile` or `grid:code`.
    max_cloud_cover
        Only items whose `eo:cloud_cover` is known and at most this, in per cent.
    api
        Landing page of the STAC API. By default the environment variable `GEOSTACK_STAC_API`,
        and without it the Planetary Computer.

    Returns
    -------
    list of pystac.Item
        At least one; by cloud cover, items that do not state it last, equals by their id. Assets of
        the Planetary Computer are signed if `planetary-computer` is installed; that lasts an hour.

    Raises
    ------
    NoItemsError
        A LookupError: nothing fits; says what was asked and what came closest.
    StacApiError
        A ConnectionError: the API is out of reach, refuses the question, or is not a STAC API.
    MissingExtraError
        An ImportError: pystac-client is not installed.
    ValueError
        An argument that no API could answer.

    Notes
    -----
    The API filters where it has the extension "query" or "filter", and all is checked again here;
    without, it sends the whole box: give it a small one. Assets have the names that API gives them.

    """
    query = SceneQuery.of(collection, bbox, datetime, tile, max_cloud_cover)
    address = _api_address(api)
    with _named_errors(address):
        client = _open(address)
        found = _search(client, query)
        if not found.items:
            raise NoItemsError(_nothing(client, query, found, address))
    items = sorted(found.items, key=_least_cloudy_first)
    _make_ready(items, address)
    return items


def summary(item: Item) -> dict[str, object]:
    """Return what tells an item from others, as JSON may hold it.

    Parameters
    ----------
    item
        One that a search has found.

    Returns
    -------
    dict
        `id`, `datetime` (RFC 3339) or None, `cloud_cover` in per cent or None, `tile` or None, and the names
        of its `assets`.

    Examples
    --------
    >>> import datetime, pystac
    >>> noon = datetime.datetime(2024, 6, 1, 12, tzinfo=datetime.timezone.utc)
    >>> summary(pystac.Item("S2A", None, None, noon, {"eo:cloud_cover": 3.5}))
    {'id': 'S2A', 'datetime': '2024-06-01T12:00:00+00:00', 'cloud_cover': 3.5, 'tile': None, 'assets': []}

    """
    seen = item.datetime or item.common_metadata.start_datetime
    return {
        "id": item.id,
        "datetime": None if seen is None else seen.isoformat(),
        "cloud_cover": cloud_cover(item.properties),
        "tile": tile_of(item.properties),
        "assets": list(item.assets),
    }


@dataclass
class _Found:
    """What one search has brought so far: items that fit, and how near the others came."""

    items: list[Item] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    n_tile: int = 0
    least_cloud: float = math.inf  # per cent, among the items of the tile

    def consider(self, item: Item, query: SceneQuery) -> None:
        """Keep the item if it is what was asked for, whatever the API took the question to mean."""
        if item.id in self.seen:  # an API that does not filter sends the same for each wording
            return
        self.seen.add(item.id)
        if not query.is_tile(item.properties):
            return
        self.n_tile += 1
        cover = cloud_cover(item.properties)
        if cover is not None:
            self.least_cloud = min(self.least_cloud, cover)
        if query.is_clear(item.properties):
            self.items.append(item)


def _api_address(api: str | None) -> str:
    address = api or os.environ.get(API_VARIABLE) or PLANETARY_COMPUTER
    origin = "api" if api else f"environment variable {API_VARIABLE}"
    shown = without_secrets(address)
    parts = urlsplit(address)
    # The client would read a path from this disk; no scheme is most often a forgotten http://.
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{origin} is {shown!r}: write the API's address with http:// or https://")
    # They would reach the landing page only, not the search it links to, and every log on the way.
    if parts.username or parts.password or parts.query:
        raise ValueError(
            f"{origin} is {shown!r} with a password or a query, which would not reach the search: "
            "write the address of the landing page alone"
        )
    return address


def _open(address: str) -> Client:
    # A search changes nothing at the server, so POST is repeated too; a busy API says 429 or 503.
    retries = load("urllib3.util").Retry(
        total=4,
        connect=1,
        backoff_factor=0.5,
        status_forcelist=(429, 502, 503, 504),
        allowed_methods=frozenset({"GET", "POST"}),
        raise_on_status=False,
    )
    connection = load("pystac_client.stac_api_io").StacApiIO(max_retries=retries)
    client: Client = load("pystac_client").Client.open(address, stac_io=connection, timeout=TIMEOUT_S)
    if not client.conforms_to("ITEM_SEARCH"):
        raise StacApiError(f"{address} offers no item search: name the landing page of a STAC API")
    return client


def _search(client: Client, query: SceneQuery) -> _Found:
    """Ask in the words the API knows, until some of them bring an item."""
    found = _Found()
    understood = False
    for condition in _conditions(client, query):
        try:
            _ask(client, query, condition, found)
        except load("pystac_client.exceptions").APIError as error:
            if _status(error) != _REFUSED:
                raise
            continue  # some APIs refuse a property they do not have instead of finding nothing
        understood = True
        if found.items:
            break
    if not understood:
        _ask(client, query, {}, found)
    return found


def _conditions(client: Client, query: SceneQuery) -> list[Condition]:
    languages: tuple[Language, ...] = ("query", "filter")
    known = [language for language in languages if client.conforms_to(language.upper())]
    return query.conditions(known[0]) if known else []


def _ask(client: Client, query: SceneQuery, condition: Condition, found: _Found) -> None:
    methods = {str(link.extra_fields.get("method", "GET")) for link in client.get_links("search")}
    search = client.search(
        method="GET" if methods == {"GET"} else "POST",
        collections=[query.collection],
        bbox=list(query.bbox),
        datetime=query.datetime,
        limit=PAGE_ITEMS,
        **condition,
    )
    pages: set[tuple[str, ...]] = set()
    for page in search.pages():
        names = tuple(item.id for item in page)
        if names in pages:  # the client would ask for ever
            raise StacApiError(
                f"{without_secrets(client.self_href)} sent a page of {len(names)} item(s) twice, {names[0]} "
                f"first: its links to next pages lead back. Ask for less, by a smaller bbox or datetime"
            )
        pages.add(names)
        for item in page:
            found.consider(item, query)


def _least_cloudy_first(item: Item) -> tuple[float, str]:
    cover = cloud_cover(item.properties)
    return (math.inf if cover is None else cover, item.id)


def _nothing(client: Client, query: SceneQuery, found: _Found, address: str) -> str:
    """Say what was asked, what came closest, and what to change."""
    if not found.seen and not _may_have(client, query.collection):
        listed = f"{address.rstrip('/')}/collections"
        return f"{address} has no collection {query.collection!r}: its collections are listed at {listed}"
    near = f"it sent {len(found.seen)} items"
    if query.tile is not None and found.seen:
        near += f", {found.n_tile} of the tile"
    if math.isfinite(found.least_cloud):
        near += f", the clearest with {found.least_cloud:g} % cloud"
    steps = ["a wider bbox or datetime"]
    if query.tile is not None:
        steps.append("another tile")
    if query.max_cloud_cover is not None:
        steps.append("a higher max_cloud_cover")
    return f"{address} has no item of {query} ({near}): try {', or '.join(steps)}"


def _may_have(client: Client, collection: str) -> bool:
    if not (client.conforms_to("COLLECTIONS") or client.conforms_to("FEATURES")):
        return True
    try:
        return client.get_collection(collection) is not None
    except load("pystac_client.exceptions").APIError as error:
        return _status(error) != _UNKNOWN  # the search was answered: this only looks for a better reason


def _make_ready(items: list[Item], address: str) -> None:
    """Make the addresses of assets absolute, and sign those that the Planetary Computer guards."""
    for item in items:
        if item.get_self_href() is not None:
            item.make_asset_hrefs_absolute()
    if urlsplit(address).hostname == urlsplit(PLANETARY_COMPUTER).hostname:
        sign_for_planetary_computer(items, address)


@contextmanager
def _named_errors(address: str) -> Iterator[None]:
    """Turn what the client raises into errors that name the API.

    A refusal is raised `from None`: the client's text is the answer of a server as it came, and a
    traceback would print whatever keys it repeats.
    """
    refusal = load("pystac_client.exceptions").APIError
    library = load("pystac")
    malformed = (library.STACError, library.STACTypeError, load("pystac_client.errors").ClientTypeError)
    try:
        yield
    except refusal as error:
        status = _status(error)
        if status is None:
            problem = f"cannot be reached ({reason(error)}): check the address and the network"
        elif status < 500:
            problem = f"refused the search with HTTP {status} ({reason(error)}): check address and question"
        else:
            problem = f"failed with HTTP {status} ({reason(error)}): try again later"
        raise StacApiError(f"{address} {problem}") from None
    except (*malformed, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StacApiError(
            f"{address} answered, but not as a STAC API does ({type(error).__name__}: {reason(error)}): "
            "name the landing page of a STAC API"
        ) from error


def _status(error: Exception) -> int | None:
    # The client sets it only when there was an answer.
    status = vars(error).get("status_code")
    return status if isinstance(status, int) else None
