"""Uncompressed tiled GeoTIFFs, one for each resolution: what a Cloud-Optimized GeoTIFF is put together from.

GDAL could make the overviews itself; it then holds hundreds of megabytes for rasters of several
bands, and its averages differ between releases. These are those of a zarr store with levels.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from xml.etree import ElementTree as ET

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from geopatcher.box import Box
from geopatcher.buffers import trim
from geopatcher.errors import TargetError
from geopatcher.quiet import no_georeference_warning
from geopatcher.sinks.multiscales import halve, level_domains

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from types import EllipsisType

    from rasterio.io import DatasetReader, DatasetWriter

    from geopatcher.domain import RasterDomain
    from geopatcher.protocols import Array

#: Bytes of pixels copied at once.
PIECE_BYTES = 8 << 20

#: A tile: band (from 1), row and column of tiles.
Tile = tuple[int, int, int]


class Rectangles(Protocol):
    """An array that gives rectangles by slicing, such as a zarr array."""

    def __getitem__(self, index: tuple[EllipsisType | slice, ...]) -> Array:
        """Return ``(h, w)`` or ``(bands, h, w)``."""
        ...


@dataclass(frozen=True)
class Records:
    """What a GeoTIFF says of itself beside its grid."""

    tags: Mapping[str, str]
    colormap: Mapping[int, tuple[int, int, int, int]] | None = None
    colorinterp: tuple[str, ...] = ()


def write_pyramid(
    array: Rectangles,
    domain: RasterDomain,
    folder: Path,
    blocksize: int,
    overview: str | None,
    records: Records,
) -> Path:
    """Write an array and its overviews (none for ``None``) into ``folder``; return a VRT of all of them.

    Raises
    ------
    RasterioError
        GDAL cannot write.
    TargetError
        Pixels did not reach the disk.

    """
    path = folder / "level0.tif"
    with _writing(path, domain, blocksize) as writer:
        _describe(writer.dataset, domain, records)
        for box in Box.of_shape(domain.grid_shape).tiles(_piece(domain, blocksize)):
            writer.write(np.asarray(array[(..., *box.slices())]).reshape(domain.n_bands, *box.shape), box)
    trim()
    levels: list[Path] = []
    for level in level_domains(domain, (blocksize, blocksize)) if overview else ():
        finer, path = path, folder / f"level{len(levels) + 1}.tif"
        with no_georeference_warning():
            opened = rasterio.open(finer)
        with opened as source, _writing(path, level, blocksize) as writer:
            for box in Box.of_shape(level.grid_shape).tiles((blocksize, blocksize)):
                writer.write(_halved(source, level, box, overview or ""), box)
        levels.append(path)
    return _put_together(folder, levels)


def _halved(finer: DatasetReader, domain: RasterDomain, box: Box, overview: str) -> Array:
    whole = Box.of_shape((finer.height, finer.width))
    parents = Box(2 * box.row0, 2 * box.row1, 2 * box.col0, 2 * box.col1).intersect(whole)
    window = Window(parents.col0, parents.row0, parents.width, parents.height)
    fill = 0 if domain.nodata is None else domain.nodata
    bands = range(1, domain.n_bands + 1)
    return np.stack([halve(finer.read(band, window=window), overview, domain.nodata, fill) for band in bands])


def _piece(domain: RasterDomain, blocksize: int) -> tuple[int, int]:
    """Return ``(height, width)`` of what is copied at once: a row of tiles, or what of it is not too much."""
    tile = domain.n_bands * domain.dtype.itemsize * blocksize * blocksize
    return blocksize, max(1, PIECE_BYTES // tile) * blocksize


@dataclass
class _Writer:
    """Writes pixels that are not fill only, and remembers which tiles must therefore be in the file."""

    dataset: DatasetWriter
    domain: RasterDomain
    blocksize: int
    present: set[Tile]

    def write(self, pixels: Array, box: Box) -> None:
        """Write ``(bands, h, w)`` at a box that starts and ends where tiles do."""
        for tile in box.tiles((self.blocksize, self.blocksize)):
            cells = pixels[(slice(None), *tile.slices(box))]
            filled = self._filled(cells)
            if filled.any():
                self.dataset.write(cells, window=Window(tile.col0, tile.row0, tile.width, tile.height))
                at = (tile.row0 // self.blocksize, tile.col0 // self.blocksize)
                self.present.update((band, *at) for band in (np.flatnonzero(filled) + 1).tolist())

    def _filled(self, cells: Array) -> Array:
        """Return which bands hold anything but what a hole reads as: nodata, or 0 without one."""
        hole = self.domain.nodata
        if hole is not None and hole != hole:  # noqa: PLR0124 - NaN is the one value that differs from itself
            return np.asarray((cells == cells).any(axis=(1, 2)))  # noqa: PLR0124
        return np.asarray((cells != cells.dtype.type(hole or 0)).any(axis=(1, 2)))


@contextmanager
def _writing(path: Path, domain: RasterDomain, blocksize: int) -> Iterator[_Writer]:
    """Give a writer of a new file; what it wrote is looked for when it is done."""
    profile = {
        "driver": "GTiff",
        "height": domain.height,
        "width": domain.width,
        "count": domain.n_bands,
        "dtype": domain.dtype.name,
        "crs": domain.crs,
        # GDAL does not keep the identity, and rasterio warns of it.
        "transform": None if domain.transform == Affine.identity() else domain.transform,
        "nodata": domain.nodata,
        "tiled": True,
        "blockxsize": blocksize,
        "blockysize": blocksize,
        "interleave": "band",
        "BIGTIFF": "IF_SAFER",
        "SPARSE_OK": True,
    }
    if domain.n_bands == 4:
        profile |= {
            "photometric": "MINISBLACK",
            "alpha": "UNSPECIFIED",
        }  # else bytes have a fourth band for alpha
    with no_georeference_warning():
        dataset = rasterio.open(path, "w", **profile)
    present: set[Tile] = set()
    with dataset:
        yield _Writer(dataset, domain, blocksize, present)
    require_tiles(path, present)


def _describe(dataset: DatasetWriter, domain: RasterDomain, records: Records) -> None:
    for band, name in enumerate(domain.band_names, start=1):
        dataset.set_band_description(band, name)
    for band, unit in enumerate(domain.units, start=1):
        dataset.set_band_unit(band, unit)
    if records.tags:
        dataset.update_tags(**records.tags)
    if records.colorinterp:
        dataset.colorinterp = [ColorInterp[name] for name in records.colorinterp]
    if records.colormap is not None:
        dataset.write_colormap(1, dict(records.colormap))


def _put_together(folder: Path, levels: list[Path]) -> Path:
    """Return a VRT of ``level0.tif`` with ``levels`` for its overviews."""
    path = folder / "levels.vrt"
    rasterio.shutil.copy(folder / "level0.tif", path, driver="VRT")
    tree = ET.parse(path)  # noqa: S314 - GDAL has just written it
    for band in tree.iter("VRTRasterBand"):
        for level in levels:
            overview = ET.SubElement(band, "Overview")
            ET.SubElement(overview, "SourceFilename", relativeToVRT="1").text = level.name
            ET.SubElement(overview, "SourceBand").text = band.get("band")
    tree.write(path, encoding="utf-8")
    return path


def require_tiles(path: Path, tiles: Iterable[Tile], overview: int | None = None) -> None:
    """Refuse a file that lacks tiles.

    GDAL keeps written pixels in its cache. When the disk is full by the time it writes them, as the file
    is closed, nobody hears of it, and the file reads as zeros where they should be.

    Raises
    ------
    TargetError
        A tile is missing or cut off.

    """
    size = path.stat().st_size
    with no_georeference_warning(), rasterio.open(path) as dataset:
        for band, row, col in tiles:
            known = [
                dataset.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=band, ovr=overview)
                for what in ("OFFSET", "SIZE")
            ]
            if None in known or sum(map(int, known)) > size:
                raise TargetError(f"pixels did not reach the disk: tile ({row}, {col}) of {path} is missing")
