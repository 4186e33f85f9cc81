"""What a raster says of itself as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from geopatcher.core.json_values import list_from_json, number_to_json, required_number
from geopatcher.core.metadata import BandMetadata, ControlPoint, Ground, Metadata

if TYPE_CHECKING:
    from geopatcher.core.json_values import Json, Record
    from geopatcher.core.metadata import Color, Tags, TagValue


def metadata_to_json(metadata: Metadata) -> Record:
    """Return everything of a raster's metadata; nothing for one that has none."""
    if metadata == Metadata():
        return {}
    ground = metadata.ground
    return {
        "bands": [_band_to_json(band) for band in metadata.bands],
        "tags": tags_to_json(metadata.tags),
        "points": [[*map(number_to_json, point[:5]), point.name, point.info] for point in ground.points],
        "points_crs": ground.crs,
        "rpcs": dict(ground.rpcs),
        "arrays": ground.arrays,
    }


def metadata_from_json(record: Json) -> Metadata:
    """Return the metadata `metadata_to_json` was given.

    Raises
    ------
    ValueError
        Something is of another kind.

    Examples
    --------
    >>> metadata = Metadata((BandMetadata(1e-4, -0.1),), (("ACQUIRED", "2024-05-01"),))
    >>> metadata_from_json(metadata_to_json(metadata)) == metadata
    True

    """
    known = _object(record)
    if not known:
        return Metadata()
    crs = known.get("points_crs")
    ground = Ground(
        points=tuple(map(_point, list_from_json(known.get("points")))),
        crs=None if crs is None else str(crs),
        rpcs=tuple((name, str(value)) for name, value in _object(known.get("rpcs")).items()),
        arrays=known.get("arrays") is True,
    )
    bands = tuple(map(_band, list_from_json(known.get("bands"))))
    return Metadata(bands, tags_from_json(known.get("tags")), ground)


def _band_to_json(band: BandMetadata) -> Record:
    return {
        "scale": number_to_json(band.scale),
        "offset": number_to_json(band.offset),
        "color": band.color,
        "colormap": [[value, *color] for value, color in band.colormap],
        "tags": tags_to_json(band.tags),
        "classes": [[value, name] for value, name in band.classes],
    }


def _band(record: Json) -> BandMetadata:
    known = _object(record)
    return BandMetadata(
        required_number(known.get("scale")),
        required_number(known.get("offset")),
        str(known.get("color")),
        tuple(map(_color, list_from_json(known.get("colormap")))),
        tags_from_json(known.get("tags")),
        tuple(map(_class, list_from_json(known.get("classes", [])))),  # earlier ledgers have none
    )


def _class(record: Json) -> tuple[int, str]:
    match record:
        case [int() as value, str() as name]:
            return value, name
    raise ValueError(f"{record!r:.80} is no class")


def _color(record: Json) -> Color:
    match record:
        case [int() as value, int() as red, int() as green, int() as blue, int() as alpha]:
            return value, (red, green, blue, alpha)
    raise ValueError(f"{record!r:.80} is no color of a value")


def _point(record: Json) -> ControlPoint:
    match record:
        case [row, col, x, y, z, str() as name, str() as info]:
            number = required_number
            return ControlPoint(number(row), number(col), number(x), number(y), number(z), name, info)
    raise ValueError(f"{record!r:.80} is no ground control point")


def tags_to_json(tags: Tags) -> Json:
    """Return tags as JSON."""
    return [[name, _value_to_json(value)] for name, value in tags]


def _value_to_json(value: TagValue) -> Json:
    return [_value_to_json(each) for each in value] if isinstance(value, tuple) else value


def tags_from_json(record: Json) -> Tags:
    """Return the tags `tags_to_json` was given.

    Raises
    ------
    ValueError
        They are no tags.

    """
    return tuple(map(_tag, list_from_json(record)))


def _tag(record: Json) -> tuple[str, TagValue]:
    match record:
        case [str() as name, value]:
            return name, _value(value)
    raise ValueError(f"{record!r:.80} is no tag")


def _value(record: Json) -> TagValue:
    if isinstance(record, str | int | float):
        return record
    return tuple(map(_value, list_from_json(record)))


def _object(record: Json) -> Mapping[str, Json]:
    if not isinstance(record, Mapping):
        raise ValueError(f"{record!r:.80} is not an object")  # noqa: TRY004 - the record is wrong
    return record
