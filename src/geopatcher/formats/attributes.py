"""What a raster says of itself, as attributes of a zarr array or a `xarray.DataArray`, and back.

Names are those of CF (https://cfconventions.org) and of rioxarray, where they have one. What is neither
a text, a number nor a list of them is written as a text of JSON: netCDF has no other attributes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.metadata import BandMetadata, ControlPoint, Ground, Metadata, lasting

if TYPE_CHECKING:
    from collections.abc import Hashable

    from geopatcher.core.metadata import Tags, TagValue

#: Those of CF with values that mean "missing"; xarray keeps them where it has made NaN of these.
MISSING_VALUES = ("_FillValue", "missing_value")
#: Attributes that say something of an array by themselves, and are no tags.
RESERVED = frozenset(
    (
        *(*MISSING_VALUES, "fill_value", "nodata", "nodatavals", "_Unsigned"),
        # True of what was read alone: those of a result are others.
        *("valid_range", "valid_min", "valid_max"),
        *(
            "scale_factor",
            "add_offset",
            "scales",
            "offsets",
            "units",
            "band_units",
            "band_names",
            "long_name",
        ),
        *("grid_mapping", "coordinates", "ancillary_variables", "crs", "crs_wkt", "spatial_ref", "transform"),
        *("GeoTransform", "gcps", "gcps_crs", "rpcs", "_ARRAY_DIMENSIONS", "_CRS", "zarr_conventions"),
        *(
            "bounds",
            "cell_measures",
            "formula_terms",
            "calendar",
            "dtype",
            "multiscales",
            "band_tags",
            "color_interpretation",
            "color_tables",
            "flag_values",
            "flag_meanings",
            "flag_colors",
            "is_tiled",
            "res",
        ),
    )
)
#: So do those that begin with one of these.
CONVENTIONS = ("proj:", "spatial:", "grid_mapping_")
#: Longest list that is kept as a tag.
MAX_LIST = 4096
#: Deepest list of lists that is kept.
MAX_DEPTH = 16


def metadata_attributes(metadata: Metadata) -> dict[str, object]:
    """Return the attributes of an array of these bands; none for what goes without saying.

    >>> metadata_attributes(Metadata((BandMetadata(1e-4, -0.1),), (("ACQUIRED", "2024-05-01"),)))
    {'ACQUIRED': '2024-05-01', 'scale_factor': 0.0001, 'add_offset': -0.1}
    """
    bands = metadata.bands
    known: dict[str, object] = {name: _plain(value) for name, value in metadata.tags if _is_tag(name)}
    if metadata.scaled:
        scales, offsets = [band.scale for band in bands], [band.offset for band in bands]
        if len(set(zip(scales, offsets, strict=True))) == 1:
            known |= {"scale_factor": scales[0], "add_offset": offsets[0]}
        else:  # CF has one of each for an array
            known |= {"scales": scales, "offsets": offsets}
    if any(band.tags for band in bands):
        tags = [{name: _plain(value) for name, value in band.tags} for band in bands]
        known["band_tags"] = json.dumps(tags)
    if any(color not in ("", "undefined", "gray") for color in metadata.colors):
        known["color_interpretation"] = list(metadata.colors)
    if any(band.colormap for band in bands):
        tables = [[[value, *color] for value, color in band.colormap] for band in bands]
        known["color_tables"] = json.dumps(tables)
    if len({band.classes for band in bands}) == 1:
        known |= flags(bands[0])
    return known


def plain_tags(tags: Tags) -> dict[str, object]:
    """Return tags as attributes: lists in place of tuples.

    >>> plain_tags((("units", "days since 1970-01-01"), ("valid_range", (0, 366))))
    {'units': 'days since 1970-01-01', 'valid_range': [0, 366]}
    """
    return {name: _plain(value) for name, value in tags}


def flags(band: BandMetadata) -> dict[str, object]:
    """Return classes as attributes of CF: values, names without blanks, and colors where there are any.

    >>> flags(BandMetadata(classes=((1, "open water"), (2, "ice"))))
    {'flag_values': [1, 2], 'flag_meanings': 'open_water ice'}
    """
    if not band.classes:
        return {}
    values = [value for value, _ in band.classes]
    known: dict[str, object] = {"flag_values": values}
    known["flag_meanings"] = " ".join("_".join(name.split()) for _, name in band.classes)
    colors = dict(band.colormap)
    if all(value in colors for value in values):
        known["flag_colors"] = " ".join("#{:02x}{:02x}{:02x}".format(*colors[value]) for value in values)
    return known


def classes_of(attributes: Mapping[Hashable, object]) -> tuple[tuple[int, str], ...]:
    """Return the classes that flags of CF name; none where values and names do not go together.

    >>> classes_of({"flag_values": [1, 2], "flag_meanings": "open_water ice"})
    ((1, 'open_water'), (2, 'ice'))
    """
    values = whole_numbers(attributes.get("flag_values", ()))
    names = str(attributes.get("flag_meanings", "")).split()
    return tuple(zip(values, names, strict=True)) if len(values) == len(names) else ()


def metadata_of(attributes: Mapping[Hashable, object], n_bands: int, ground: Ground) -> Metadata:
    """Return what the attributes of an array of ``n_bands`` say.

    Raises
    ------
    ValueError
        A scale or an offset is no number, or there is not one for each band.

    """
    scales = _each(attributes, "scales", "scale_factor", 1.0, n_bands)
    offsets = _each(attributes, "offsets", "add_offset", 0.0, n_bands)
    tags = _listed(attributes.get("band_tags"), n_bands)
    colors = _listed(attributes.get("color_interpretation"), n_bands)
    tables = _listed(attributes.get("color_tables"), n_bands)
    classes = classes_of(attributes)
    bands = tuple(
        BandMetadata(
            scale=scales[band],
            offset=offsets[band],
            color=str(colors[band]) if colors else "",
            colormap=tuple(_colors(tables[band])) if tables else (),
            tags=tags_of(tags[band]) if tags else (),
            classes=classes,
        )
        for band in range(n_bands)
    )
    # A raster of which nothing is said is the same as one without attributes.
    silent = all(band == BandMetadata() for band in bands)
    own = {name: value for name, value in attributes.items() if _is_tag(name)}
    return Metadata(() if silent else bands, tags_of(own), ground)


def tags_of(attributes: object) -> Tags:
    """Return attributes that are texts, numbers or lists of them; others cannot be kept."""
    if not isinstance(attributes, Mapping):
        return ()
    kept = ((name, _tag(value)) for name, value in attributes.items() if isinstance(name, str) and name)
    return lasting(tuple((name, value) for name, value in kept if value is not None))


def ground_attributes(ground: Ground) -> dict[str, object]:
    """Return the attributes of a grid mapping; control points the way rioxarray writes them, as GeoJSON."""
    known: dict[str, object] = {}
    if ground.points:
        features = [
            {
                "type": "Feature",
                "properties": {"id": point.name, "info": point.info, "row": point.row, "col": point.col},
                "geometry": {"type": "Point", "coordinates": [point.x, point.y, point.z]},
            }
            for point in ground.points
        ]
        known["gcps"] = json.dumps({"type": "FeatureCollection", "features": features})
        if ground.crs is not None:  # not the CRS of the grid, whose coordinates are pixels
            known["gcps_crs"] = ground.crs
    if ground.rpcs:
        known["rpcs"] = json.dumps(dict(ground.rpcs))
    return known


def ground_of(mapping: Mapping[Hashable, object], crs: str | None) -> Ground:
    """Return what ties a raster to the ground, from the attributes of its grid mapping.

    rioxarray has no CRS for control points but that of the raster, ``crs``.

    Raises
    ------
    ValueError
        It is said, but not as GeoJSON.

    """
    text, rpcs = mapping.get("gcps"), _from_text(mapping.get("rpcs"))
    own = mapping.get("gcps_crs")
    points: tuple[ControlPoint, ...] = ()
    if isinstance(text, str):
        try:
            points = tuple(map(_point, json.loads(text)["features"]))
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
            raise ValueError(
                f"the ground control points (gcps) are no GeoJSON of points with row and col: "
                f"{type(error).__name__}: {error}"
            ) from error
    coefficients = rpcs.items() if isinstance(rpcs, Mapping) else ()
    return Ground(
        points=points,
        crs=(str(own) if own is not None else crs) if points else None,
        rpcs=tuple((str(name), str(value)) for name, value in coefficients),
    )


def _point(feature: Mapping[str, Mapping[str, object]]) -> ControlPoint:
    properties = feature["properties"]
    x, y, *z = np.asarray(feature["geometry"]["coordinates"], dtype=float).tolist()
    row, col = np.asarray([properties["row"], properties["col"]], dtype=float).tolist()
    name, info = (str(properties.get(key) or "") for key in ("id", "info"))
    return ControlPoint(row, col, x, y, z[0] if z else 0.0, name, info)


def _is_tag(name: object) -> bool:
    return isinstance(name, str) and name not in RESERVED and not name.startswith(CONVENTIONS)


def _plain(value: TagValue) -> object:
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def whole_numbers(value: object) -> list[int]:
    """Return what an attribute holds as whole numbers, one or a flat list of them; none of anything else.

    >>> whole_numbers([0, 1]), whole_numbers(3), whole_numbers([0, [1]]), whole_numbers("01")
    ([0, 1], [3], [], [])
    """
    plain = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    listed = list(plain) if isinstance(plain, list | tuple) else [plain]
    whole = [each for each in listed if isinstance(each, int)]
    return whole if len(whole) == len(listed) else []


def _tag(value: object, depth: int = 0) -> TagValue | None:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple) and len(value) <= MAX_LIST:
        if depth > MAX_DEPTH:
            return None
        items = [_tag(each, depth + 1) for each in value]
        return tuple(item for item in items if item is not None)
    return None


def _each(
    attributes: Mapping[Hashable, object], many: str, one: str, default: float, n_bands: int
) -> list[float]:
    given = attributes.get(many, attributes.get(one))
    if given is None:
        return [default] * n_bands
    try:
        values = [float(value) for value in np.atleast_1d(np.asarray(given)).tolist()]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{many} or {one} is {given!r:.80}, which is no number") from error
    if len(values) not in (1, n_bands):
        raise ValueError(f"{many} has {len(values)} values for {n_bands} band(s): there must be one for each")
    return values if len(values) == n_bands else values * n_bands


def _listed(value: object, n_bands: int) -> Sequence[object]:
    """Return what is said of each band; nothing where it is not one thing for each."""
    known = _from_text(value)
    if isinstance(known, str) and n_bands == 1:  # netCDF makes one of a list of one
        return (known,)
    return known if isinstance(known, list | tuple) and len(known) == n_bands else ()


def _from_text(value: object) -> object:
    """Return what a text of JSON says; what is none, as earlier results have it, stays as it is."""
    if not isinstance(value, str):
        return value
    try:
        known: object = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return known


def _colors(table: object) -> list[tuple[int, tuple[int, int, int, int]]]:
    known = []
    for entry in table if isinstance(table, list | tuple) else ():
        match entry:
            case [int() as value, int() as red, int() as green, int() as blue, int() as alpha]:
                known.append((value, (red, green, blue, alpha)))
            case _:
                raise ValueError(f"{entry!r:.80} in color_tables is no value with red, green, blue and alpha")
    return known
