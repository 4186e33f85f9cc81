"""Pieces of a raster at any scale, each read bounded in bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from rasterio.enums import Resampling
from rasterio.windows import Window

from geopatcher.core.box import Box
from geopatcher.core.gaps import MISSING
from geopatcher.core.protocols import OverArray, OverDataset, PixelSource
from geopatcher.formats.dataset_pool import POOL
from geopatcher.formats.statistics import MAX_BANDS, in_tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array, Sliceable
    from geopatcher.core.statistics import Statistics


#: Cells, and which of them are missing.
_Masked: TypeAlias = "np.ma.MaskedArray[tuple[int, ...], np.dtype]"


class Described(Protocol):
    """A raster of which more may be known than what is read of it."""

    @property
    def domain(self) -> RasterDomain:
        """Grid, georeference, dtype and nodata."""
        ...

    @property
    def statistics(self) -> Sequence[Statistics | None]:
        """What is known of all cells of each band, `None` of one of which nothing is; empty for none."""
        ...


class Raster(Described, Protocol):
    """A raster that is read in pieces, thinned to every ``step``-th cell. Any thread may read."""

    @property
    def block_shape(self) -> tuple[int, int]:
        """``(height, width)`` of what the storage decodes at once."""
        ...

    @property
    def levels(self) -> tuple[int, ...]:
        """Factors by which the storage holds smaller copies, ascending; empty for none."""
        ...

    def read(self, box: Box, bands: Sequence[int], step: int = 1) -> Array:
        """Return cells of 0-based bands, float and NaN where missing.

        Shaped ``(bands, ceil(h / step), ceil(w / step))``.
        """
        ...

    def exact(self, row: int, col: int) -> list[float | int | None]:
        """Return one cell of every band as it is stored; ``None`` where it is missing."""
        ...


def statistics_of(raster: Described, band: int) -> Statistics | None:
    """Return what is known of all cells of a band, counted from 0, without reading any."""
    known = raster.statistics
    return known[band] if band < len(known) else None


def decoded_bytes(raster: Raster, box: Box, n_bands: int, step: int) -> int:
    """Return how many bytes of cells a read decodes."""
    level = nearest_level(raster.levels, step)
    return box.n_pixels * n_bands * raster.domain.dtype.itemsize // (level * level)


def nearest_level(levels: tuple[int, ...], step: int) -> int:
    """Return the largest factor that is not coarser than ``step``.

    >>> nearest_level((2, 4, 8), 6), nearest_level((), 6)
    (4, 1)
    """
    return max((level for level in levels if level <= step), default=1)


def thinned(start: int, stop: int, step: int) -> slice:
    """Return the cells that stand for ``[start, stop)``, one for each ``step``, from the middle of each.

    >>> list(range(20))[thinned(0, 20, 8)], list(range(20))[thinned(0, 17, 8)]
    ([3, 11, 19], [0, 8, 16])
    """
    count = -(-(stop - start) // step)
    first = start + min(step // 2, stop - start - 1 - (count - 1) * step)
    return slice(first, first + (count - 1) * step + 1, step)


@dataclass(frozen=True, eq=False)
class ArrayRaster:
    """An array in memory or a zarr array, with smaller copies by their factor.

    ``masks`` are 0 where cells are missing, by the same factors and 1; empty where no mask is needed.
    """

    array: Sliceable
    domain: RasterDomain
    block_shape: tuple[int, int]
    copies: Mapping[int, Sliceable] = field(default_factory=dict)
    masks: Mapping[int, Sliceable] = field(default_factory=dict)
    statistics: Sequence[Statistics | None] = ()

    @property
    def levels(self) -> tuple[int, ...]:
        """Factors of the copies."""
        return tuple(sorted(self.copies))

    def read(self, box: Box, bands: Sequence[int], step: int = 1) -> Array:
        """Return cells as float."""
        level = nearest_level(self.levels, step)
        array = self.array if level == 1 else self.copies[level]
        height, width = (int(length) for length in array.shape[-2:])
        rows = thinned(box.row0 // level, min(-(-box.row1 // level), height), max(1, step // level))
        cols = thinned(box.col0 // level, min(-(-box.col1 // level), width), max(1, step // level))
        cells = [_of_band(array, band, rows, cols) for band in bands]
        mask = self.masks.get(level)
        if mask is None:
            return np.stack([as_float(each, self.domain.nodata) for each in cells])
        hidden = [_of_band(mask, band, rows, cols) == 0 for band in bands]
        return np.stack([as_float(each, None, gone) for each, gone in zip(cells, hidden, strict=True)])

    def exact(self, row: int, col: int) -> list[float | int | None]:
        """Return one cell of every band."""
        where = (..., slice(row, row + 1), slice(col, col + 1))
        cells = np.asarray(self.array[where]).ravel()
        mask = self.masks.get(1)
        if mask is None:
            return [plain(cell, self.domain.nodata) for cell in cells]
        held = np.broadcast_to(np.asarray(mask[where]).ravel() != 0, cells.shape)
        return [plain(cell, None) if known else None for cell, known in zip(cells, held, strict=True)]


def _of_band(array: Sliceable, band: int, rows: slice, cols: slice) -> Array:
    """Return cells of one band; an array of two dimensions is that of every band."""
    if len(array.shape) == 2:
        return np.asarray(array[(rows, cols)])
    cells: Array = np.asarray(array[(slice(band, band + 1), rows, cols)])[0]
    return cells


class DatasetSource(PixelSource, OverDataset, Protocol):
    """A source of what GDAL opens."""


@dataclass(frozen=True, eq=False)
class FileRaster:
    """A file GDAL opens; its overviews are the smaller copies."""

    source: DatasetSource
    levels: tuple[int, ...]
    statistics: Sequence[Statistics | None] = ()

    @classmethod
    def of(cls, source: DatasetSource) -> FileRaster:
        """Look up the overviews, and the statistics of a whole file."""
        with POOL.look_at(source.path) as dataset:
            levels = tuple(int(factor) for factor in dataset.overviews(source.indexes[0]))
            bands = () if source.window else source.indexes[:MAX_BANDS]
            return cls(source, levels, tuple(in_tags(dataset.tags(band)) for band in bands))

    @property
    def domain(self) -> RasterDomain:
        """The file's."""
        return self.source.domain

    @property
    def block_shape(self) -> tuple[int, int]:
        """The file's tiles or strips."""
        return self.source.block_shape

    def read(self, box: Box, bands: Sequence[int], step: int = 1) -> Array:
        """Return cells as float, nearest neighbours where they are thinned."""
        shape = (-(-box.height // step), -(-box.width // step))
        cells = self._cells(box, [self.source.indexes[band] for band in bands], shape)
        return np.stack([as_float(each.filled(0), None, np.ma.getmaskarray(each)) for each in cells])

    def exact(self, row: int, col: int) -> list[float | int | None]:
        """Return one cell of every band."""
        cells = self._cells(Box(row, row + 1, col, col + 1), list(self.source.indexes), (1, 1))
        return [None if np.ma.getmaskarray(each).any() else plain(each.data[0, 0], None) for each in cells]

    def _cells(self, box: Box, indexes: list[int], shape: tuple[int, int]) -> Sequence[_Masked]:
        """Return cells of each band, in its own dtype."""
        doing = f"cannot read {self.source.name}, {box}"
        cells = _fetched(self.source, doing, box, indexes, shape)
        if self.source.beside is None:
            return cells
        held = _fetched(self.source.beside, doing, box, indexes, shape)
        return [
            np.ma.array(band.data, mask=known.data == MISSING)
            for band, known in zip(cells, held, strict=True)
        ]


def _fetched(
    source: OverDataset, doing: str, box: Box, indexes: list[int], shape: tuple[int, int]
) -> Sequence[_Masked]:
    """Return cells of bands of a file, thinned to ``shape``."""
    corner = source.window
    row, col = (corner.row0, corner.col0) if corner else (0, 0)
    window = Window(box.col0 + col, box.row0 + row, box.width, box.height)
    with POOL.borrow(source.path, doing, window) as dataset:
        read = partial(dataset.read, window=window, masked=True, resampling=Resampling.nearest)
        if len({dataset.dtypes[band - 1] for band in indexes}) > 1:
            return [read(band, out_shape=shape) for band in indexes]
        return list(read(indexes, out_shape=(len(indexes), *shape)))


@dataclass(frozen=True, eq=False)
class SourceRaster:
    """Any other source of pixels: read whole, then thinned."""

    source: PixelSource
    levels: tuple[int, ...] = ()
    statistics: Sequence[Statistics | None] = ()

    @property
    def domain(self) -> RasterDomain:
        """The source's."""
        return self.source.domain

    @property
    def block_shape(self) -> tuple[int, int]:
        """The source's."""
        return self.source.block_shape

    def read(self, box: Box, bands: Sequence[int], step: int = 1) -> Array:
        """Return cells as float."""
        pixels = self.source.read(box)
        valid = self.source.valid(box, pixels)
        rows, cols = thinned(0, box.height, step), thinned(0, box.width, step)
        missing = None if valid is None else ~valid[list(bands), rows, cols]
        return as_float(pixels[list(bands), rows, cols], self.domain.nodata, missing)

    def exact(self, row: int, col: int) -> list[float | int | None]:
        """Return one cell of every band."""
        box = Box(row, row + 1, col, col + 1)
        pixels = self.source.read(box)
        valid = self.source.valid(box, pixels)
        known = np.ones(pixels.shape, bool) if valid is None else valid
        return [
            plain(cell, self.domain.nodata) if seen else None
            for cell, seen in zip(pixels.ravel(), known.ravel(), strict=True)
        ]


def raster_of(source: PixelSource) -> Raster:
    """Return a source of pixels as something that is read at any scale."""
    if isinstance(source, OverDataset):
        return FileRaster.of(source)
    if isinstance(source, OverArray):
        masks = {} if source.mask is None else {1: source.mask}
        return ArrayRaster(source.array, source.domain, source.block_shape, masks=masks)
    return SourceRaster(source)


def as_float(cells: Array, nodata: float | int | None, missing: Array | None = None) -> Array:
    """Return cells as float (float32 where that is exact), NaN where nodata, missing, or infinite."""
    if cells.dtype.kind == "c":
        cells = np.abs(cells)
    values: Array = cells.astype(float_dtype(cells.dtype))
    hidden = ~np.isfinite(values)
    if nodata is not None and not np.isnan(nodata):
        hidden |= cells == nodata
    if missing is not None:
        hidden |= missing
    values[hidden] = np.nan
    return values


def float_dtype(dtype: np.dtype) -> np.dtype:
    """Return the floats that cells are looked at in: float32 where that is exact, float64 otherwise.

    >>> [str(float_dtype(np.dtype(name))) for name in ("uint16", "int32", "complex64")]
    ['float32', 'float64', 'float32']
    """
    of_parts = np.empty(0, dtype).real.dtype
    return np.dtype(np.float32 if of_parts.itemsize <= 2 or of_parts == np.float32 else np.float64)


def plain(cell: np.generic, nodata: float | int | None) -> float | int | None:
    """Return a cell as JSON has it; ``None`` for nodata and what is not finite.

    >>> plain(np.uint8(7), 255), plain(np.float32("nan"), None)
    (7, None)
    """
    value = abs(cell.item()) if isinstance(cell.item(), complex) else cell.item()
    if isinstance(value, bool):
        value = int(value)
    if isinstance(cell, np.float32 | np.float16):
        value = float(str(cell))  # the shortest decimal that means it
    missing = not np.isfinite(value) or (nodata is not None and value == nodata)
    return None if missing else value
