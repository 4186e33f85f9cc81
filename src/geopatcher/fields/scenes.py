"""One raster on the grid of a map: as it is where it shares the pixels, warped by GDAL where it does not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from rasterio.enums import ColorInterp, MaskFlags

from geopatcher.core.box import Box
from geopatcher.core.buffers import empty
from geopatcher.core.protocols import OverDataset, PixelSource
from geopatcher.errors import SourceError
from geopatcher.fields.array_source import exact_nodata
from geopatcher.fields.grids import outline, whole_shift
from geopatcher.fields.read_scene import ReadScene
from geopatcher.fields.scaled import Scaled
from geopatcher.fields.some_bands import some_bands
from geopatcher.fields.warping import BY_BLOCKS, Warping, by_tiles
from geopatcher.formats.dataset_pool import POOL
from geopatcher.formats.gdal_environment import environment
from geopatcher.formats.signing import renewing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.core.arrays import Array
    from geopatcher.core.domain import RasterDomain
    from geopatcher.fields.warping import Cells


class Scene(Protocol):
    """A raster on the grid of a map."""

    @property
    def source(self) -> PixelSource:
        """The raster."""
        ...

    @property
    def box(self) -> Box:
        """The pixels of the map that it may have something for, within the map."""
        ...

    @property
    def density(self) -> float:
        """How many of its pixels lie on one of the map."""
        ...

    @property
    def hides_nothing(self) -> bool:
        """Whether it has data in each pixel of its box."""
        ...

    def read(self, box: Box, tile: tuple[int, int]) -> Cells:
        """Return pixels ``(bands, h, w)`` of a rectangle of the map within ``box``, and where they hold data.

        What is warped is warped in whole tiles ``(rows, columns)`` of the map, so that a pixel is the same
        in whatever rectangle it is read.
        """
        ...

    def select_bands(self, bands: Sequence[int]) -> Scene:
        """Return the same with some bands, counted from 0."""
        ...


class DatasetSource(PixelSource, OverDataset, Protocol):
    """A source that GDAL opens."""


@dataclass(frozen=True)
class AlignedScene:
    """A raster that shares the pixels of a map: it begins at ``(row0, col0)`` of it, and is read as it is."""

    source: PixelSource
    box: Box
    row0: int
    col0: int
    density: float = 1.0

    @property
    def hides_nothing(self) -> bool:
        """Whether it has no way to say that pixels are missing, and is no raster of floats."""
        return not self.source.has_nodata and self.source.domain.dtype.kind != "f"

    def read(self, box: Box, tile: tuple[int, int]) -> Cells:
        """Return its own pixels and what they say of themselves."""
        _ = tile
        own = box.shift(-self.row0, -self.col0)
        pixels = self.source.read(own)
        return pixels, self.source.valid(own, pixels)

    def select_bands(self, bands: Sequence[int]) -> AlignedScene:
        """Return the same with some bands, counted from 0."""
        return replace(self, source=some_bands(self.source, bands))


@dataclass(frozen=True)
class WarpedScene:
    """A raster in a file, which GDAL warps onto the pixels of a map, tile by tile."""

    source: PixelSource
    box: Box
    path: str
    indexes: tuple[int, ...]
    how: Warping
    density: float

    @property
    def hides_nothing(self) -> bool:
        """No: it lies askew in its box."""
        return False

    def select_bands(self, bands: Sequence[int]) -> WarpedScene:
        """Return the same with some bands, counted from 0."""
        return replace(
            self,
            source=some_bands(self.source, bands),
            indexes=tuple(self.indexes[band] for band in bands),
        )

    def without(self, value: float | int) -> WarpedScene:
        """Return the same where a value means missing, of a raster that does not say so itself."""
        missing = math.nan if self.source.domain.dtype.kind == "f" else value
        return replace(self, how=replace(self.how, before=value, after=missing, alpha=0))

    def read(self, box: Box, tile: tuple[int, int]) -> Cells:
        """Warp the tiles that hold a rectangle.

        Raises
        ------
        SourceError
            The pixels cannot be read, or GDAL says that they are damaged; names the file and the window.

        """
        return renewing(self.path, partial(self._read_signed, box, tile))

    def _read_signed(self, box: Box, tile: tuple[int, int]) -> Cells:
        dtype = self.source.domain.dtype
        pixels = empty((len(self.indexes) + bool(self.how.alpha), *box.shape), dtype)
        doing = f"cannot read {self.source.name}, {box} of the map"
        with POOL.borrow(self.path, doing) as dataset, environment(**BY_BLOCKS):

            def warped(whole: Box) -> Array:
                return self.how.warp(dataset, whole, self.indexes, dtype)

            return self.how.held(by_tiles(box, tile, self.how.onto.grid_shape, pixels, warped))


@dataclass(frozen=True)
class ScaledScene:
    """A raster put on the grid of a map as it is stored, to which scale and offset are applied then."""

    source: Scaled
    stored: Scene

    @property
    def box(self) -> Box:
        """The pixels of the map that it may have something for."""
        return self.stored.box

    @property
    def density(self) -> float:
        """How many of its pixels lie on one of the map."""
        return self.stored.density

    @property
    def hides_nothing(self) -> bool:
        """Whether it has data in each pixel of its box."""
        return self.stored.hides_nothing

    def read(self, box: Box, tile: tuple[int, int]) -> Cells:
        """Return the quantity, NaN where it is missing."""
        return self.source.applied(*self.stored.read(box, tile)), None

    def select_bands(self, bands: Sequence[int]) -> ScaledScene:
        """Return the same with some bands, counted from 0."""
        return ScaledScene(self.source.select_bands(bands), self.stored.select_bands(bands))


def scene_on(source: PixelSource, onto: RasterDomain, method: str) -> Scene | None:
    """Return a raster on the grid of a map; ``None`` where it has no pixel in it.

    Raises
    ------
    SourceError
        It would have to be warped, and cannot be; names it and says why.

    """
    if isinstance(source, Scaled):
        stored = scene_on(source.stored, onto, method)
        return None if stored is None else ScaledScene(source, stored)
    domain, everything = source.domain, Box.of_shape(onto.grid_shape)
    if domain.is_tied:
        raise SourceError(
            f"{source.name} is placed by {domain.metadata.ground} and by no transform: warp it "
            f"first, as with gdalwarp"
        )
    corner = whole_shift(domain, onto)
    if corner is not None:
        box = Box.of_shape(domain.grid_shape).shift(*corner).intersect(everything)
        return None if box.empty else AlignedScene(source, box, *corner)
    placed = outline(domain, onto, source.name)
    box = placed.intersect(everything)
    if box.empty:
        return None
    density = max(1.0, math.prod(domain.grid_shape) / max(1, placed.n_pixels))
    why = _why_not(source, onto)
    if why is not None:
        raise SourceError(
            f"{source.name} does not share the pixels of the map, and cannot be warped onto them: {why}"
        )
    if isinstance(source, OverDataset) and source.window is None:
        return _warped(source, box, onto, method, density)
    return ReadScene.of(source, box, onto, method, density)


def _warped(source: DatasetSource, box: Box, onto: RasterDomain, method: str, density: float) -> WarpedScene:
    with POOL.look_at(source.path) as dataset:
        indexes = source.indexes
        flags = [dataset.mask_flag_enums[band - 1] for band in indexes]
        named = [
            exact_nodata(dataset.nodatavals[band - 1], source.domain.dtype)
            if MaskFlags.nodata in flag
            else None
            for band, flag in zip(indexes, flags, strict=True)
        ]
        colors, count = list(dataset.colorinterp), dataset.count
    if len(set(map(str, named))) > 1:
        raise SourceError(
            f"{source.name} does not share the pixels of the map, and GDAL warps all its bands with one "
            f"nodata value, but they have {', '.join(map(str, named))}: warp it first"
        )
    alpha = 0
    value: float | int | None = named[0]
    missing = value
    masked = any(MaskFlags.per_dataset in flag or MaskFlags.alpha in flag for flag in flags)
    if source.domain.dtype.kind == "f" and not masked:  # since GDAL 3.12 a value hides a mask
        value, missing = (math.nan if value is None else value), math.nan
    elif value is None:
        alpha = colors.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in colors else count + 1
    how = Warping(onto, method, value, missing, alpha)
    return WarpedScene(source, box, source.path, tuple(indexes), how, density)


def _why_not(source: PixelSource, onto: RasterDomain) -> str | None:
    """Return why a raster cannot be warped; ``None`` where it can."""
    dtype = source.domain.dtype
    if dtype.kind not in "iuf" or (dtype.kind in "iu" and dtype.itemsize > 4) or dtype.name == "float16":
        return f"GDAL warps {dtype} inexactly. Convert it first, or give its own grid"
    if onto.crs is None or source.domain.crs is None:
        return "a CRS is missing. Write it into the file, as with: rio edit-info --crs EPSG:32633 FILE"
    return None
