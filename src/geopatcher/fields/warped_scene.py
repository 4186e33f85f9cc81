"""A raster that does not share the pixels of a map: windows of it are read, and warped by GDAL in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.buffers import empty
from geopatcher.fields.array_source import exact_nodata
from geopatcher.fields.composing import held_in
from geopatcher.fields.kept_blocks import KeptBlocks
from geopatcher.fields.some_bands import some_bands
from geopatcher.fields.under_tile import Places, by_turns, even_scale, under
from geopatcher.fields.warping import IN_MEMORY, INTERPOLATING, opened, warped, whole_tiles
from geopatcher.formats.gdal_environment import environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geopatcher.core.arrays import Array
    from geopatcher.core.blocks_below import BlocksBelow
    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import PixelSource
    from geopatcher.fields.under_tile import Under
    from geopatcher.fields.warping import Cells

#: Bytes of a raster that are warped in one go, at most: of a tile with more below it the halves are.
MOST = 64 << 20


@dataclass(frozen=True)
class WarpedScene:
    """A raster that is read in windows, whatever its pixels come from, and warped tile by tile.

    Each tile is warped from the pixels under it and a few around; no more of the raster is read. A band is
    warped as if it were the only one: pixels that another one lacks make no difference to it.

    ``missing`` is the value that missing pixels have while they are warped, NaN for floats; ``None`` is for
    integers of which only masks tell them. Pixels that are ``hidden`` are missing, too.
    """

    source: PixelSource
    box: Box
    onto: RasterDomain
    method: str
    density: float
    missing: float | int | None
    hidden: float | int | None = None
    _kept: KeptBlocks = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "_kept", KeptBlocks.of(self.source, self._pixels, masked=self.missing is None)
        )

    @classmethod
    def of(
        cls, source: PixelSource, box: Box, onto: RasterDomain, method: str, density: float
    ) -> WarpedScene:
        """Return a raster on a map."""
        dtype = source.domain.dtype
        missing = math.nan if dtype.kind == "f" else exact_nodata(source.domain.nodata, dtype)
        return cls(source, box, onto, method, density, missing)

    @property
    def hides_nothing(self) -> bool:
        """No: it lies askew in its box."""
        return False

    def select_bands(self, bands: Sequence[int]) -> WarpedScene:
        """Return the same with some bands, counted from 0."""
        return replace(self, source=some_bands(self.source, bands))

    def blocks_below(self, tile: tuple[int, int]) -> tuple[BlocksBelow, ...]:
        """Return what blocks of it lie below the map; nothing of a raster whose blocks are not kept."""
        if not self._kept.worthwhile:
            return ()
        grid, kept = self.source.domain.grid_shape, self._kept
        with environment():
            places = Places.of(self.onto.cut(self.box), self.source.domain)
        return () if places is None else (places.blocks(tile, grid, kept.block, kept.cell_bytes),)

    def without(self, value: float | int) -> WarpedScene:
        """Return the same where a value means missing, of a raster that does not say so itself."""
        missing = math.nan if self.source.domain.dtype.kind == "f" else value
        return replace(self, missing=missing, hidden=value)

    def read(self, box: Box, tile: tuple[int, int]) -> Cells:
        """Warp the tiles that hold a rectangle.

        Raises
        ------
        SourceError
            The pixels cannot be read, or GDAL says that they are damaged; names the raster and the window.

        """
        n_bands, dtype = self.source.domain.n_bands, self.source.domain.dtype
        pixels = empty((self._layers * n_bands, *box.shape), dtype)
        tiles = {whole: self._under(whole) for whole in whole_tiles(box, tile, self.onto.grid_shape)}
        with self._kept.in_hand([below.own for below in tiles.values() if not self._is_much(below)]):
            for whole, below in tiles.items():
                part = whole.intersect(box)
                pixels[:, *part.slices(box)] = self._tile(whole, below)[:, *part.slices(whole)]
        if self.missing is None:
            return pixels[:n_bands], pixels[n_bands:] > 0
        return pixels, None if dtype.kind == "f" else pixels != self.missing

    @property
    def _layers(self) -> int:
        """Bands of a tile for each of the raster: itself, and a mask where no value says what is missing."""
        return 2 if self.missing is None else 1

    @cached_property
    def _scale(self) -> tuple[float, float] | None:
        """How many pixels of the map lie along one of the raster, where that is the same all over it."""
        with environment():
            return even_scale(self.onto, self.box, self.source.domain)

    def _under(self, whole: Box) -> Under:
        """Return what of the raster lies under a tile of the map."""
        with environment():
            return under(whole, self.onto, self.source.domain, self._scale)

    def _is_much(self, below: Under) -> bool:
        """Whether more lies under a tile than is warped in one go."""
        domain = self.source.domain
        return below.own.n_pixels * domain.n_bands * domain.dtype.itemsize > MOST

    def _tile(self, whole: Box, below: Under) -> Array:
        """Return the bands of a tile of the map; where there are masks, those of the bands after them."""
        domain = self.source.domain
        made = empty((self._layers * domain.n_bands, *whole.shape), domain.dtype)
        if below.own.empty:
            made[...] = 0 if self.missing is None else self.missing
        elif self._is_much(below) and whole.n_pixels > 1:
            for half in whole.tiles(_half(whole.shape)):
                made[:, *half.slices(whole)] = self._tile(half, self._under(half))
        else:
            self._warp(whole, below, made)
        return made

    def _pixels(self, box: Box) -> Cells:
        """Return pixels of the raster and, where no value says it, which hold data; ``None`` is all."""
        cells = self.source.read(box)
        held = held_in(cells, self.source.valid(box, cells))
        if self.hidden is not None:
            seen = cells != self.hidden
            held = seen if held is None else held & seen
        if held is None or held.all():
            return cells, None
        if self.missing is None:
            return cells, held
        return np.where(held, cells, cells.dtype.type(self.missing)), None

    def _warp(self, whole: Box, below: Under, made: Array) -> None:
        """Fill a tile with the pixels below it."""
        cells, held = self._kept.window(below.own)
        n_bands, part, own = len(cells), self.onto.cut(whole), self.source.domain.cut(below.own)
        for bands in self._together(n_bands, held):
            some = cells[bands[0] : bands[0] + 1] if len(bands) == 1 else cells[bands]  # a view, or a copy
            mask = None if held is None else held[bands[0]]
            found = self._in_turns(some, own, mask, part, below.scale)
            made[bands] = found[: len(bands)]
            if self.missing is None:
                made[[n_bands + band for band in bands]] = found[-1]

    def _in_turns(
        self,
        cells: Array,
        own: RasterDomain,
        mask: NDArray[np.bool_] | None,
        part: RasterDomain,
        scale: tuple[float, float],
    ) -> Array:
        """Return bands warped onto a part of the map; from each turn that they lie in what it has."""
        first, *others = by_turns(own, part)
        beyond = max(own.grid_shape) if others else 0
        with environment(**IN_MEMORY), opened(cells, first, self.missing, mask) as dataset:
            found = warped(dataset, part, self.method, scale, self.missing, beyond)
        for turned in others:
            with environment(**IN_MEMORY), opened(cells, turned, self.missing, mask) as dataset:
                more = warped(dataset, part, self.method, scale, self.missing, beyond)
            found = np.where(_lacks(found, self.missing), more, found)
        return found

    def _together(self, n_bands: int, held: NDArray[np.bool_] | None) -> list[list[int]]:
        """Return which bands are warped in one go.

        Of several GDAL interpolates each otherwise than alone: other pixels are missing, and, since 3.11,
        integers are rounded otherwise. The other methods give the same; a mask is one for all bands.
        """
        if self.method in INTERPOLATING:
            return [[band] for band in range(n_bands)]
        if held is None:
            return [list(range(n_bands))]
        alike: dict[bytes, list[int]] = {}
        for band in range(n_bands):
            alike.setdefault(held[band].tobytes(), []).append(band)
        return list(alike.values())


def _lacks(found: Array, missing: float | int | None) -> NDArray[np.bool_]:
    """Return where warped bands have no data, by their value or by alpha, which comes last."""
    if missing is None:
        return np.asarray(found[-1:] == 0)
    return np.isnan(found) if np.isnan(missing) else np.asarray(found == missing)


def _half(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the shape of half a tile: GDAL places the pixels of a row together, so rows stay whole.

    >>> _half((64, 512)), _half((1, 512))
    ((32, 512), (1, 256))
    """
    rows, cols = shape
    return (-(-rows // 2), cols) if rows > 1 else (rows, -(-cols // 2))
