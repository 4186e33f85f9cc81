"""The file of a block on its way: its final bytes in the GeoTIFF, and what levels and header need of it.

A tile and its mask come first, each in the frame it has in the result: its size before it, its last bytes
once more behind it. They are copied as they are. Behind them are the cells at half the resolution, from
which the next level is made, and what was counted.
"""

from __future__ import annotations

import itertools
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from geopatcher._optional import load
from geopatcher.core.gaps import Gaps
from geopatcher.errors import TargetError
from geopatcher.targets.cog.choosing import MOST

if TYPE_CHECKING:
    from pathlib import Path

    from geopatcher.core.protocols import Array

#: Ends every file: its version, the lengths of its parts, what was found in the cells, and the codec.
FOOTER = struct.Struct(f"<8s{10 + MOST}Q")
MAGIC = b"gptile02"
#: Bytes before a tile in its frame, and behind it.
FRAME = 4
#: Of what is read once and removed: quick, and half the size of none at all.
QUICK = ("lz4", 1, 1)


class Footer(NamedTuple):
    """Bytes of the parts of a file, in the order they have there, and what was found in its cells.

    ``tile`` and ``mask`` are lengths with their frames, 0 where there is none. ``half`` are the cells at
    half the resolution; ``aside`` the same where means give way to nodata, if that differs; ``known``
    which of them hold data, 0 where all do. ``moments`` are those of the bands. ``way`` is the number of
    the codec among those of the array, and ``tried`` the bytes each of these made, if they were tried.
    """

    tile: int = 0
    mask: int = 0
    half: int = 0
    aside: int = 0
    known: int = 0
    moments: int = 0
    gaps: Gaps = Gaps()
    way: int = 0
    tried: tuple[int, ...] = (0,) * MOST

    @property
    def lengths(self) -> tuple[int, ...]:
        """Bytes of the parts."""
        return self.tile, self.mask, self.half, self.aside, self.known, self.moments

    @property
    def n_bytes(self) -> int:
        """Bytes of the file."""
        return sum(self.lengths) + FOOTER.size


@dataclass(frozen=True)
class Package:
    """What is in the file of a block; arrays have all bands of the file first."""

    tile: bytes | memoryview
    mask: bytes
    half: Array | None
    aside: Array | None
    known: Array | None
    moments: Array
    gaps: Gaps
    way: int = 0
    tried: tuple[int, ...] = (0,) * MOST

    def pack(self) -> bytes:
        """Return the content of the file."""
        parts = (
            _frame(self.tile),
            _frame(self.mask),
            [_quickly(self.half)],
            [_quickly(self.aside)],
            [b"" if self.known is None else _quickly(np.packbits(self.known))],
            [self.moments.astype("<f8").tobytes()],
        )
        lengths = (sum(map(len, part)) for part in parts)
        return b"".join(
            [*itertools.chain(*parts), FOOTER.pack(MAGIC, *lengths, *self.gaps, self.way, *self.tried)]
        )


def framed(tile: bytes | memoryview) -> bytes:
    """Return a tile with its size before it and its last four bytes once more behind it.

    >>> framed(b"abcdef")[4:]
    b'abcdefcdef'
    """
    return b"".join(_frame(tile))


def _frame(tile: bytes | memoryview) -> list[bytes | memoryview]:
    """Return the parts of a tile in its frame, nothing of one that is not there."""
    if not len(tile):
        return []
    return [struct.pack("<I", len(tile)), tile, bytes(tile[-4:]).rjust(4, b"\0")]


def _quickly(cells: Array | None) -> bytes:
    if cells is None:
        return b""
    return bytes(load("numcodecs").Blosc(*QUICK).encode(np.ascontiguousarray(cells)))


class PackageReader:
    """Reads a file of a block; closed by `close`, or at the end of a ``with``.

    Raises
    ------
    FileNotFoundError
        There is none: the block holds fill only.
    TargetError
        It is not whole.

    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.footer = self._read_footer()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _read_footer(self) -> Footer:
        size = os.fstat(self._descriptor).st_size
        content = os.pread(self._descriptor, FOOTER.size, max(0, size - FOOTER.size))
        if len(content) == FOOTER.size:
            magic, tile, mask, half, aside, known, moments, *found = FOOTER.unpack(content)
            gaps, (way, *tried) = Gaps(*found[:3]), found[3:]
            footer = Footer(tile, mask, half, aside, known, moments, gaps, way, tuple(tried))
            if magic == MAGIC and footer.n_bytes == size:
                return footer
        raise TargetError(f"{self._file} is no whole block: remove it, and run the same again")

    def _part(self, start: int, length: int) -> bytes:
        content = os.pread(self._descriptor, length, start)
        if len(content) != length:
            raise TargetError(f"{self._file} was cut off while it was read")
        return content

    def _named(self, number: int) -> bytes:
        """Return a part by its number among those of the footer."""
        lengths = self.footer.lengths
        return self._part(sum(lengths[:number]), lengths[number])

    def tile(self) -> bytes:
        """Return the tile in its frame."""
        return self._named(0)

    def with_tile(self, tile: bytes | memoryview, way: int) -> bytes:
        """Return the content of a file of the same but for its tile, encoded by the codec of a number."""
        frame, rest = framed(tile), self._part(self.footer.tile, sum(self.footer.lengths[1:]))
        lengths = len(frame), *self.footer.lengths[1:]
        return b"".join(
            [frame, rest, FOOTER.pack(MAGIC, *lengths, *self.footer.gaps, way, *self.footer.tried)]
        )

    def mask(self) -> bytes:
        """Return the tile of the mask in its frame."""
        return self._named(1)

    def half(self, shape: tuple[int, int, int], dtype: np.dtype, *, aside: bool) -> Array | None:
        """Return the cells at half the resolution, ``None`` where they hold fill only.

        With ``aside`` they are those of which no mean is taken for missing.
        """
        number = 3 if aside and self.footer.aside else 2
        if not self.footer.lengths[number]:
            return None
        return np.frombuffer(self._decoded(number), dtype).reshape(shape)

    def known(self, shape: tuple[int, int, int]) -> Array:
        """Return which of these cells hold data; of a block of fill only, none do."""
        if not self.footer.half:
            return np.zeros(shape, bool)
        if not self.footer.known:
            return np.ones(shape, bool)
        bits = np.frombuffer(self._decoded(4), np.uint8)
        return np.unpackbits(bits, count=int(np.prod(shape))).view(bool).reshape(shape)

    def moments(self, n_bands: int) -> Array:
        """Return the moments of the bands."""
        return np.frombuffer(self._named(5), "<f8").reshape(n_bands, -1)

    def _decoded(self, number: int) -> bytes:
        return bytes(load("numcodecs").Blosc().decode(self._named(number)))
