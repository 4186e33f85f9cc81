"""Addresses that a provider guards: signed item by item, or when a file is opened."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
_NOT_SIGNED = "assets are not signed and will be refused when read: {}"


class SignsItem(Protocol):
    """What signs the assets of an item: returns another item, or ``None`` where it changed the one given."""

    def __call__(self, item: Item, /) -> Item | None:
        """Sign."""
        ...


#: From the address of a file to one that opens.
SignsAddress: TypeAlias = Callable[[str], str]
#: How assets are signed: by a function, or as the Planetary Computer wants it.
Sign: TypeAlias = SignsItem | Literal["planetary-computer"]


def who_signs(item: Item, sign: Sign | None) -> SignsItem | SignsAddress | None:
    """Return what signs the addresses of an item, if anything does: of the Planetary Computer unasked.

    Without its library a warning says that nothing is signed.

    Raises
    ------
    MissingExtraError
        It is to be signed as the Planetary Computer wants it, whose library is not installed.
    TypeError
        ``sign`` is nothing that signs.

    """
    if sign is None and not _is_guarded(item):
        return None
    if sign is None or sign == "planetary-computer":
        try:
            load("planetary_computer")
        except MissingExtraError as error:
            if sign is not None:
                raise
            warnings.warn(_NOT_SIGNED.format(error), stacklevel=4)
            return None
        return sign_address
    if not callable(sign):
        raise TypeError(f'sign is a function of an item, or "planetary-computer", not {sign!r}')
    return sign


def sign_address(address: str) -> str:
    """Return the address of a file with a signature of the Planetary Computer, where it guards it.

    Raises
    ------
    StacApiError
        It gives no signature.

    """
    try:
        signed_address: str = load("planetary_computer").sign_url(without_signature(address))
    except (load("requests").RequestException, ValueError) as error:
        raise StacApiError(
            f"{PLANETARY_COMPUTER} gave no signature ({reason(error)}): try again later"
        ) from None  # the text of a server, with whatever keys it repeats
    return signed_address


@dataclass(frozen=True)
class SignsAsset:
    """Signs the address of an asset by a function that signs items, each time it is called.

    Parameters
    ----------
    sign
        The function.
    record
        The item, as JSON has it.
    key
        Of the asset.
    address
        Where the asset is without a signature; what lies beside it may be asked for, too.
    place
        From a signed item to the address of the asset.

    """

    sign: SignsItem
    record: Mapping[str, object] = field(repr=False)
    key: str
    address: str = field(repr=False)
    place: Callable[[Item], str] = field(repr=False)

    def __call__(self, address: str) -> str:
        """Return an address that opens.

        Raises
        ------
        TypeError
            The function gave something that is no item.

        """
        item: Item = load("pystac").Item.from_dict(dict(self.record), preserve_dict=True)
        if address == self.address:
            return self.place(signed(item, self.sign))
        item.assets[self.key].href = address
        return signed(item, self.sign).assets[self.key].href


def signed(item: Item, sign: SignsItem) -> Item:
    """Return an item whose assets open.

    Raises
    ------
    TypeError
        ``sign`` gave something that is no item.

    """
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
        warnings.warn(_NOT_SIGNED.format(error), stacklevel=4)
        return
    try:
        for item in items:
            for asset in item.assets.values():
                asset.href = without_signature(asset.href)
            signer.sign_inplace(item)
    except (load("requests").RequestException, ValueError) as error:
        raise StacApiError(
            f"{address} gave no signature for the assets ({reason(error)}): try again later"
        ) from None  # the text of a server, with whatever keys it repeats


def _is_guarded(item: Item) -> bool:
    """Whether an item is of the Planetary Computer, by the pages it links to."""
    host = urlsplit(PLANETARY_COMPUTER).hostname
    return any(urlsplit(link.get_target_str() or "").hostname == host for link in item.links)


def without_signature(href: str) -> str:
    """Return an address without the signature of its storage, which may have expired.

    >>> without_signature("https://a.blob.core.windows.net/c/b.tif?se=2024&sig=abc")
    'https://a.blob.core.windows.net/c/b.tif'
    """
    parts = urlsplit(href)
    if (parts.hostname or "").endswith(_STORAGE) and "sig" in parse_qs(parts.query):
        return urlunsplit((*parts[:3], "", ""))
    return href
