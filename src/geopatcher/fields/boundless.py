"""Windows that reach over the edge of a raster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.box import Box
from geopatcher.fields.array_source import exact_nodata

if TYPE_CHECKING:
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array, PixelSource


def fill_of(domain: RasterDomain) -> float | int:
    """Return what stands for a pixel outside a raster: NaN, or of integers their nodata value, else 0.

    >>> from geopatcher.core.domain import RasterDomain
    >>> fill_of(RasterDomain((2, 2), nodata=255, dtype=np.dtype("uint8")))
    255
    """
    if domain.dtype.kind in "fc":
        return float("nan")
    nodata = exact_nodata(domain.nodata, domain.dtype)
    return 0 if nodata is None else nodata


def read_boundless(source: PixelSource, box: Box) -> Array:
    """Return the pixels of a box that may overhang, ``(bands, h, w)``; what is outside is `fill_of`."""
    inner = box.intersect(Box.of_shape(source.domain.grid_shape))
    return filled(source.domain, box, source.read(inner) if inner.n_pixels else None, inner)


def filled(domain: RasterDomain, box: Box, part: Array | None, inner: Box) -> Array:
    """Return the pixels of a box of which ``part`` are those of ``inner``; ``None`` where there are none."""
    if part is not None and inner == box:
        return part
    pixels = np.full((domain.n_bands, *box.shape), fill_of(domain), domain.dtype)
    if part is not None:
        pixels[(slice(None), *inner.slices(box))] = part
    return pixels
