"""Stored numbers as the quantities they stand for, wherever a raster is looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.styles import in_units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.metadata import Metadata
    from geopatcher.core.protocols import Array
    from geopatcher.core.statistics import Statistics
    from geopatcher.inspect.levels import Raster


def scale_of(metadata: Metadata, band: int) -> tuple[float, float] | None:
    """Return scale and offset of a band; ``None`` where numbers stand for themselves, as those of classes.

    >>> from geopatcher.core.metadata import BandMetadata, Metadata
    >>> said = Metadata((BandMetadata(1e-4, -0.1), BandMetadata(2.0, classes=((1, "water"),))))
    >>> [scale_of(said, band) for band in (0, 1, 2)]
    [(0.0001, -0.1), None, None]
    """
    if band >= len(metadata.bands):
        return None
    said = metadata.bands[band]
    named = said.classes or said.colormap or said.color == "palette"
    return None if named or (said.scale, said.offset) == (1.0, 0.0) else (said.scale, said.offset)


@dataclass(frozen=True, eq=False)
class MeantRaster:
    """A raster whose cells are read as the quantities that they stand for; see `meant`.

    ``domain`` is that of the stored numbers, with the ranges that it names in units of the quantities.
    """

    stored: Raster
    domain: RasterDomain

    @property
    def block_shape(self) -> tuple[int, int]:
        """That of the storage."""
        return self.stored.block_shape

    @property
    def levels(self) -> tuple[int, ...]:
        """Those of the storage."""
        return self.stored.levels

    @property
    def statistics(self) -> Sequence[Statistics | None]:
        """Those of the quantities."""
        scales = (scale_of(self.domain.metadata, band) for band in range(len(self.stored.statistics)))
        both = zip(self.stored.statistics, scales, strict=True)
        return [each if each is None or pair is None else each.scaled(*pair) for each, pair in both]

    def read(self, box: Box, bands: Sequence[int], step: int = 1) -> Array:
        """Return quantities as float, worked out as float64 and rounded once."""
        cells = self.stored.read(box, bands, step)
        for place, band in enumerate(bands):
            known = scale_of(self.domain.metadata, band)
            if known is not None:
                cells[place] = cells[place].astype(np.float64) * known[0] + known[1]
        return cells

    def exact(self, row: int, col: int) -> list[float | int | None]:
        """Return one cell of every band as it is stored."""
        return self.stored.exact(row, col)


def meant(raster: Raster) -> Raster:
    """Return a raster as the quantities it stands for; the same one where numbers mean themselves."""
    said = raster.domain.metadata
    known = [scale_of(said, band) for band in range(len(said.bands))]
    if not any(known):
        return raster
    bands = tuple(
        band if pair is None else in_units(band, *pair) for band, pair in zip(said.bands, known, strict=True)
    )
    return MeantRaster(raster, replace(raster.domain, metadata=replace(said, bands=bands)))


def all_meant(rasters: Mapping[str, Raster]) -> dict[str, Raster]:
    """Return rasters by their names, each as `meant` has it."""
    return {name: meant(raster) for name, raster in rasters.items()}
