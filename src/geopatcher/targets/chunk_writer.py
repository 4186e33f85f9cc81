"""Whole chunks of a zarr array, encoded in threads and put into their files.

What is in the files is what zarr would write, byte for byte. zarr's own way there costs a
millisecond of Python per chunk, in which no other thread computes: as much as encoding it.
"""

from __future__ import annotations

import gzip
import itertools
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from geopatcher._optional import load
from geopatcher.core.cpu import usable_cores
from geopatcher.targets.chunk_files import Pieces, grid_of, place_of
from geopatcher.targets.digests import NO_FILE, with_moments
from geopatcher.targets.statistics import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array
    from geopatcher.formats.chunk_guard import Configured
    from geopatcher.targets.digests import FileRecord
    from geopatcher.targets.files import Files
    from geopatcher.targets.statistics import Counting

    #: From a chunk's cells, in one piece of memory, to what is in its file.
    Encoder: TypeAlias = Callable[[Array], bytes | memoryview]

#: Most threads that encode: each holds a chunk and what becomes of it.
MAX_THREADS = 4
#: How blosc shuffles: its numbers, by the names zarr has for them.
SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}


class Metadata(Protocol):
    """What an array says of its chunks."""

    @property
    def codecs(self) -> Sequence[Configured]:
        """What chunks go through, in turn."""
        ...

    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        """Return the key of a chunk, below the array's own."""
        ...


class Stored(Pieces, Protocol):
    """A zarr array."""

    @property
    def dtype(self) -> np.dtype:
        """That of the cells."""
        ...

    @property
    def fill_value(self) -> float | int | np.generic:
        """What cells of chunks without a file hold."""
        ...

    @property
    def metadata(self) -> Metadata:
        """What is known of the chunks."""
        ...


def encoder_of(array: Stored) -> Encoder | None:
    """Return what encodes the chunks of an array; ``None`` for one that is stored in other ways than ours."""
    encode: Encoder | None = None
    match [codec.to_dict() for codec in array.metadata.codecs]:
        case [{"name": "bytes", **order}, *rest] if _is_little(order) or array.dtype.itemsize == 1:
            encode = _checked(rest, array.dtype.itemsize)
    return encode if set(array.chunks[:-2]) <= {1} else None


def _is_little(order: Mapping[str, object]) -> bool:
    return order.get("configuration") == {"endian": "little"}


def _checked(codecs: Sequence[Mapping[str, object]], itemsize: int) -> Encoder | None:
    """Return what compresses as codecs say, and puts a checksum behind it where the last of them is one."""
    match codecs:
        case [*before, {"name": "crc32c"}]:
            compress = _compressor(before, itemsize)
            return None if compress is None else partial(_with_checksum, compress=compress)
    return _compressor(codecs, itemsize)


def _with_checksum(cells: Array, compress: Encoder) -> bytes:
    content = bytes(compress(cells))
    return content + int(load("google_crc32c").value(content)).to_bytes(4, "little")


def _compressor(codecs: Sequence[Mapping[str, object]], itemsize: int) -> Encoder | None:
    """Return what compresses as codecs say, given by their metadata."""
    encode: Encoder | None = None
    numcodecs = load("numcodecs")
    match codecs:
        case []:
            encode = _as_they_are
        case [{"name": "zstd", "configuration": {"level": int(level), "checksum": bool(checksum)}}]:
            encode = numcodecs.Zstd(level=level, checksum=checksum).encode
        case [{"name": "gzip", "configuration": {"level": int(level)}}]:
            encode = partial(_gzipped, level=level)
        case [{"name": "blosc", "configuration": {"cname": str(name), "clevel": int(level), **more}}]:
            if more["typesize"] == itemsize:
                shuffle = SHUFFLES[str(more["shuffle"])]
                encode = numcodecs.Blosc(name, level, shuffle=shuffle, blocksize=more["blocksize"]).encode
    return encode


def _gzipped(cells: Array, level: int) -> bytes:
    """Compress without the time that usually stands in the header: the same chunk has the same bytes."""
    return gzip.compress(cells.data.cast("B"), level, mtime=0)


def _as_they_are(cells: Array) -> memoryview:
    return cells.data


def zarr_threads() -> int:
    """Return how many threads zarr may use: as many as its configuration says, else as there are cores."""
    allowed: int | None = load("zarr").config.get("threading.max_workers")
    return allowed or usable_cores()


def run_all(tasks: Iterable[Callable[[], None]], allowed: int) -> None:
    """Run tasks in at most so many threads, as they come; raise the error of the first that has one."""
    waiting = iter(tasks)
    first, second = next(waiting, None), next(waiting, None)
    both = [task for task in (first, second) if task is not None]
    if allowed == 1 or len(both) < 2:
        for task in itertools.chain(both, waiting):
            task()
        return
    with ThreadPoolExecutor(min(allowed, MAX_THREADS), "geopatcher-encode") as pool:
        begun = [pool.submit(task) for task in itertools.chain(both, waiting)]
    for future in begun:
        future.result()


class ChunkWriter:
    """Writes whole chunks of an array into ``files``, one in each of its `tasks`.

    What became of the chunks is kept until it is asked for, by `take`. With ``counting`` their cells are
    counted on the way, while they are at hand.

    Raises
    ------
    OSError
        From a task, or while tasks are made: a file or folder cannot be written.

    """

    def __init__(
        self, array: Stored, files: Files, encode: Encoder, counting: Counting | None = None
    ) -> None:
        self._array, self._files, self._encode, self._counting = array, files, encode, counting
        self._dtype = array.dtype.newbyteorder("<")
        self._fill = self._dtype.type(array.fill_value)
        self._scratch: list[Array] = []  # chunks to encode from, used again by any thread
        self._written: dict[tuple[int, ...], FileRecord] = {}
        self._moments: dict[tuple[int, ...], Array] = {}

    def tasks(
        self, box: Box, values: Array, first: int = 0, said: Array | None = None
    ) -> Iterator[Callable[[], None]]:
        """Yield what writes ``values``, ``(bands, h, w)``, at a box that begins where chunks do.

        They are the bands from ``first`` on. What is missing of a chunk at the end of the grid holds fill.
        Chunks that hold nothing else have no file. ``said`` says which cells hold data; see
        `geopatcher.core.gaps`.
        """
        for where, band, rows, cols in self._chunks(box, len(values), first):
            place = (band, slice(rows.start - box.row0, rows.stop - box.row0), cols)
            told = None if said is None else said[place]
            yield partial(self._put, where, self._array.metadata.encode_chunk_key(where), values[place], told)

    def take(self, box: Box) -> Array:
        """Return, once, what is known of the files of a box: ``(bands, rows, columns, 3)`` and moments."""
        bands, rows, cols = grid_of(self._array, box)
        grid = len(bands), len(rows), len(cols)
        places = [
            (*place_of(self._array, band), row, col)
            for band, row, col in itertools.product(bands, rows, cols)
        ]
        known = np.array([self._written.pop(place, NO_FILE) for place in places], np.int64)
        if self._counting is None:
            return known.reshape(*grid, -1)
        moments = np.full((len(places), self._counting.n_columns), NOTHING)
        for row_of, place in zip(moments, places, strict=True):
            row_of[...] = self._moments.pop(place, row_of)
        return with_moments(known, moments).reshape(*grid, -1)

    def _chunks(
        self, box: Box, n_bands: int, first: int
    ) -> Iterator[tuple[tuple[int, ...], int, range, slice]]:
        """Yield place in the grid, band of those from ``first``, rows of the grid, columns of the box."""
        *_, height, width = self._array.chunks
        rows = range(box.row0, box.row1, height)
        cols = range(box.col0, box.col1, width)
        for band in range(n_bands):
            leading = place_of(self._array, first + band)
            for row, col in itertools.product(rows, cols):
                yield (
                    (*leading, row // height, col // width),
                    band,
                    range(row, min(row + height, box.row1)),
                    slice(col - box.col0, min(col + width, box.col1) - box.col0),
                )

    def _put(self, where: tuple[int, ...], key: str, cells: Array, said: Array | None) -> None:
        """Encode a chunk and write it."""
        if holds_only(cells, self._fill):
            self._count(where, cells, said)
            self._files.remove(key)
            self._written.pop(where, None)
            return
        try:
            chunk = self._scratch.pop()
        except IndexError:
            chunk = np.empty(self._array.chunks[-2:], self._dtype)
        if cells.shape != chunk.shape:
            chunk.fill(self._fill)
        held = chunk[: cells.shape[0], : cells.shape[1]]
        held[...] = cells
        self._count(where, held, said)
        self._written[where] = self._files.put(key, self._encode(chunk))
        self._scratch.append(chunk)

    def _count(self, where: tuple[int, ...], cells: Array, said: Array | None) -> None:
        if self._counting is not None:
            self._moments[where] = self._counting.moments(cells, said)


def holds_only(cells: Array, fill: np.generic) -> bool:
    """Whether all cells hold ``fill``: 0 and -0 differ, and all the ways to write NaN are one.

    >>> holds_only(np.array([[0.0, -0.0]]), np.float64(0))
    False
    """
    first = cells.flat[0]
    if fill != fill:  # noqa: PLR0124 - NaN is the one value that differs from itself
        return bool(first != first and np.isnan(cells).all())  # noqa: PLR0124
    if first != fill or not (cells == fill).all():
        return False
    zero = fill == 0 and fill.dtype.kind == "f"  # of which there are two
    return not (zero and (np.signbit(cells) != np.signbit(fill)).any())
