"""Parts of a source: some of its bands, and a window by pixels or by coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.box import Box
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.rasterio_source import RasterioSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import EllipsisType

    from geopatcher.domain import RasterDomain
    from geopatcher.fields.array_source import Sliceable
    from geopatcher.protocols import Array, PixelSource

#: Bounds this close to the edge of a pixel, in pixels, are meant to lie on it.
SLACK_PX = 1e-6


def pick_bands(source: PixelSource, bands: Sequence[int]) -> PixelSource:
    """Return a source of some bands, counted from 1, in the order given; the others are not read.

    Raises
    ------
    ValueError
        There is no such band, or none is named, or bands of this kind of source cannot be picked.

    """
    n_bands = source.domain.n_bands
    wrong = [band for band in bands if not 1 <= band <= n_bands]
    if wrong or not bands:
        raise ValueError(f"{source.name} has bands 1 to {n_bands}; asked for {wrong or 'none'}")
    if isinstance(source, RasterioSource):
        return replace(source, bands=tuple(source.indexes[band - 1] for band in bands))
    if len(source.domain.shape) == 2:
        return source
    if isinstance(source, ArraySource):
        picked = tuple(band - 1 for band in bands)
        return replace(source, array=SomeBands(source.array, picked), domain=_picked(source.domain, picked))
    raise ValueError(f"bands cannot be chosen from {source.name}: give its path, or an array")


def _picked(domain: RasterDomain, picked: tuple[int, ...]) -> RasterDomain:
    return replace(
        domain,
        shape=(len(picked), *domain.grid_shape),
        # Bands without a name keep their number, as those of a file do.
        band_names=tuple(domain.band_names[band] if domain.band_names else f"b{band + 1}" for band in picked),
        units=tuple(domain.units[band] for band in picked) if domain.units else (),
    )


@dataclass(frozen=True)
class SomeBands:
    """Some bands, counted from 0, of an array ``(bands, height, width)``."""

    array: Sliceable
    bands: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """``(bands, height, width)``."""
        return (len(self.bands), *self.array.shape[-2:])

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        return self.array.dtype

    def __getitem__(self, index: tuple[EllipsisType | slice, ...]) -> Array:
        """Return a rectangle of these bands, or of some of them."""
        some = index[0] if len(index) == 3 and isinstance(index[0], slice) else slice(None)
        parts = [np.asarray(self.array[(slice(band, band + 1), *index[-2:])]) for band in self.bands[some]]
        return np.concatenate(parts)


def box_of_bounds(domain: RasterDomain, bounds: tuple[float, float, float, float]) -> Box:
    """Return the pixels that ``(left, bottom, right, top)``, in coordinates of the CRS, touch.

    Of a rotated raster these are the smallest rectangle of pixels that holds them.

    Raises
    ------
    ValueError
        The bounds are empty, or lie outside the raster.

    Examples
    --------
    >>> from affine import Affine
    >>> from geopatcher.domain import RasterDomain
    >>> domain = RasterDomain((100, 100), Affine(10, 0, 5000, 0, -10, 8000))
    >>> box_of_bounds(domain, (5000, 7905, 5025, 7950))
    Box(row0=5, row1=10, col0=0, col1=3)

    """
    left, bottom, right, top = bounds
    if not (left < right and bottom < top):
        raise ValueError(f"bounds {bounds} are empty: give left, bottom, right, top, as in 5e5,4e6,6e5,5e6")
    a, b, c, d, e, f = domain.transform[:6]
    scale = a * e - b * d
    corners = [(x - c, y - f) for x in (left, right) for y in (bottom, top)]
    cols = [(e * x - b * y) / scale for x, y in corners]
    rows = [(a * y - d * x) / scale for x, y in corners]
    box = Box(
        math.floor(min(rows) + SLACK_PX),
        math.ceil(max(rows) - SLACK_PX),
        math.floor(min(cols) + SLACK_PX),
        math.ceil(max(cols) - SLACK_PX),
    ).intersect(Box.of_shape(domain.grid_shape))
    if box.empty:
        raise ValueError(f"bounds {bounds} lie outside the raster, whose own are {domain.bounds}")
    return box


def box_within(domain: RasterDomain, region: Box) -> Box:
    """Return a window of pixels, refusing one that is empty or reaches over the edge.

    Raises
    ------
    ValueError
        Names the window and the raster's size.

    """
    whole = Box.of_shape(domain.grid_shape)
    if region.empty or not whole.contains(region):
        raise ValueError(
            f"window {region} is not inside the raster of {domain.height} rows and {domain.width} columns"
        )
    return region
