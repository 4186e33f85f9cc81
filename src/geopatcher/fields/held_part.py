"""A part of a raster, or of several together, whose pixels are in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geopatcher.core.packing import Packing
from geopatcher.core.sources import packing_of
from geopatcher.fields.aligned import Aligned
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.raster import RasterField

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array, PixelSource


@dataclass(frozen=True, eq=False)
class HeldRecords(ArraySource):
    """Records of several rasters, ``(1, h, w)``, in memory."""

    packing: Packing = field(default=Packing(()))
    either: bool = False

    @property
    def has_nodata(self) -> bool:
        """Whether pixels may be missing in one of them."""
        return self.packing.has_gaps

    def valid(self, box: Box, pixels: Array) -> NDArray[np.bool_] | None:
        """Return where all of them hold data, or any, ``(1, h, w)``; ``None`` for everywhere."""
        _ = box
        return self.packing.known(pixels, either=self.either)


def held_part(source: PixelSource, pixels: Array, box: Box) -> RasterField[Array]:
    """Return a rectangle of a source as a field of pixels ``(bands, h, w)`` that were read of it."""
    return held_field(source, pixels, source.domain.cut(box))


def held_field(source: PixelSource, pixels: Array, domain: RasterDomain) -> RasterField[Array]:
    """Return pixels ``(bands, h, w)`` of a source as a field of a domain."""
    packing = packing_of(source)
    if packing is not None:
        either = isinstance(source, Aligned | HeldRecords) and source.either
        return RasterField(HeldRecords(pixels, domain, packing=packing, either=either))
    return RasterField(ArraySource(pixels[0] if len(domain.shape) == 2 else pixels, domain))
