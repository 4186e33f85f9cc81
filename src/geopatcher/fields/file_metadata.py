"""What a file that GDAL opens says of itself beside its grid."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from affine import Affine
from rasterio.enums import MaskFlags

from geopatcher.core.gaps import TAG_NAMESPACE
from geopatcher.core.metadata import BandMetadata, ControlPoint, Ground, Metadata, lasting
from geopatcher.formats.attributes import classes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rasterio.io import DatasetReader

    from geopatcher.core.metadata import Color, Tags

#: Tags of a band that name its classes.
FLAGS = ("flag_values", "flag_meanings", "flag_colors")
#: Namespaces of tags that tell of the file and not of the raster, or that are kept in another way.
OF_THE_FILE = (
    *("IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "COLOR_PROFILE", "TIFF"),
    *("RPC", "GEOLOCATION", "xml:", "json:", TAG_NAMESPACE),
)


def metadata_of(dataset: DatasetReader, indexes: Sequence[int]) -> Metadata:
    """Return the metadata of some bands of a dataset, counted from 1.

    Tags of a namespace are called ``NAMESPACE#NAME``. Statistics are left out: they would not be true
    of a part, or of anything made from it.
    """
    return Metadata(
        bands=tuple(_band(dataset, band) for band in indexes),
        tags=_tags(dataset, 0),
        ground=_ground(dataset),
    )


def _band(dataset: DatasetReader, band: int) -> BandMetadata:
    color = dataset.colorinterp[band - 1].name
    if color == "alpha" and not any(MaskFlags.alpha in flags for flags in dataset.mask_flag_enums):
        # It hides nothing: a mask or a nodata value stands above it, or its place is none.
        color = "undefined"
    given = _tags(dataset, band)
    tags, classes = _classes_in(given)
    colormap = _colormap(dataset, band) if color == "palette" else _flag_colors(given, classes)
    return BandMetadata(
        scale=float(dataset.scales[band - 1]),
        offset=float(dataset.offsets[band - 1]),
        color="palette" if colormap else color,
        colormap=colormap,
        tags=tags,
        classes=classes,
    )


def _classes_in(tags: Tags) -> tuple[Tags, tuple[tuple[int, str], ...]]:
    """Return tags without those that name classes, and the classes; see `flags`."""
    known = dict(tags)
    try:
        classes = classes_of(
            {
                "flag_values": json.loads(str(known.get("flag_values"))),
                "flag_meanings": known.get("flag_meanings"),
            }
        )
    except ValueError:
        classes = ()
    return (tuple(tag for tag in tags if tag[0] not in FLAGS) if classes else tags), classes


def _flag_colors(tags: Tags, classes: Sequence[tuple[int, str]]) -> tuple[Color, ...]:
    """Return the colors of classes that tags tell: those of a dtype for which GDAL has no color table."""
    told = str(dict(tags).get("flag_colors", ""))
    if len(told.split()) != len(classes) or not re.fullmatch(r"(#[0-9a-fA-F]{6}\s*)+", told):
        return ()
    colors = (bytes.fromhex(color[1:]) for color in told.split())
    return tuple((value, (*rgb, 255)) for (value, _), rgb in zip(classes, colors, strict=True))


def _colormap(dataset: DatasetReader, band: int) -> tuple[Color, ...]:
    try:
        return tuple(sorted(dataset.colormap(band).items()))
    except ValueError:  # it is said to have one, and has none
        return ()


def _tags(dataset: DatasetReader, band: int) -> Tags:
    known = dict(dataset.tags(band))
    for namespace in dataset.tag_namespaces(band):
        if namespace and not namespace.startswith(OF_THE_FILE):
            known |= {
                f"{namespace}#{name}": value for name, value in dataset.tags(band, ns=namespace).items()
            }
    return lasting(tuple(known.items()))


def _ground(dataset: DatasetReader) -> Ground:
    # With a transform they are not what places the raster, and a GeoTIFF holds only one of the two.
    points, crs = dataset.gcps if dataset.transform == Affine.identity() else ((), None)
    return Ground(
        points=tuple(
            ControlPoint(p.row, p.col, p.x, p.y, p.z or 0.0, p.id or "", p.info or "") for p in points
        ),
        crs=crs.to_wkt() if points and crs else None,
        rpcs=tuple(dataset.tags(ns="RPC").items()),
        arrays="GEOLOCATION" in dataset.tag_namespaces(),
    )
