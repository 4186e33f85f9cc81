"""What a raster file or a finished result is, in a few lines."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import zarr
from rasterio.enums import MaskFlags

from geopatcher.core.gaps import VALID
from geopatcher.engine.prepare import ground_notice
from geopatcher.errors import SourceError
from geopatcher.fields.facts import MAX_BANDS, facts_about
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.fields.zarr_field import is_zarr, stored_array, zarr_source
from geopatcher.fields.zarr_places import is_store_elsewhere
from geopatcher.formats.dataset_pool import POOL
from geopatcher.formats.local_files import is_here
from geopatcher.formats.statistics import MAX_BANDS as MOST_BANDS
from geopatcher.formats.statistics import in_attributes, in_tags
from geopatcher.inspect.arrays import at
from geopatcher.planning.memory import format_bytes
from geopatcher.runs.glance import glance
from geopatcher.targets.places import BucketUrl, bucket_url

if TYPE_CHECKING:
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.statistics import Statistics
    from geopatcher.targets.places import Spot

#: Facts that stand behind what is said of the blocks.
LAST = ("scale", "classes")


@dataclass(frozen=True)
class Description:
    """A raster or a result: what it is, without its pixels.

    ``stored`` says how its blocks are stored; ``n_bytes`` is its size on disk, ``None`` when it is not
    a local file; ``layers`` are the names of the arrays beside the result. ``statistics`` are those of the
    bands that were written down when they were known of all cells, none where they were not. ``damage`` says
    which of its files are not as its ledger tells, as far as that shows without reading all of them.
    """

    name: str
    kind: str
    domain: RasterDomain
    blocks: tuple[int, int]
    stored: tuple[str, ...] = ()
    n_bytes: int | None = None
    layers: tuple[str, ...] = ()
    masked: bool = False
    damage: str = ""
    statistics: tuple[Statistics | None, ...] = ()

    def __str__(self) -> str:
        size = "" if self.n_bytes is None else f", {format_bytes(self.n_bytes)} on disk"
        stored = "".join(f", {part}" for part in self.stored)
        told = facts_about(self.domain, self._missing())
        lines = [
            f"file       {self.name} ({self.kind}{size})",
            *(f"{name:<10} {said}" for name, said in told if name not in LAST),
            f"blocks     {self.blocks[0]}x{self.blocks[1]}{stored}",
        ]
        notice = ground_notice(self.domain)
        if notice is not None:
            lines.append(f"ground     {notice}")
        lines += [f"{name:<10} {said}" for name, said in told if name in LAST]
        lines += [f"{'values':<10} {said}" for said in self._values()]
        if self.layers:
            lines.append(f"layers     {', '.join(self.layers)}")
        if self.damage:
            lines.append(f"damaged    {self.damage} (see geopatcher verify)")
        return "\n".join(lines)

    def _values(self) -> list[str]:
        """Return what is known of the values of each band, of the first few."""
        single = len(self.statistics) == 1
        told = [
            str(known) if single else f"{number} {known}"
            for number, known in enumerate(self.statistics[:MAX_BANDS], start=1)
            if known is not None
        ]
        more = len(self.statistics) - MAX_BANDS
        return [*told, f"and of {more} more bands"] if told and more > 0 else told

    def _missing(self) -> str:
        """Return what says that a pixel is missing."""
        value = self.domain.nodata
        said = [] if value is None else [str(value)]
        return ", ".join([*said, "a mask says which pixels are missing"] if self.masked else said) or "none"


def describe(path: str | os.PathLike[str]) -> Description:
    """Describe a raster file or URL, or a result in a zarr store; no pixel is read.

    Raises
    ------
    SourceError
        There is nothing at ``path``, or it is neither.

    """
    url = bucket_url(path) if is_store_elsewhere(path) else None
    place = Path(path)
    if url is not None or is_zarr(path):
        return _of_store(url or place)
    here = is_here(os.fspath(path))
    if here and place.is_dir():
        raise SourceError(f"{place} is a folder, but not a zarr store")
    source = RasterioSource(os.fspath(path))
    with POOL.look_at(source.path) as dataset:
        compression = dataset.compression
        overviews = dataset.overviews(1)
        kind = dataset.driver
        statistics = tuple(in_tags(dataset.tags(band)) for band in source.indexes[:MOST_BANDS])
        masked = any(MaskFlags.per_dataset in flags for flags in dataset.mask_flag_enums)
    stored = [] if compression is None else [compression.value.lower()]
    if overviews:
        stored.append(f"overviews {' '.join(map(str, overviews))}")
    n_bytes = place.stat().st_size if here and place.is_file() else None
    found = Description(source.name, kind, source.domain, source.block_shape, tuple(stored), n_bytes)
    damage = glance(place) if here and place.is_file() else ""
    return replace(found, masked=masked, damage=damage, statistics=statistics if any(statistics) else ())


def _of_store(path: Spot) -> Description:
    source = zarr_source(path)
    cells = stored_array(source)
    if cells is None:  # what it opens is nothing else
        raise SourceError(f"{path} does not hold an array")
    data = cells.array
    place = at(path)
    beside = () if isinstance(place.node(), zarr.Array) else place.group().arrays()
    masked = source.mask is not None
    apart = {data.basename, VALID if masked else data.basename}
    layers = sorted(name for name, array in beside if name not in apart and len(array.shape) >= 2)
    stored = [type(codec).__name__.removesuffix("Codec").lower() for codec in data.compressors]
    if data.shards is not None:
        stored.append("shards {}x{}".format(*cells.block))
    files = () if isinstance(path, BucketUrl) else path.rglob("*")
    n_bytes = sum(file.stat().st_size for file in files if file.is_file()) or None
    kind = f"zarr v{data.metadata.zarr_format}"
    found = Description(str(path), kind, source.domain, cells.chunk, tuple(stored), n_bytes)
    statistics = in_attributes(data.attrs, source.domain.n_bands)
    return replace(found, layers=tuple(layers), masked=masked, damage=glance(path), statistics=statistics)
