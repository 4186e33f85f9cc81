"""Uncompressed tiled GeoTIFFs, one for each resolution: what a Cloud-Optimized GeoTIFF is put together from.

GDAL could make the overviews itself; it then holds hundreds of megabytes for rasters of several
bands, and its averages differ between releases. These are those of a zarr store with levels.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol
from xml.etree import ElementTree as ET

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.windows import Window

from geopatcher.core.box import Box
from geopatcher.core.buffers import trim
from geopatcher.core.gaps import MISSING, Gaps, gaps_of, together
from geopatcher.errors import TargetError
from geopatcher.formats.gdal_environment import opened
from geopatcher.formats.rasterio_warnings import no_georeference_warning
from geopatcher.targets.multiscales import halve, halve_known, known_cells, level_domains
from geopatcher.targets.tiff_records import describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import EllipsisType

    from rasterio.io import DatasetReader, DatasetWriter

    from geopatcher.core.domain import RasterDomain, ResultSpec
    from geopatcher.core.protocols import Array
    from geopatcher.targets.tiff_records import Records

#: Bytes of pixels copied at once.
PIECE_BYTES = 8 << 20

#: What a mask of GDAL's holds where there is data.
MASK_HELD = np.uint8(255)

#: A tile: band (from 1), row and column of tiles.
Tile = tuple[int, int, int]


class Rectangles(Protocol):
    """An array that gives rectangles by slicing, such as a zarr array."""

    def __getitem__(self, index: tuple[EllipsisType | slice, ...]) -> Array:
        """Return ``(h, w)`` or ``(bands, h, w)``."""
        ...


def write_pyramid(
    array: Rectangles,
    spec: ResultSpec,
    folder: Path,
    blocksize: int,
    overview: str | None,
    records: Records,
    said: Rectangles | None = None,
) -> tuple[Path, Gaps]:
    """Write an array and its overviews (none for ``None``) into ``folder``; return a VRT of all of them.

    ``said`` is where cells hold data, see `geopatcher.core.gaps`; what it says is counted, and goes into the
    VRT as a mask where that is needed.

    Raises
    ------
    RasterioError
        GDAL cannot write.
    TargetError
        Pixels did not reach the disk.

    """
    path, mask, gaps = folder / "level0.tif", folder / "mask0.tif", Gaps()
    domain = spec.domain
    with ExitStack() as stack:
        writer = stack.enter_context(_writing(path, domain, blocksize))
        masks = None if said is None else stack.enter_context(_writing(mask, _mask_domain(domain), blocksize))
        describe(writer.dataset, domain, records)
        for box in Box.of_shape(domain.grid_shape).tiles(_piece(domain, blocksize)):
            where, shape = (..., *box.slices()), (domain.n_bands, *box.shape)
            writer.write(np.asarray(array[where]).reshape(shape), box)
            if masks is not None and said is not None:
                told = np.asarray(said[where]).reshape(shape)
                gaps = together(gaps, gaps_of(told))
                masks.write((told != MISSING).any(axis=0, keepdims=True).view(np.uint8) * MASK_HELD, box)
    trim()
    settled = spec.settled(gaps)
    pairs = [(path, mask if settled.masked else None)]
    for level in level_domains(settled.domain, (blocksize, blocksize)) if overview else ():
        pairs.append(
            _write_level(pairs[-1], level, settled.fill, folder / f"{len(pairs)}", blocksize, overview)
        )
    return _put_together(pairs, nodata=settled.domain.nodata is not None), gaps


def _write_level(
    finer: tuple[Path, Path | None],
    domain: RasterDomain,
    fill: float | int,
    stem: Path,
    blocksize: int,
    overview: str | None,
) -> tuple[Path, Path | None]:
    """Write a level, and its mask where the finer one has one, from that."""
    path = stem.with_name(f"level{stem.name}.tif")
    mask = None if finer[1] is None else stem.with_name(f"mask{stem.name}.tif")
    method = overview or ""
    with ExitStack() as stack:
        source = stack.enter_context(opened(finer[0]))
        held = None if finer[1] is None else stack.enter_context(opened(finer[1]))
        writer = stack.enter_context(_writing(path, domain, blocksize))
        masks = None if mask is None else stack.enter_context(_writing(mask, _mask_domain(domain), blocksize))
        for box in Box.of_shape(domain.grid_shape).tiles((blocksize, blocksize)):
            window = _parents(box, (source.height, source.width))
            known = None if held is None else held.read(1, window=window) > 0
            writer.write(_halved(source, window, known, domain, fill, method), box)
            if masks is not None and known is not None:
                masks.write(halve_known(known, method)[np.newaxis].view(np.uint8) * MASK_HELD, box)
    return path, mask


def _parents(box: Box, grid: tuple[int, int]) -> Window:
    """Return the cells of the finer level that a box of the coarser is made of."""
    parents = Box(2 * box.row0, 2 * box.row1, 2 * box.col0, 2 * box.col1).intersect(Box.of_shape(grid))
    return Window(parents.col0, parents.row0, parents.width, parents.height)


def _halved(
    finer: DatasetReader,
    window: Window,
    known: Array | None,
    domain: RasterDomain,
    fill: float | int,
    overview: str,
) -> Array:
    halved = []
    for band in range(1, domain.n_bands + 1):
        cells = finer.read(band, window=window)
        held = known_cells(cells, domain.nodata) if known is None else known
        halved.append(halve(cells, overview, held, fill, domain.nodata))
    return np.stack(halved)


def _mask_domain(domain: RasterDomain) -> RasterDomain:
    """Return the domain of a mask: 255 where a cell holds data, as GDAL has them."""
    one = domain.with_bands((), n_bands=None, dtype=np.dtype("uint8"))
    return replace(one, nodata=None)


def _piece(domain: RasterDomain, blocksize: int) -> tuple[int, int]:
    """Return ``(height, width)`` of what is copied at once: a row of tiles, or what of it is not too much."""
    tile = domain.n_bands * domain.dtype.itemsize * blocksize * blocksize
    return blocksize, max(1, PIECE_BYTES // tile) * blocksize


def piece_bytes(domain: RasterDomain, blocksize: int) -> int:
    """Return the bytes of what is copied at once."""
    height, width = _piece(domain, blocksize)
    return min(width, domain.width) * height * domain.n_bands * domain.dtype.itemsize


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


def _put_together(levels: Sequence[tuple[Path, Path | None]], *, nodata: bool) -> Path:
    """Return a VRT of the first of ``levels`` with the others for its overviews; each with its mask, if any.

    Without ``nodata`` there is no such value, whatever the files say. Each level is a VRT of its own:
    GDAL takes the mask of an overview from that overview, and not from the mask's.
    """
    first, *smaller = [_as_vrt(path, mask, nodata=nodata) for path, mask in levels]
    tree = ET.parse(first)  # noqa: S314 - GDAL has just written it
    for band in tree.getroot().findall("VRTRasterBand"):
        for level in smaller:
            overview = ET.SubElement(band, "Overview")
            ET.SubElement(overview, "SourceFilename").text = str(level)
            ET.SubElement(overview, "SourceBand").text = band.get("band")
    tree.write(first, encoding="utf-8")
    return first


def _as_vrt(path: Path, mask: Path | None, *, nodata: bool) -> Path:
    """Return a VRT of a file and its mask."""
    vrt = path.with_suffix(".vrt").absolute()
    rasterio.shutil.copy(path, vrt, driver="VRT")
    tree = ET.parse(vrt)  # noqa: S314 - GDAL has just written it
    root = tree.getroot()
    for band in root.findall("VRTRasterBand"):
        for value in [] if nodata else band.findall("NoDataValue"):
            band.remove(value)
    if mask is not None:
        inner = ET.SubElement(ET.SubElement(root, "MaskBand"), "VRTRasterBand", dataType="Byte")
        source = ET.SubElement(inner, "SimpleSource")
        ET.SubElement(source, "SourceFilename").text = str(mask.absolute())
        ET.SubElement(source, "SourceBand").text = "1"
    tree.write(vrt, encoding="utf-8")
    return vrt


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
    with opened(path) as dataset:
        for band, row, col in tiles:
            known = [
                dataset.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=band, ovr=overview)
                for what in ("OFFSET", "SIZE")
            ]
            if None in known or sum(map(int, known)) > size:
                raise TargetError(f"pixels did not reach the disk: tile ({row}, {col}) of {path} is missing")
