"""What is used of async-geotiff: a file, and one image in it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from xml.etree import ElementTree as ET

import numpy as np
from affine import Affine

from geopatcher._optional import load
from geopatcher.core.gaps import TAG, TAG_NAMESPACE
from geopatcher.errors import SourceError
from geopatcher.fields.raster_record import EXACT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array
    from geopatcher.fields.cog_access import CogAccess


class Directory(Protocol):
    """A directory of a TIFF."""

    image_height: int
    image_width: int
    tile_height: int | None
    tile_width: int | None
    tile_byte_counts: Sequence[int] | None
    new_subfile_type: int | None
    gdal_metadata: str | None
    photometric_interpretation: object


class Read(Protocol):
    """What a read gives."""

    data: Array
    mask: NDArray[np.bool_] | None


class Level(Protocol):
    """An image of a file: the raster, or an overview."""

    ifd: Directory
    mask_ifd: Directory | None
    height: int
    width: int
    tile_height: int
    tile_width: int
    transform: Affine

    async def read(self, *, window: object) -> Read:
        """Return a window inside the image."""
        ...


class Parsed(Protocol):
    """The file, with its list of directories."""

    ifds: Sequence[Directory]


class GeoTiff(Level, Protocol):
    """A file: its first image, and what is said of all."""

    count: int
    nodata: float | None
    overviews: Sequence[Level]
    tiff: Parsed

    @property
    def dtype(self) -> np.dtype | None:
        """Of the pixels."""
        ...

    @property
    def crs(self) -> HasWkt:
        """Of the file."""
        ...


class HasWkt(Protocol):
    """A CRS."""

    def to_wkt(self) -> str:
        """Return it as text."""
        ...


@dataclass(frozen=True)
class Image:
    """One image of a file; tiles that are not stored hold ``fill``."""

    level: Level
    count: int
    dtype: np.dtype
    fill: float | int

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``."""
        return (int(self.level.height), int(self.level.width))

    @property
    def tile(self) -> tuple[int, int]:
        """``(height, width)`` of a tile."""
        return (int(self.level.tile_height), int(self.level.tile_width))

    @property
    def transform(self) -> Affine:
        """From pixel corners to coordinates."""
        return Affine(*tuple(self.level.transform)[:6])

    @property
    def masked(self) -> bool:
        """Whether a mask says which pixels hold data."""
        return self.level.mask_ifd is not None

    async def pixels(self, box: Box) -> tuple[Array, NDArray[np.bool_] | None]:
        """Return pixels ``(bands, h, w)`` and the mask ``(h, w)`` of a box inside the image."""
        tiles = list(box.tiles(self.tile))
        if not any(self._is_absent(tile) for tile in tiles):
            return await self._stored(box)
        pixels = np.full((self.count, *box.shape), self.fill, self.dtype)
        mask = np.zeros(box.shape, dtype=bool) if self.masked else None
        stored = [tile for tile in tiles if not self._is_absent(tile)]
        for tile, (part, known) in zip(stored, await asyncio.gather(*map(self._stored, stored)), strict=True):
            where = tile.slices(box)
            pixels[(slice(None), *where)] = part
            if mask is not None and known is not None:
                mask[where] = known
        return pixels, mask

    async def _stored(self, box: Box) -> tuple[Array, NDArray[np.bool_] | None]:
        window = load("async_geotiff").Window(
            col_off=box.col0, row_off=box.row0, width=box.width, height=box.height
        )
        read = await self.level.read(window=window)
        return np.asarray(read.data), None if read.mask is None else np.asarray(read.mask, dtype=bool)

    def _is_absent(self, box: Box) -> bool:
        """Whether the tile under a box is not stored, in any of the file's planes."""
        counts = self.level.ifd.tile_byte_counts
        if counts is None:
            return False
        across, down = -(-self.shape[1] // self.tile[1]), -(-self.shape[0] // self.tile[0])
        at = box.row0 // self.tile[0] * across + box.col0 // self.tile[1]
        return not any(counts[plane] for plane in range(at, len(counts), across * down))


@dataclass(frozen=True)
class Tiff:
    """A file that is open."""

    geotiff: GeoTiff
    name: str

    @property
    def count(self) -> int:
        """Bands."""
        return int(self.geotiff.count)

    @property
    def dtype(self) -> np.dtype:
        """Of the pixels."""
        dtype = self.geotiff.dtype
        if dtype is None:
            raise SourceError(
                f"{self.name} has pixels of a kind that async-geotiff does not read: take RasterField"
            )
        return np.dtype(dtype)

    @property
    def nodata(self) -> float | int | None:
        """One value for all bands, or ``None``.

        Raises
        ------
        SourceError
            It is one that async-geotiff, which gives it as a float, may have rounded.

        """
        nodata = self.geotiff.nodata
        if nodata is None or self.dtype.kind == "f" or not float(nodata).is_integer():
            return nodata
        if abs(nodata) >= EXACT:
            raise SourceError(
                f"{self.name} has a nodata value near {nodata:.0f}, which async-geotiff rounds: take "
                f"RasterField, or give its path"
            )
        return int(nodata)

    @property
    def has_mask_beside(self) -> bool:
        """Whether a file beside it says which cells of which band hold data."""
        said = self.geotiff.tiff.ifds[0].gdal_metadata
        items = () if said is None else ET.fromstring(said).iter("Item")  # noqa: S314 - expat bounds it
        return any((one.get("domain"), one.get("name")) == (TAG_NAMESPACE, TAG) for one in items)

    @property
    def crs(self) -> str:
        """As WKT."""
        return self.geotiff.crs.to_wkt()

    def image(self, index: int) -> Image:
        """Return an image by the number of its directory.

        Raises
        ------
        SourceError
            There is none of that number, it is a mask, or it is not tiled.

        """
        directories = self.geotiff.tiff.ifds
        if not 0 <= index < len(directories):
            raise SourceError(
                f"{self.name} has {len(directories)} images, counted from 0: there is no ifd_index={index}"
            )
        wanted = directories[index]
        size = (wanted.image_height, wanted.image_width)
        is_mask = bool(index and wanted.new_subfile_type and wanted.new_subfile_type & 4)
        levels = [self.geotiff] if index == 0 else list(self.geotiff.overviews)
        found = [level for level in levels if (level.ifd.image_height, level.ifd.image_width) == size]
        if is_mask or not found:
            raise SourceError(
                f"image {index} of {self.name} is a mask, and no raster: take another ifd_index"
            )
        if wanted.tile_width is None:
            raise SourceError(
                f"{self.name} is stored in strips, not in tiles: take RasterField, which reads it by GDAL"
            )
        fill = 0 if self.nodata is None else self.nodata
        return Image(found[0], self.count, self.dtype, fill)


async def load_tiff(access: CogAccess) -> Tiff:
    """Open a file: its headers are read."""
    opened: GeoTiff = await load("async_geotiff").GeoTIFF.open(access.path, store=access.open())
    tiff = Tiff(opened, str(access))
    if tiff.has_mask_beside:
        raise SourceError(
            f"{tiff.name} has a mask of each band in a file beside it, which is not read by async-geotiff: "
            f"take RasterField, or give its path"
        )
    return tiff
