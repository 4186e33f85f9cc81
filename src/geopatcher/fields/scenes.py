"""One raster on the grid of a map: as it is where it shares the pixels, warped by GDAL where it does not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields.grids import whole_shift
from geopatcher.fields.scaled import Scaled
from geopatcher.fields.some_bands import some_bands
from geopatcher.fields.touching import require_one_turn, touched
from geopatcher.fields.warped_scene import WarpedScene

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.core.blocks_below import BlocksBelow
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import PixelSource
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

    def blocks_below(self, tile: tuple[int, int]) -> tuple[BlocksBelow, ...]:
        """Return what blocks of it lie below the map, where it is warped in such tiles; else nothing."""
        ...

    def select_bands(self, bands: Sequence[int]) -> Scene:
        """Return the same with some bands, counted from 0."""
        ...


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

    def blocks_below(self, tile: tuple[int, int]) -> tuple[BlocksBelow, ...]:
        """Return nothing: it is not warped."""
        _ = tile
        return ()

    def select_bands(self, bands: Sequence[int]) -> AlignedScene:
        """Return the same with some bands, counted from 0."""
        return replace(self, source=some_bands(self.source, bands))


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

    def blocks_below(self, tile: tuple[int, int]) -> tuple[BlocksBelow, ...]:
        """Return that of what is stored."""
        return self.stored.blocks_below(tile)

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
        require_one_turn(domain, onto, source.name)
        box = Box.of_shape(domain.grid_shape).shift(*corner).intersect(everything)
        return None if box.empty else AlignedScene(source, box, *corner)
    box, density = touched(domain, onto, source.name)
    if box.empty:
        return None
    why = _why_not(source, onto)
    if why is not None:
        raise SourceError(
            f"{source.name} does not share the pixels of the map, and cannot be warped onto them: {why}"
        )
    return WarpedScene.of(source, box, onto, method, density)


def _why_not(source: PixelSource, onto: RasterDomain) -> str | None:
    """Return why a raster cannot be warped; ``None`` where it can."""
    dtype = source.domain.dtype
    if dtype.kind not in "iuf" or (dtype.kind in "iu" and dtype.itemsize > 4) or dtype.name == "float16":
        return f"GDAL warps {dtype} inexactly. Convert it first, or give its own grid"
    if onto.crs is None or source.domain.crs is None:
        return "a CRS is missing. Write it into the file, as with: rio edit-info --crs EPSG:32633 FILE"
    return None
