"""GDAL's warper, one tile of a map at a time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.warp import SUPPORTED_RESAMPLING

from geopatcher.core.box import Box
from geopatcher.core.buffers import empty
from geopatcher.fields.grids import crs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

    from geopatcher.core.arrays import Array
    from geopatcher.core.domain import RasterDomain

#: Pixels of a rectangle, and where they hold data: ``None`` is everywhere, NaN left aside.
Cells: TypeAlias = "tuple[Array, NDArray[np.bool_] | None]"

#: By what names a warped pixel can be made of those around it.
METHODS = tuple(method.name for method in SUPPORTED_RESAMPLING)
#: Those that make a pixel of some around it, and none of one that is missing itself, where it is alone.
INTERPOLATING = ("bilinear", "cubic", "cubic_spline", "lanczos")
#: Pixels of the raster by which one may be misplaced. To be quicker GDAL looks up few places, and those
#: between them lie on straight lines: that costs no more than with its own eighth of a pixel.
TOLERANCE = 1e-3
#: How pixels are warped, for those who ask whether older ones were warped alike.
MANNER = f"each band by itself, to {TOLERANCE} pixels, all around the globe"
#: How GDAL is to open pixels that are in memory, and warp them: the mask is a part of the file, and what is
#: warped in one go are its blocks.
IN_MEMORY = {"GDAL_TIFF_INTERNAL_MASK": "YES", "GDAL_VRT_WARP_USE_DATASET_RASTERIO": "NO"}


def warped(
    dataset: DatasetReader,
    part: RasterDomain,
    method: str,
    scale: tuple[float, float],
    missing: float | int | None,
    beyond: int = 0,
) -> Array:
    """Return all bands of a raster on a part of a map; where nothing is ``missing``, alpha comes last.

    Parameters
    ----------
    dataset
        The raster.
    part
        The pixels wanted.
    method
        One of `METHODS`.
    scale
        How many pixels of the map there are along one of the raster, across and down. GDAL would guess it for
        each of its blocks, from the rectangle under it, which is too large where the map is turned: pixels
        would be blurred, and shifted by a tenth.
    missing
        The value of missing pixels, before and after; ``None`` is where the mask of the raster says it.
    beyond
        How many more pixels of the raster than GDAL finds under its blocks, on all sides: it looks at some
        places of each block, and where the raster is torn between two of them some may be left out.

    Returns
    -------
    Array
        ``(bands, h, w)``.

    """
    with WarpedVRT(
        dataset,
        crs=crs_of(part.crs or ""),
        transform=part.transform,
        width=part.width,
        height=part.height,
        resampling=Resampling[method],
        src_nodata=missing,
        nodata=missing,
        add_alpha=missing is None,
        tolerance=TOLERANCE,
        UNIFIED_SRC_NODATA="NO",  # a pixel is missing in each band by itself
        XSCALE=str(scale[0]),
        YSCALE=str(scale[1]),
        SOURCE_EXTRA=str(beyond),
    ) as found:
        wanted = list(range(1, dataset.count + 1 + (missing is None)))
        pixels = empty((len(wanted), *part.grid_shape), np.dtype(dataset.dtypes[0]))
        if len(set(found.dtypes)) == 1:
            found.read(wanted, out=pixels)
        else:
            for position, band in enumerate(wanted):
                found.read(band, out=pixels[position])
    return pixels


@contextmanager
def opened(
    cells: Array, domain: RasterDomain, missing: float | int | None, held: Array | None = None
) -> Iterator[DatasetReader]:
    """Have GDAL open pixels ``(bands, h, w)`` that are in memory; ``held`` is a mask for all bands."""
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=cells.shape[2],
            height=cells.shape[1],
            count=cells.shape[0],
            dtype=cells.dtype,
            crs=crs_of(domain.crs or ""),
            transform=domain.transform,
            nodata=missing,
        ) as made:
            made.write(cells)
            if held is not None:
                made.write_mask(held)
        with memory.open() as dataset:
            yield dataset


def whole_tiles(box: Box, tile: tuple[int, int], grid: tuple[int, int]) -> Iterator[Box]:
    """Yield the tiles of a map that hold a rectangle: from them its pixels are the same in any rectangle.

    >>> [str(whole) for whole in whole_tiles(Box(3, 9, 0, 4), (4, 8), (10, 7))]
    ['rows 0:4, columns 0:7', 'rows 4:8, columns 0:7', 'rows 8:10, columns 0:7']
    """
    for part in box.tiles(tile):
        row, col = part.row0 // tile[0] * tile[0], part.col0 // tile[1] * tile[1]
        yield Box(row, row + tile[0], col, col + tile[1]).intersect(Box.of_shape(grid))
