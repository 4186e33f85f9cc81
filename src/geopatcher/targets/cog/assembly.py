"""From files of encoded tiles to a Cloud-Optimized GeoTIFF: levels, headers, and the bytes one by one."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher.core.cpu import usable_cores
from geopatcher.core.gaps import Gaps
from geopatcher.formats.statistics import tags_of
from geopatcher.targets.chunk_writer import holds_only
from geopatcher.targets.cog.choosing import MOST, chosen
from geopatcher.targets.cog.encoders import packed_mask
from geopatcher.targets.cog.ifd import FRAME_BYTES, Image, Level, lay_out
from geopatcher.targets.cog.levels import came_of, settled
from geopatcher.targets.cog.packages import Footer, PackageReader, framed
from geopatcher.targets.cog.recoding import recoded
from geopatcher.targets.cog.template import directory_of, level_of, mask_of
from geopatcher.targets.digests import PIECE_BYTES, TiffRecord, checksum, mtime_of
from geopatcher.targets.statistics import COUNT, n_columns, of_fill, statistics_of, together

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import BufferedWriter
    from pathlib import Path

    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import Array
    from geopatcher.targets.cog.ifd import Ifd
    from geopatcher.targets.cog.levels import Levels, TileFolder
    from geopatcher.targets.tiff_records import Records


class Scanned(NamedTuple):
    """What the files of a level hold: bytes of tiles and masks, ``(places, files)`` and ``(places, 1)``.

    Moments are ``(places, bands, columns)``, numbers of codecs ``(places, files)``, and the bytes that each
    codec made where they were tried ``(codecs,)``.
    """

    tiles: Array
    masks: Array
    moments: Array
    gaps: Gaps
    ways: Array
    tried: Array


def scan(level: TileFolder) -> Scanned:
    """Read what the files of a level say of themselves; those that are not there hold fill.

    Raises
    ------
    OSError, TargetError
        One cannot be read, or is not whole.

    """
    array = level.array
    rows, cols = array.places
    tiles = np.zeros((rows * cols, array.n_files), np.int64)
    masks = np.zeros((rows * cols, 1), np.int64)
    moments = np.zeros((rows * cols, array.n_bands, n_columns(array.dtype)))
    found, tried, ways = np.zeros(3, np.int64), np.zeros(MOST, np.int64), np.zeros_like(tiles)
    fill = of_fill(array.dtype.type(array.fill), array.nodata)
    blank = np.zeros_like(fill) if array.masked else fill

    def look(number: int, row: int, col: int) -> tuple[Footer, Array] | None:
        try:
            with PackageReader(level.file(number, row, col)) as reader:
                return reader.footer, reader.moments(array.bands_per_file)
        except FileNotFoundError:
            return None

    with ThreadPoolExecutor(usable_cores(), "geopatcher-scan") as pool:
        for row in range(rows):
            places = list(product([row], range(cols), range(array.n_files)))
            said = pool.map(lambda place: look(place[2], place[0], place[1]), places)
            for (_, col, number), known in zip(places, said, strict=True):
                if known is None:
                    n_bands = array.bands_per_file
                    n_pixels = array.box(row, col).n_pixels
                    found += (n_pixels * n_bands if array.masked else 0, 0, 0)
                    own = moments[row * cols + col, array.bands_of(number)]
                    own[...] = blank
                    own[:, COUNT] *= n_pixels
                    continue
                footer, own = known
                place = row * cols + col
                tiles[place, number] = max(0, footer.tile - 2 * FRAME_BYTES)
                masks[place, 0] += max(0, footer.mask - 2 * FRAME_BYTES)
                moments[place, array.bands_of(number), : own.shape[1]] = own
                found += footer.gaps
                ways[place, number] = footer.way
                tried += footer.tried
    return Scanned(tiles, masks, moments, Gaps(*found.tolist()), ways, tried)


@dataclass(frozen=True)
class _Plane:
    """A level as it is in the file: its tiles, and what takes the place of those that are not there.

    An empty text is a hole: readers find nodata there, or 0.
    """

    level: TileFolder
    scanned: Scanned
    blank: bytes
    blank_mask: bytes

    def sizes(self) -> Array:
        """Return the bytes of each tile."""
        return np.where(self.scanned.tiles > 0, self.scanned.tiles, len(self.blank))

    def mask_sizes(self) -> Array:
        """Return the bytes of each tile of the mask."""
        return np.where(self.scanned.masks > 0, self.scanned.masks, len(self.blank_mask))

    def contents(self) -> Iterator[bytes]:
        """Yield all tiles in their frames, place by place, each with its mask behind it."""
        array = self.level.array
        blank, blank_mask = framed(self.blank), framed(self.blank_mask)
        for place, (row, col) in enumerate(product(*map(range, array.places))):
            mask = blank_mask
            for number in range(array.n_files):
                wanted = self.scanned.tiles[place, number] > 0
                masked = number == 0 and array.masked and self.scanned.masks[place, 0] > 0
                if not (wanted or masked):
                    yield blank
                    continue
                with PackageReader(self.level.file(number, row, col)) as reader:
                    yield reader.tile() if wanted else blank
                    if masked:
                        mask = reader.mask()
            if array.masked:
                yield mask


@dataclass(frozen=True)
class Assembled:
    """What a file came to be, what was found in its cells, and what is known of it on disk."""

    spec: ResultSpec
    gaps: Gaps
    record: TiffRecord


def write_cog(levels: Levels, name: str, target: Path, scratch: Path, records: Records) -> Assembled:
    """Put the tiles of an array together, with its levels, of which what is left is made now.

    Tiles that have to be encoded anew are put into ``scratch``. The file at ``target`` is complete or not
    there.

    Raises
    ------
    OSError, TargetError, RasterioError
        A file cannot be read or written.

    """
    tiles = levels.finest
    finest = scan(tiles)
    came = came_of(levels.spec, finest.gaps, tiles.array)
    way = chosen(tiles.array.codecs, finest.tried)
    tiles = recoded(tiles, finest.tiles, finest.ways, way, scratch / f"{name}.anew")
    array = settled(tiles.array, came, way)
    every = levels.finish(replace(tiles, array=array))
    planes = [_plane(level, finest if not number else scan(level)) for number, level in enumerate(every)]
    n_cells = array.grid[0] * array.grid[1]
    statistics = [
        statistics_of(together(finest.moments[:, band]), array.dtype, n_cells)
        for band in range(array.n_bands)
    ]
    records = replace(records, mask_beside=came.masked and bool(finest.gaps.uneven))
    first = directory_of(array, came.domain, records, list(map(tags_of, statistics)))
    layout = lay_out(_levels(first, planes), ghost=array.n_files == 1)
    fresh = target.with_name(f"{target.name}.partial")
    try:
        with fresh.open("wb") as opened:
            record = _write(opened, layout.header, planes)
        fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return Assembled(came, finest.gaps, record)


def _plane(level: TileFolder, scanned: Scanned) -> _Plane:
    """Return a level, with tiles where holes would be read as something else.

    With a mask there are none: a reader may look for it right behind the tile it is of.
    """
    array = level.array
    hole = array.dtype.type(0 if array.nodata is None else array.nodata)
    blank = b""
    if array.masked or not holds_only(np.array(hole), array.dtype.type(array.fill)):
        whole = np.full((array.bands_per_file, *array.tile), array.fill, array.dtype)
        blank = bytes(array.encoder(whole))
    blank_mask = packed_mask(np.zeros((0, 0), bool), array.tile) if array.masked else b""
    return _Plane(level, scanned, blank, blank_mask)


def _levels(first: Ifd, planes: Sequence[_Plane]) -> list[Level]:
    levels = []
    for number, plane in enumerate(planes):
        tags = first if not number else level_of(first, plane.level.array.grid)
        mask = Image(mask_of(tags), plane.mask_sizes()) if plane.level.array.masked else None
        levels.append(Level(Image(tags, plane.sizes()), mask))
    return levels


def _write(opened: BufferedWriter, header: bytes, planes: Sequence[_Plane]) -> TiffRecord:
    """Write a file, coarse tiles first; return what is known of it."""
    summed = _Summed(opened)
    summed.write(header)
    for plane in reversed(planes):
        for content in plane.contents():
            summed.write(content)
    opened.flush()
    status = os.fstat(opened.fileno())
    return TiffRecord(status.st_size, mtime_of(status), PIECE_BYTES, summed.sums())


class _Summed:
    """Writes, and has the checksum of each piece of what was written."""

    def __init__(self, opened: BufferedWriter) -> None:
        self._opened = opened
        self._sums: list[int] = []
        self._sum = self._filled = 0

    def write(self, content: bytes) -> None:
        """Write bytes."""
        self._opened.write(content)
        rest = memoryview(content)
        while rest.nbytes:
            part = rest[: PIECE_BYTES - self._filled]
            self._sum = checksum(part, self._sum)
            self._filled += part.nbytes
            if self._filled == PIECE_BYTES:
                self._end()
            rest = rest[part.nbytes :]

    def _end(self) -> None:
        self._sums.append(self._sum)
        self._sum = self._filled = 0

    def sums(self) -> tuple[int, ...]:
        """Return the checksums, that of the last piece included."""
        if self._filled:
            self._end()
        return tuple(self._sums)
