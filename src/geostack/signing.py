"""Addresses that a provider guards: signed item by item, so that they open as they are."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias
from urllib.parse import parse_qs, urlsplit, urlunsplit

from geostack._optional import load
from geostack.errors import MissingExtraError, StacApiError
from geostack.redaction import reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pystac import Item

#: the API that is asked when none is named
PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
#: where the Planetary Computer keeps what it signs
_STORAGE = ".blob.core.windows.net"


class SignsItem(Protocol):
    """What signs the assets of an item: returns another item, or ``None`` where it changed the one given."""

    def __call__(self, item: Item, /) -> Item | None:
        """Sign."""
        ...


#: How assets are signed: by a function, or as the Planetary Computer wants it.
Sign: TypeAlias = SignsItem | Literal["planetary-computer"]


def signed(item: Item, sign: Sign | None) -> Item:
    """Return an item whose assets open; those of the Planetary Computer are signed unasked.

    Raises
    ------
    StacApiError
        There is no signature to be had.
    MissingExtraError
        It is to be signed as the Planetary Computer wants it, whose library is not installed.
    TypeError
        ``sign`` gave something that is no item.

    """
    if sign is None:
        if _is_guarded(item):
            sign_for_planetary_computer([item], PLANETARY_COMPUTER)
        return item
    if sign == "planetary-computer":
        load("planetary_computer")
        sign_for_planetary_computer([item], PLANETARY_COMPUTER)
        return item
    if not callable(sign):
        raise TypeError(f'sign is a function of an item, or "planetary-computer", not {sign!r}')
    given, kind = sign(item), load("pystac").Item
    if given is None:
        return item
    if not isinstance(given, kind):
        raise TypeError(
            f"sign gave {type(given).__name__} for item {item.id}: return the signed item, or None"
        )
    usable: Item = given
    return usable


def sign_for_planetary_computer(items: Iterable[Item], address: str) -> None:
    """Sign in place what the Planetary Computer guards; a signature from before is replaced.

    Without its library a warning says that nothing is signed.

    Raises
    ------
    StacApiError
        It gives no signature; names the API by its ``address``.

    """
    try:
        signer = load("planetary_computer")
    except MissingExtraError as error:
        warnings.warn(f"assets are not signed and will be refused when read: {error}", stacklevel=4)
        return
    try:
        for item in items:
            for asset in item.assets.values():
                asset.href = _unsigned(asset.href)
            signer.sign_inplace(item)
    except (load("requests").RequestException, ValueError) as error:
        raise StacApiError(
            f"{address} gave no signature for the assets ({reason(error)}): try again later"
        ) from None  # the text of a server, with whatever keys it repeats


def _is_guarded(item: Item) -> bool:
    """Whether an item is of the Planetary Computer, by the pages it links to."""
    host = urlsplit(PLANETARY_COMPUTER).hostname
    return any(urlsplit(link.get_target_str() or "").hostname == host for link in item.links)


def _unsigned(href: str) -> str:
    """Return an address without the signature of its storage, which may have expired.

    >>> _unsigned("https://a.blob.core.windows.net/c/b.tif?se=2024&sig=abc")
    'https://a.blob.core.windows.net/c/b.tif'
    """
    parts = urlsplit(href)
    if (parts.hostname or "").endswith(_STORAGE) and "sig" in parse_qs(parts.query):
        return urlunsplit((*parts[:3], "", ""))
    return href
