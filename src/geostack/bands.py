"""From the name of a band to the file of an item that holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, cast

from geostack._optional import load
from geostack.errors import ItemError
from geostack.places import path_of
from geostack.signing import SignsAsset, sign_address, without_signature
from geostack.told import ToldBand, ToldGrid, bands_told, grid_told, side_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pystac import Asset, Item

    from geostack.signing import SignsAddress, SignsItem

#: roles of assets that are pictures of the others
_PICTURES = frozenset({"thumbnail", "overview"})


@dataclass(frozen=True)
class BandFile:
    """One band of one file of an item, and what the item says of it.

    Parameters
    ----------
    name
        What messages call it, such as ``"item S2A_10SGJ, asset B04"``.
    href
        Where it is: a path or URL that opens as it is, or when ``sign`` has signed it. It may hold a
        signature that its item came with, and is not shown.
    index
        Which band of the file, counted from 1; ``None`` for the only one it has.
    grid
        Where its pixels lie, as far as the item says.
    told
        Data type, nodata, scale and offset, as far as the item says.
    nodata
        The value of missing pixels where neither the item nor the file names one.
    sign
        Makes of an address one that opens, whenever the file is opened; ``None`` where it opens as it is.

    """

    name: str
    href: str = field(repr=False)
    index: int | None
    grid: ToldGrid
    told: ToldBand
    nodata: float | int | None = None
    sign: SignsAddress | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ItemFiles:
    """An item whose files can be named.

    ``home`` is what relative addresses are relative to, by default the address of the item itself;
    ``alternate`` the name of other addresses of the same files, of the extension "alternate-assets"; with
    ``headers`` nothing that the item says of its files is taken for granted; and ``signs`` signs items, or is
    `geostack.signing.sign_address`.
    """

    item: Item
    home: str | None = None
    alternate: str | None = None
    headers: bool = False
    signs: SignsItem | SignsAddress | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"item {self.item.id}"

    def find(self, band: str) -> dict[str, BandFile]:
        """Return what a band is called, and its file; an asset of several bands has all of them.

        ``band`` is the key of an asset, ``KEY.2`` for the second band of one, or the name or common name of a
        band. Of several assets with a band of that name it is the one that holds data and no picture, only
        this band, as a Cloud-Optimized GeoTIFF, in the smallest pixels.

        Raises
        ------
        ItemError
            There is no such band, or more than one asset that may be meant.

        """
        assets = self.item.assets
        if band in assets:
            told = self._told(band)
            if len(told) < 2:
                return {band: self._file(band, None)}
            names = [each.name or f"{band}.{at}" for at, each in enumerate(told, start=1)]
            return {name: self._file(band, at) for at, name in enumerate(names, start=1)}
        key, _, number = band.rpartition(".")
        if key in assets and number.isdecimal():
            return {band: self._file(key, int(number))}
        for wanted in (self._named(band), self._commonly(band)):
            candidates = sorted(wanted, key=lambda place: self._worth(place[0]))
            if candidates:
                self._require_one(band, [key for key, _ in candidates])
                return {band: self._file(*candidates[0])}
        raise ItemError(f"{self.name} has no band {band!r}: its assets are {self._listed()}")

    def _named(self, band: str) -> Iterator[tuple[str, int | None]]:
        return self._where(lambda told: told.name == band)

    def _commonly(self, band: str) -> Iterator[tuple[str, int | None]]:
        return self._where(lambda told: told.common_name == band)

    def _where(self, holds: Callable[[ToldBand], bool]) -> Iterator[tuple[str, int | None]]:
        for key in self.item.assets:
            told = self._told(key)
            for at, each in enumerate(told, start=1):
                if holds(each):
                    yield key, at if len(told) > 1 else None

    def _require_one(self, band: str, keys: list[str]) -> None:
        best = [key for key in dict.fromkeys(keys) if self._worth(key) == self._worth(keys[0])]
        if len(best) > 1:
            raise ItemError(
                f"band {band!r} of {self.name} may be that of assets {', '.join(best)}: name one of these"
            )

    def _worth(self, key: str) -> tuple[bool, bool, bool, int, float]:
        """Return what the better one of two assets has less of."""
        asset = self.item.assets[key]
        roles, media = set(asset.roles or ()), asset.media_type or ""
        kind = 0 if "cloud-optimized" in media else 1 if "tiff" in media else 2
        side = side_of(asset.extra_fields, self._grid(key))
        return bool(roles & _PICTURES), "data" not in roles, len(self._told(key)) > 1, kind, side

    def _listed(self) -> str:
        """Return the assets that have bands, or all, with the common names of these."""
        told = {key: self._told(key) for key in self.item.assets}
        some = {key: bands for key, bands in told.items() if bands} or told
        common = {
            key: [each.common_name for each in bands if each.common_name] for key, bands in some.items()
        }
        return ", ".join(f"{key} ({', '.join(names)})" if names else key for key, names in common.items())

    def _told(self, key: str) -> tuple[ToldBand, ...]:
        return bands_told(self.item.assets[key].extra_fields, self.item.properties)

    def _grid(self, key: str) -> ToldGrid:
        who = f"{self.name}, asset {key}"
        return grid_told(self.item.assets[key].extra_fields, self.item.properties, who)

    def _file(self, key: str, index: int | None) -> BandFile:
        name = f"{self.name}, asset {key}"
        told = bands_told(self.item.assets[key].extra_fields, self.item.properties, name)
        if index is not None and (index < 1 or (told and index > len(told))):
            raise ItemError(f"{name} has {len(told)} band(s), counted from 1, and no band {index}")
        said = told[(index or 1) - 1] if told else ToldBand()
        if self.headers:
            said = ToldBand(said.name, said.common_name, scale=said.scale, offset=said.offset, unit=said.unit)
        grid = ToldGrid() if self.headers else self._grid(key)
        address, sign = self._place(key)
        return BandFile(name, address, index, grid, said, sign=sign)

    def _place(self, key: str) -> tuple[str, SignsAddress | None]:
        """Return the address of an asset, and what signs it when it is opened."""
        address = address_of(self.item, key, self.home, self.alternate)
        if self.signs is None:
            return address, None
        if self.signs is sign_address:
            return without_signature(address), sign_address
        place = partial(address_of, key=key, home=self.home, alternate=self.alternate)
        return address, SignsAsset(cast("SignsItem", self.signs), self._record, key, address, place)

    @cached_property
    def _record(self) -> Mapping[str, object]:
        return self.item.to_dict(transform_hrefs=False)


def address_of(item: Item, key: str, home: str | None, alternate: str | None) -> str:
    """Return where an asset of an item is; see `ItemFiles` for what it may be relative to.

    Raises
    ------
    ItemError
        Its address is relative to nothing that is known, or it has no such alternate.

    """
    asset, name = item.assets[key], f"item {item.id}, asset {key}"
    href = asset.href if alternate is None else _other(asset, alternate, name)
    paths = load("pystac.utils")
    if paths.is_absolute_href(href) or href.startswith("/vsi"):
        return path_of(href)
    home = home or item.get_self_href()
    if home is None or not paths.is_absolute_href(home):
        raise ItemError(
            f"{name} is at {href}, and nothing says relative to what: give the path of the item's JSON, "
            "or a link 'self'"
        )
    return path_of(str(paths.make_absolute_href(href, home)))


def _other(asset: Asset, alternate: str, name: str) -> str:
    """Return another address of an asset.

    Raises
    ------
    ItemError
        It has none of this name.

    """
    others = asset.extra_fields.get("alternate")
    known = others if isinstance(others, dict) else {}
    other = known.get(alternate)
    href = other.get("href") if isinstance(other, dict) else None
    if isinstance(href, str):
        return href
    named = ", ".join(map(str, known)) or "none"
    raise ItemError(f"{name} has no alternate {alternate!r}; it has {named}")
