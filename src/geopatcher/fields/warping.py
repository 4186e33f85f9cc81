"""GDAL's warper, one tile of a map at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import SUPPORTED_RESAMPLING

from geopatcher.core.box import Box
from geopatcher.core.buffers import empty
from geopatcher.fields.grids import crs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

    from geopatcher.core.arrays import Array
    from geopatcher.core.domain import RasterDomain

#: Pixels of a rectangle, and where they hold data: ``None`` is everywhere, NaN left aside.
Cells: TypeAlias = "tuple[Array, NDArray[np.bool_] | None]"

#: By what names a warped pixel can be made of those around it.
METHODS = tuple(method.name for method in SUPPORTED_RESAMPLING)
#: GDAL's own way of taking all bands for one would mix nodata of a band into its neighbours.
BANDS_APART = {"UNIFIED_SRC_NODATA": "NO"}
#: GDAL places pixels approximately, along each row of what it warps in one go: always its blocks, so that
#: neither the window nor the bands that are read make a difference.
BY_BLOCKS = {"GDAL_VRT_WARP_USE_DATASET_RASTERIO": "NO"}


@dataclass(frozen=True)
class Warping:
    """How pixels are warped: onto which map, by which method, and what says that they are missing.

    ``before`` is the value of missing pixels of the raster, and ``after`` of the warped one, NaN for floats;
    ``alpha`` the number of the band that says which pixels hold data where no value does, 0 for none.
    ``tolerance`` is how many pixels of the raster GDAL may misplace one by, to be quicker.
    """

    onto: RasterDomain
    method: str
    before: float | int | None
    after: float | int | None
    alpha: int
    tolerance: float = 0.125

    def warp(
        self,
        dataset: DatasetReader,
        whole: Box,
        bands: Sequence[int],
        dtype: np.dtype,
        scale: tuple[float, float] | None = None,
    ) -> Array:
        """Return some bands of a raster, counted from 1, on a rectangle of the map; alpha comes last.

        ``scale`` is how many pixels of the map there are along one of the raster, across and down. GDAL
        guesses it from the rectangle under a block, which is too large where the map is turned.
        """
        part = self.onto.cut(whole)
        known = {} if scale is None else {"XSCALE": str(scale[0]), "YSCALE": str(scale[1])}
        with WarpedVRT(
            dataset,
            crs=crs_of(self.onto.crs or ""),
            transform=part.transform,
            width=whole.width,
            height=whole.height,
            resampling=Resampling[self.method],
            src_nodata=self.before,
            nodata=self.after,
            add_alpha=self.alpha > dataset.count,
            tolerance=self.tolerance,
            **BANDS_APART,
            **known,
        ) as warped:
            wanted = [*bands, *([self.alpha] if self.alpha else [])]
            pixels = empty((len(wanted), *whole.shape), dtype)
            if len({warped.dtypes[band - 1] for band in wanted}) == 1:
                warped.read(wanted, out=pixels)
            else:
                for position, band in enumerate(wanted):
                    warped.read(band, out=pixels[position])
        return pixels

    def held(self, pixels: Array) -> Cells:
        """Return warped pixels without the alpha band, and where they hold data."""
        if self.alpha:
            return pixels[:-1], np.broadcast_to(pixels[-1] > 0, pixels[:-1].shape)
        return pixels, None if pixels.dtype.kind == "f" else pixels != self.after


def by_tiles(
    box: Box, tile: tuple[int, int], grid: tuple[int, int], pixels: Array, warped: Callable[[Box], Array]
) -> Array:
    """Fill a rectangle from whole tiles of a map, so that pixels are the same in any rectangle."""
    for part in box.tiles(tile):
        row, col = part.row0 // tile[0] * tile[0], part.col0 // tile[1] * tile[1]
        whole = Box(row, row + tile[0], col, col + tile[1]).intersect(Box.of_shape(grid))
        pixels[:, *part.slices(box)] = warped(whole)[:, *part.slices(whole)]
    return pixels
