"""What an item says of the files of its assets, read from its extensions: values in, values out.

The extensions "proj" and "raster" in their versions 1 and 2, "eo", and the ``bands`` of STAC 1.1 are known.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from geostack.errors import ItemError

if TYPE_CHECKING:
    from collections.abc import Mapping

    #: what the fields of an item or an asset are
    Fields: TypeAlias = Mapping[str, object]

#: ``(a, b, c, d, e, f)``: a pixel corner ``(column, row)`` is at x = a col + b row + c, y = d col + e row + f
Transform: TypeAlias = tuple[float, float, float, float, float, float]

#: data types of the extension "raster" that are NumPy's
_DTYPES = frozenset(
    {
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64"),
    }
)

#: What may be said of all bands of an asset, or of all assets of an item.
OF_ALL = ("data_type", "nodata", "raster:scale", "raster:offset", "unit")


@dataclass(frozen=True)
class ToldGrid:
    """Where the pixels of a file lie; what is not told is ``None``."""

    crs: str | None = None
    transform: Transform | None = None
    shape: tuple[int, int] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left to ask the file."""
        return None not in (self.crs, self.transform, self.shape)


@dataclass(frozen=True)
class ToldBand:
    """What an asset says of one of its bands; what is not told is ``None``."""

    name: str | None = None
    common_name: str | None = None
    dtype: str | None = None
    nodata: float | int | None = None
    scale: float | None = None
    offset: float | None = None
    unit: str | None = None


def grid_told(asset: Fields, properties: Fields, who: str) -> ToldGrid:
    """Return the grid of an asset, by the extension "proj": what it says itself, and else what its item says.

    Raises
    ------
    ItemError
        A value cannot be; names the asset by ``who``.

    Examples
    --------
    >>> grid_told({"proj:shape": [5, 6], "proj:bbox": [0, 0, 60, 50]}, {"proj:code": "EPSG:32610"}, "B04")
    ToldGrid(crs='EPSG:32610', transform=(10.0, 0.0, 0.0, 0.0, -10.0, 50.0), shape=(5, 6))

    """
    crs = next((crs for crs in map(_crs, (asset, properties)) if crs is not None), None)
    shape = _shape(_either("proj:shape", asset, properties), who)
    transform = _transform(_either("proj:transform", asset, properties), who)
    bbox = _numbers(_either("proj:bbox", asset, properties))
    if transform is None and shape is not None and bbox is not None and len(bbox) == 4:
        west, south, east, north = bbox
        transform = ((east - west) / shape[1], 0.0, west, 0.0, (south - north) / shape[0], north)
    return ToldGrid(crs, transform, shape)


def bands_told(asset: Fields, properties: Fields, who: str | None = None) -> tuple[ToldBand, ...]:
    """Return what an asset says of its bands, in their order; nothing where it tells of none.

    What an item says of all its assets (STAC 1.1) holds where the asset says nothing else. A number that is
    none counts as not told, or, where ``who`` names the asset for a message, is refused.

    Raises
    ------
    ItemError
        A nodata value, a scale or an offset is no number.

    Examples
    --------
    >>> asset = {"eo:bands": [{"name": "B04", "common_name": "red"}], "raster:bands": [{"nodata": 0}]}
    >>> bands_told(asset, {})[0].nodata, bands_told(asset, {})[0].common_name
    (0, 'red')

    """
    lists = [_records(asset.get(name)) for name in ("eo:bands", "raster:bands", "bands")]
    common = {key: properties[key] for key in OF_ALL if key in properties}
    # What STAC 1.1 says of all bands of an asset stands beside them.
    alone = any(key in fields for fields in (asset, common) for key in OF_ALL if key != "unit")
    count = max(*map(len, lists), 1 if alone else 0)
    each = ([fields[at] for fields in lists if at < len(fields)] for at in range(count))
    return tuple(_band([common, asset], own, who) for own in each)


def side_of(asset: Fields, grid: ToldGrid) -> float:
    """Return how long a pixel is, for comparing assets of one item; infinity where that is not told."""
    if grid.transform is not None:
        return abs(grid.transform[0])
    told = [each.get("spatial_resolution") for each in _records(asset.get("raster:bands"))]
    found = [_number(value) for value in (*told, asset.get("raster:spatial_resolution"), asset.get("gsd"))]
    return next((value for value in found if value is not None), math.inf)


def _band(common: list[Fields], own: list[Fields], who: str | None) -> ToldBand:
    """Return a band of all that is said of all bands and of it, the last word last."""
    said: dict[str, object] = {}
    for layer in (*common, *own):
        said |= {key: value for key, value in layer.items() if value is not None}
    dtype = said.get("data_type")
    name = next((layer["name"] for layer in own if "name" in layer), None)
    return ToldBand(
        name=_text(name),
        common_name=_text(said.get("common_name", said.get("eo:common_name"))),
        dtype=dtype if isinstance(dtype, str) and dtype in _DTYPES else None,
        nodata=_told_number(said, ("nodata",), who, named=True),
        scale=_told_number(said, ("scale", "raster:scale"), who),
        offset=_told_number(said, ("offset", "raster:offset"), who),
        unit=_text(said.get("unit")),
    )


def _told_number(
    said: Fields, keys: tuple[str, ...], who: str | None, *, named: bool = False
) -> float | int | None:
    """Return a number by the first of its keys that is there, or one that is written as text."""
    key = next((key for key in keys if key in said), None)
    if key is None:
        return None
    value = said[key]
    found = _number(_read(value) if isinstance(value, str) else value, named=named)
    if found is None and who is not None:
        what = "a number" + (', nor "nan", "inf" or "-inf"' if named else "")
        raise ItemError(f"{who}: {key} is {value!r}, and not {what}: mend the item, or leave it out")
    return found


def _read(text: str) -> object:
    """Return the number that a text is, whole where it is written so; else the text.

    >>> _read("255"), _read("-3.5e2"), _read("none")
    (255, -350.0, 'none')
    """
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _crs(fields: Fields) -> str | None:
    code, epsg = fields.get("proj:code"), fields.get("proj:epsg")
    if isinstance(code, str):
        return code
    if isinstance(epsg, int):
        return f"EPSG:{epsg}"
    wkt, projjson = fields.get("proj:wkt2"), fields.get("proj:projjson")
    if isinstance(wkt, str):
        return wkt
    return json.dumps(projjson) if isinstance(projjson, dict) else None


def _either(name: str, asset: Fields, properties: Fields) -> object:
    own = asset.get(name)
    return properties.get(name) if own is None else own


def _shape(value: object, who: str) -> tuple[int, int] | None:
    if value is None:
        return None
    sides = _numbers(value)
    if sides is None or len(sides) != 2 or min(sides) < 1 or any(side % 1 for side in sides):
        raise ItemError(
            f"{who}: proj:shape is {value}, and not [height, width] in pixels: give headers=True to have the "
            "files asked"
        )
    return int(sides[0]), int(sides[1])


def _transform(value: object, who: str) -> Transform | None:
    if value is None:
        return None
    numbers = _numbers(value)
    if numbers is not None and len(numbers) in {6, 9}:
        a, b, c, d, e, f = numbers[:6]
        if a * e != b * d:
            return a, b, c, d, e, f
    raise ItemError(
        f"{who}: proj:transform is {value}, and not six numbers that give pixels a size: give headers=True to"
        " have the files asked"
    )


def _numbers(value: object) -> tuple[float, ...] | None:
    if not isinstance(value, list | tuple):
        return None
    found = [_number(each) for each in value]
    return tuple(float(each) for each in found if each is not None) if None not in found else None


def _number(value: object, *, named: bool = False) -> float | int | None:
    """Return a finite number, or, ``named``, one of those that JSON has only names for."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if named or math.isfinite(value) else None


def _records(value: object) -> list[Fields]:
    """Return a list of records, each in its place: what is none says nothing."""
    return [each if isinstance(each, dict) else {} for each in value] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
