"""What a GeoTIFF says of itself beside its grid: names, scales, tags, colors, ties to the ground."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from geopatcher.core.gaps import TAG, TAG_NAMESPACE
from geopatcher.formats.attributes import flags

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rasterio.io import DatasetWriter

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.metadata import Ground

#: A GeoTIFF stores sixteen bits of each color at most, for as many values as sixteen bits have.
PALETTE_DTYPES = ("uint8", "uint16")
#: What goes without saying.
PLAIN_COLORS = ("undefined", "gray")


@dataclass(frozen=True)
class Records:
    """What is asked for: it stands above what the raster's own metadata say.

    With ``mask_beside`` readers are told that a file beside this one says which cells hold data.
    """

    tags: Mapping[str, str]
    colormap: Mapping[int, tuple[int, int, int, int]] | None = None
    colorinterp: tuple[str, ...] = ()
    mask_beside: bool = False


def describe(dataset: DatasetWriter, domain: RasterDomain, records: Records) -> None:
    """Write down everything but the grid and nodata, which a file is made with."""
    metadata = domain.metadata
    for band, name in enumerate(domain.band_names, start=1):
        dataset.set_band_description(band, name)
    for band, unit in enumerate(domain.units, start=1):
        dataset.set_band_unit(band, unit)
    if metadata.scaled:
        dataset.scales = tuple(band.scale for band in metadata.bands)
        dataset.offsets = tuple(band.offset for band in metadata.bands)
    dataset.update_tags(**{**_texts(metadata.tags), **records.tags})
    if records.mask_beside:
        dataset.update_tags(ns=TAG_NAMESPACE, **{TAG: "in a file beside this one"})
    for number, said in enumerate(metadata.bands, start=1):
        dataset.update_tags(number, **_texts(said.tags), **_texts(flags(said).items()))
    _paint(dataset, domain, records)
    _tie(dataset, domain.transform, metadata.ground)


def _texts(tags: Iterable[tuple[str, object]]) -> dict[str, str]:
    """Return tags as GDAL keeps them: a name ends at the first ``=``."""
    kept = [(name, value) for name, value in tags if "=" not in name]
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in kept}


def _paint(dataset: DatasetWriter, domain: RasterDomain, records: Records) -> None:
    metadata = domain.metadata
    colors = records.colorinterp or tuple(_color(name) for name in metadata.colors)
    if records.colorinterp or set(colors) - set(PLAIN_COLORS):
        dataset.colorinterp = [ColorInterp[name] for name in colors]
    own = dict(metadata.bands[0].colormap) if metadata.bands and _has_palette(domain) else {}
    colormap = own if records.colormap is None else dict(records.colormap)
    if colormap:
        dataset.write_colormap(1, colormap)


def _color(name: str) -> str:
    """Return what a band means; a palette is said by being there, and a newer GDAL may know more names."""
    return name if name in ColorInterp.__members__ and name != "palette" else "undefined"


def _has_palette(domain: RasterDomain) -> bool:
    return domain.n_bands == 1 and domain.dtype.name in PALETTE_DTYPES


def _tie(dataset: DatasetWriter, transform: Affine, ground: Ground) -> None:
    if ground.points and transform == Affine.identity():  # a GeoTIFF has one of the two
        points = [
            GroundControlPoint(row=p.row, col=p.col, x=p.x, y=p.y, z=p.z, id=p.name, info=p.info)
            for p in ground.points
        ]
        dataset.gcps = (points, CRS() if ground.crs is None else CRS.from_user_input(ground.crs))
    if ground.rpcs:
        dataset.update_tags(ns="RPC", **dict(ground.rpcs))
