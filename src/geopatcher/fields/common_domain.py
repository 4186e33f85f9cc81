"""What several rasters of one kind say together: which bands, which dtype, which values are missing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from geopatcher.core.metadata import Metadata
from geopatcher.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import PixelSource


def domain_of(sources: Sequence[PixelSource], grid: RasterDomain) -> RasterDomain:
    """Return the domain of a map of rasters: the grid, and the bands of the first one.

    It has a nodata value where all of them have the same one, and NaN otherwise if they are floats. Tags are
    those that all of them have.

    Raises
    ------
    SourceError
        Their bands are not the same in number, dtype, order, scale or offset; names the first that differs.

    """
    first = sources[0].domain
    for source in sources[1:]:
        why = _difference(first, source.domain)
        if why is not None:
            raise SourceError(f"{source.name} and {sources[0].name} are not of one kind: {why}")
    values = {str(source.domain.nodata) for source in sources}
    nodata = first.nodata if len(values) == 1 else None
    if nodata is None and first.dtype.kind == "f":
        nodata = math.nan
    shared = set(first.metadata.tags).intersection(*(source.domain.metadata.tags for source in sources))
    tags = tuple(tag for tag in first.metadata.tags if tag in shared)
    return replace(
        grid,
        shape=(first.n_bands, *grid.grid_shape),
        nodata=nodata,
        dtype=first.dtype,
        band_names=first.band_names,
        units=first.units,
        metadata=Metadata(first.metadata.bands, tags),
    )


def _difference(first: RasterDomain, other: RasterDomain) -> str | None:
    """Return in what the bands of a raster differ from those of the first, for people."""
    if other.n_bands != first.n_bands:
        return f"one has {other.n_bands} band(s), the other {first.n_bands}. Choose bands of each"
    if other.dtype != first.dtype:
        return f"one holds {other.dtype}, the other {first.dtype}. Convert one of them"
    if other.band_names != first.band_names and sorted(other.band_names) == sorted(first.band_names):
        return (
            f"their bands are in another order, {', '.join(other.band_names)} and "
            f"{', '.join(first.band_names)}. Choose bands of one of them"
        )
    meanings = [
        [(band.scale, band.offset) for band in domain.metadata.bands] or [(1.0, 0.0)] * domain.n_bands
        for domain in (other, first)
    ]
    for number, (one, its) in enumerate(zip(*meanings, strict=True), start=1):
        if one != its:
            return (
                f"band {number} has the scale and offset {one} in one and {its} in the other, so that their "
                f"numbers mean different things. Apply them first"
            )
    return None
