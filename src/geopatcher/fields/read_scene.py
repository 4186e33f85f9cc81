"""What is no file of its own on the grid of a map: windows of it are read, and warped by GDAL in memory."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rasterio.io import MemoryFile
from rasterio.warp import transform

from geopatcher.core.box import Box
from geopatcher.core.buffers import empty
from geopatcher.fields.grids import crs_of, pixels_at, same_crs
from geopatcher.fields.some_bands import some_bands
from geopatcher.fields.warping import Warping, by_tiles
from geopatcher.formats.gdal_environment import GDAL_ERRORS, environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

    from geopatcher.core.arrays import Array
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import PixelSource
    from geopatcher.fields.warping import Cells

#: Places along each side of a tile by which it is found in the raster.
PLACES = 33
#: Pixels around one, of the coarser of both grids, that a method looks at: three of lanczos, and one more.
REACH = 4
#: Pixels by which one may be misplaced; of none at all GDAL 3.12 makes no raster.
EXACT = 1e-6
#: The mask of a file in memory is a part of it.
INSIDE = {"GDAL_TIFF_INTERNAL_MASK": "YES"}


class Under(NamedTuple):
    """What lies under a tile: pixels of the raster, and how many of the tile there are along one."""

    own: Box
    scale: tuple[float, float] | None


@dataclass(frozen=True)
class ReadScene:
    """A raster that is read in windows, such as an array or a part of a file, warped tile by tile.

    Each tile is warped from the pixels under it and a few around; no more of the raster is read. Pixels are
    placed exactly: what GDAL would make of approximate places depends on how much of the raster it sees.
    """

    source: PixelSource
    box: Box
    how: Warping
    density: float

    @classmethod
    def of(cls, source: PixelSource, box: Box, onto: RasterDomain, method: str, density: float) -> ReadScene:
        """Return a raster on a map; of integers without a nodata value a mask says what is missing."""
        if source.domain.dtype.kind == "f":
            how = Warping(onto, method, math.nan, math.nan, 0, EXACT)
        else:
            value = source.domain.nodata
            how = Warping(onto, method, value, value, 0 if value is not None else 2, EXACT)
        return cls(source, box, how, density)

    @property
    def hides_nothing(self) -> bool:
        """No: it lies askew in its box."""
        return False

    def select_bands(self, bands: Sequence[int]) -> ReadScene:
        """Return the same with some bands, counted from 0."""
        return replace(self, source=some_bands(self.source, bands))

    def read(self, box: Box, tile: tuple[int, int]) -> Cells:
        """Warp the tiles that hold a rectangle.

        Raises
        ------
        SourceError
            The pixels cannot be read.

        """
        domain = self.source.domain
        layers = 2 if self.how.alpha else 1
        pixels = empty((layers * domain.n_bands, *box.shape), domain.dtype)
        with environment(**INSIDE):
            by_tiles(box, tile, self.how.onto.grid_shape, pixels, self._tile)
        if self.how.alpha:
            return pixels[: domain.n_bands], pixels[domain.n_bands :] > 0
        return self.how.held(pixels)

    def _tile(self, whole: Box) -> Array:
        """Return the bands of a tile of the map; where there is a mask, the masks of the bands after them."""
        domain, n_bands = self.source.domain, self.source.domain.n_bands
        under = self._under(whole)
        if under.own.empty:
            fill = 0 if self.how.after is None else self.how.after
            return np.full(((2 if self.how.alpha else 1) * n_bands, *whole.shape), fill, domain.dtype)
        cells = self.source.read(under.own)
        valid = self.source.valid(under.own, cells)
        if not self.how.alpha:
            if valid is not None:
                cells = np.where(valid, cells, domain.dtype.type(self.how.before))
            with _opened(cells, domain.cut(under.own), self.how.before) as dataset:
                return self.how.warp(dataset, whole, range(1, n_bands + 1), domain.dtype, under.scale)
        both = [
            self._masked(cells[[band]], None if valid is None else valid[band], under, whole)
            for band in range(n_bands)
        ]
        return np.concatenate([part[:1] for part in both] + [part[1:] for part in both])

    def _masked(self, band: Array, valid: Array | None, under: Under, whole: Box) -> Array:
        """Return one band of a tile and its mask: GDAL takes one for all bands, and each has its own."""
        with _opened(band, self.source.domain.cut(under.own), None, valid) as dataset:
            return self.how.warp(dataset, whole, (1,), band.dtype, under.scale)

    def _under(self, whole: Box) -> Under:
        """Return the pixels of the raster that a tile of the map is made of."""
        domain, part = self.source.domain, self.how.onto.cut(whole)
        everything = Box.of_shape(domain.grid_shape)
        found = _places_of(part, domain)
        if found is None:
            return Under(everything, None)
        rows, cols = found
        there = np.isfinite(rows)
        if not there.any():
            return Under(Box(0, 0, 0, 0), None)
        scale = tuple(
            _scale(rows, cols, axis, length) for axis, length in ((1, whole.width), (0, whole.height))
        )
        around = math.ceil(REACH * max(1.0, *(1 / one for one in scale)))
        box = Box(
            math.floor(rows[there].min()) - around,
            math.ceil(rows[there].max()) + around,
            math.floor(cols[there].min()) - around,
            math.ceil(cols[there].max()) + around,
        )
        return Under(box.intersect(everything), (scale[0], scale[1]))


def _scale(rows: NDArray[np.float64], cols: NDArray[np.float64], axis: int, length: int) -> float:
    """Return how many pixels of a tile lie along one of the raster; ``length`` are its pixels that way."""
    moved = np.hypot(np.diff(rows, axis=axis), np.diff(cols, axis=axis))
    known = moved[np.isfinite(moved) & (moved > 0)]
    return length / (PLACES - 1) / float(np.median(known)) if known.size else 1.0


def _places_of(
    part: RasterDomain, domain: RasterDomain
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return rows and columns of a raster at places all over a tile, ``(PLACES, PLACES)``.

    Those that have no place are NaN; ``None`` is where that is an error.
    """
    along = np.linspace(0, 1, PLACES)
    cols, rows = np.meshgrid(along * part.width, along * part.height)
    a, b, c, d, e, f = part.transform[:6]
    xs, ys = a * cols + b * rows + c, d * cols + e * rows + f
    if not same_crs(part.crs, domain.crs):
        both = (crs_of(part.crs or ""), crs_of(domain.crs or ""))
        try:
            moved = transform(*both, xs.ravel().tolist(), ys.ravel().tolist())
        except GDAL_ERRORS:
            return None
        xs, ys = (np.array(found).reshape(xs.shape) for found in moved[:2])
    known = np.isfinite(xs) & np.isfinite(ys)
    return pixels_at(domain.transform, np.where(known, xs, np.nan), np.where(known, ys, np.nan))


@contextmanager
def _opened(
    cells: Array, domain: RasterDomain, nodata: float | int | None, valid: Array | None = None
) -> Iterator[DatasetReader]:
    """Have GDAL open pixels that are in memory."""
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=cells.shape[2],
            height=cells.shape[1],
            count=cells.shape[0],
            dtype=cells.dtype,
            crs=crs_of(domain.crs or ""),
            transform=domain.transform,
            nodata=nodata,
        ) as made:
            made.write(cells)
            if valid is not None:
                made.write_mask(valid)
        with memory.open() as dataset:
            yield dataset
