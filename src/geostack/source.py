"""Items of a catalogue as one source of pixels: which file holds which band, and what is said of it.

Nothing here opens a file. What is made of items is a description, which `geopatcher.reconstruct` reads from.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import index
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from geostack.bands import BandFile, ItemFiles
from geostack.errors import ItemError
from geostack.items import items_of
from geostack.query import CLOUD_COVER, cloud_cover
from geostack.signing import who_signs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pystac import Item

    from geostack.items import ItemLike
    from geostack.signing import Sign

#: How items that lie over each other become one.
Order: TypeAlias = Literal["first", "newest", "least-cloud", "median"]
#: What the tag with the time is called in a result.
DATETIME = "datetime"


@dataclass(frozen=True)
class Mask:
    """Which pixels are missing, by an asset of the same item that says what each of them is.

    Parameters
    ----------
    asset
        Its key, or the name of its band, such as ``"SCL"`` or ``"QA_PIXEL"``.
    classes
        Its values that mean "missing".
    bits
        Numbers of bits, from 0 for the least; where one of them is set, the pixel is missing.

    Raises
    ------
    ValueError
        Neither classes nor bits are given, or one is no whole number from 0.

    Examples
    --------
    >>> Mask("SCL", classes=(0, 1, 3, 8, 9, 10)).asset
    'SCL'

    """

    asset: str
    classes: tuple[int, ...] = ()
    bits: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("classes", "bits"):
            given = tuple(vars(self)[name])
            try:
                object.__setattr__(self, name, tuple(map(index, given)))  # those of NumPy are integers, too
            except TypeError as error:
                raise ValueError(f"{name} of a mask are whole numbers, not {given}") from error
        if not self.asset or not (self.classes or self.bits):
            raise ValueError(
                f"a mask is an asset and its classes or bits that mean missing, as in Mask('SCL', (3, 8)), "
                f"not {self.asset!r}, {self.classes}, {self.bits}"
            )
        if not all(0 <= bit < 64 for bit in self.bits):
            raise ValueError(f"bits of a mask are counted from 0, up to 63, not {self.bits}")


@dataclass(frozen=True)
class Scene:
    """The files of one item.

    ``name`` is what messages call it; ``bands`` are its files, in the order of the source's bands; ``mask``
    is the file that says which pixels are missing; ``tags`` are its time and its cloud cover in per cent.
    """

    name: str
    bands: tuple[BandFile, ...]
    mask: BandFile | None
    tags: tuple[tuple[str, str | float], ...]


@dataclass(frozen=True)
class StacSource:
    """What `from_stac` makes of items: a source for `geopatcher.reconstruct` and `geopatcher.plan`.

    It is a description: files are opened when their pixels are needed.

    Parameters
    ----------
    described_scenes
        The items, in the order given.
    band_names
        Of the bands that the operator gets.
    grid, order, resampling, mask, scale_offset
        As `from_stac` takes them.

    """

    described_scenes: tuple[Scene, ...] = field(repr=False)
    band_names: tuple[str, ...]
    grid: object = None
    order: Order = "first"
    resampling: str | None = None
    mask: Mask | None = None
    scale_offset: bool = False

    def __len__(self) -> int:
        return len(self.described_scenes)


def from_stac(
    items: ItemLike | Iterable[ItemLike],
    bands: str | Sequence[str],
    *,
    grid: object = None,
    order: Order = "first",
    mask: Mask | None = None,
    resampling: str | None = None,
    scale_offset: bool = False,
    nodata: float | int | None = None,
    sign: Sign | None = None,
    alternate: str | None = None,
    headers: bool = False,
) -> StacSource:
    """Return a source of some bands of items, all on one grid, for `geopatcher.reconstruct`.

    Bands in pixels of different size are stacked on one grid, and items that lie over each other become one
    picture, in windows, as they are needed. Where items say in which grid their files are (extension "proj")
    and of which data type (extension "raster"), no file is asked before its pixels are read; a file that is
    then not what its item says is an error.

    Parameters
    ----------
    items
        `pystac.Item` objects, mappings as JSON has them, or paths or URLs of JSON of an item or an
        ItemCollection; one of these or several.
    bands
        Each the key of an asset (``"B04"``), the second band of one (``"visual.2"``), or the name or common
        name of a band (``"red"``). An asset of several bands gives all of them.
    grid
        A `geopatcher.Grid` of a CRS, a resolution and bounds, as far as they are wanted; a
        `geopatcher.RasterDomain`, or the path of a raster. By default the smallest pixels among the bands of
        the first item, continued over all items.
    order
        Which item is seen: the ``"first"`` given that has data, the ``"newest"``, the one with the
        ``"least-cloud"`` (`eo:cloud_cover`), or the ``"median"`` of all.
    mask
        An asset, and its classes or bits that mean "missing". Where it has no data of its own, pixels are
        missing, too.
    resampling
        How pixels are made when a band is warped, by GDAL's names. By default the nearest of integers, and
        bilinear of floats. A mask always takes the nearest.
    scale_offset
        Give ``scale * value + offset`` of each item, as it says, in floats with NaN for what is missing. By
        default values are those of the files.
    nodata
        The value of missing pixels where neither the item nor the file names one.
    sign
        A function that signs an item (`pystac.Item`), or ``"planetary-computer"``. It is called where a file
        is opened, in each worker too, and again when a signature has expired: a function that workers can
        import travels by its name, and no signature does. By default items of the Planetary Computer are
        signed, and others left alone; an address that holds a signature already travels as it is.
    alternate
        Name of the addresses to read from, of those that an asset lists as alternates, such as ``"s3"``.
    headers
        Ask each file for its grid, data type and nodata, whatever its item says.

    Returns
    -------
    StacSource
        Its bands are called as they were asked for.

    Raises
    ------
    ItemError
        A ValueError: an item has no such band, or does not say what is needed; names item and asset.
    MissingExtraError
        An ImportError: pystac is not installed, or what ``sign`` asks for.
    ValueError
        There is no such order, or no band is named.
    TypeError
        An argument is of another kind.

    Examples
    --------
    >>> asset = {"href": "/data/B04.tif", "type": "image/tiff; application=geotiff"}
    >>> item = {"type": "Feature", "stac_version": "1.0.0", "id": "S2A", "geometry": None, "links": [],
    ...         "properties": {"datetime": "2024-06-11T18:49:21Z"}, "assets": {"B04": asset}}
    >>> source = from_stac(item, ["B04"], mask=None)
    >>> len(source), source.band_names
    (1, ('B04',))

    """
    if order not in get_args(Order):
        raise ValueError(f"order is one of {', '.join(get_args(Order))}, not {order!r}")
    wanted = (bands,) if isinstance(bands, str) else tuple(bands)
    if not wanted or not all(isinstance(band, str) and band for band in wanted):
        raise ValueError(
            f"bands are names of assets or of their bands, such as ['B04', 'B08'], not {bands!r}"
        )
    if mask is not None and not isinstance(mask, Mask):
        raise TypeError(f"mask is a geostack.Mask, such as Mask('SCL', classes=(3, 8, 9)), not {mask!r}")
    found: list[tuple[tuple[str, ...], Scene]] = []
    for item, home in items_of(items):
        files = ItemFiles(item, home, alternate, headers, who_signs(item, sign))
        found.append(_scene(files, wanted, mask, order, nodata))
    names = found[0][0]
    for other, scene in found[1:]:
        if len(other) != len(names):
            raise ItemError(
                f"{scene.name} has the bands {', '.join(other)}, and the first {', '.join(names)}"
            )
    scenes = tuple(scene for _, scene in found)
    _require_scales(scenes, names, applied=scale_offset)
    return StacSource(scenes, names, grid, order, resampling, mask, scale_offset)


def _scene(
    files: ItemFiles, wanted: tuple[str, ...], mask: Mask | None, order: Order, nodata: float | int | None
) -> tuple[tuple[str, ...], Scene]:
    """Return what the bands of an item are called, and its files."""
    found = [pair for band in wanted for pair in files.find(band).items()]
    names = tuple(name for name, _ in found)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ItemError(f"{files.name} has the band {twice} twice among {', '.join(names)}: name each once")
    masks = list(files.find(mask.asset).values()) if mask is not None else []
    if len(masks) > 1:
        raise ItemError(
            f"{masks[0].name} has {len(masks)} bands, and a mask is one: name it by its number, as in KEY.1"
        )
    bands = tuple(replace(file, nodata=nodata) for _, file in found)
    return names, Scene(files.name, bands, masks[0] if masks else None, _tags(files.item, order))


def _tags(item: Item, order: Order) -> tuple[tuple[str, str | float], ...]:
    """Return when an item was seen and how cloudy it is.

    Raises
    ------
    ItemError
        It does not say what the order needs.

    """
    seen = item.datetime or item.common_metadata.start_datetime
    cloud = cloud_cover(item.properties)
    if order == "newest" and seen is None:
        raise ItemError(f"item {item.id} has neither datetime nor start_datetime: choose another order")
    if order == "least-cloud" and cloud is None:
        raise ItemError(f"item {item.id} has no {CLOUD_COVER}: choose another order")
    tags: list[tuple[str, str | float]] = [] if seen is None else [(DATETIME, seen.isoformat())]
    return (*tags, (CLOUD_COVER, cloud)) if cloud is not None else tuple(tags)


def _require_scales(scenes: Sequence[Scene], names: Sequence[str], *, applied: bool) -> None:
    """Make sure that numbers of a band mean the same in all items.

    Raises
    ------
    ItemError
        Scales or offsets differ and are not ``applied``; or they are, and some or all items name none.

    """
    if applied and not any(_has_scale(band) for scene in scenes for band in scene.bands):
        raise ItemError(
            f"{scenes[0].name} names no scale or offset of {', '.join(names)} (extension raster): leave out "
            "scale_offset"
        )
    for scene in scenes:
        for band, first in zip(scene.bands, scenes[0].bands, strict=True):
            if applied and _has_scale(band) != _has_scale(first):
                one, other = (band, first) if _has_scale(band) else (first, band)
                raise ItemError(
                    f"{one.name} names a scale or offset, and {other.name} none: their numbers would mean "
                    "different things"
                )
            if not applied and _meaning(band) != _meaning(first):
                raise ItemError(
                    f"{band.name} has the scale and offset {_meaning(band)}, and {first.name} "
                    f"{_meaning(first)}, so that their numbers mean different things: give scale_offset=True"
                )


def _meaning(band: BandFile) -> tuple[float, float]:
    """Return the scale and offset of a band."""
    scale, offset = band.told.scale, band.told.offset
    return 1.0 if scale is None else scale, 0.0 if offset is None else offset


def _has_scale(band: BandFile) -> bool:
    return band.told.scale is not None or band.told.offset is not None
