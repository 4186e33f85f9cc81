"""How many bytes encoded ones decode to, found out without decoding them, or in pieces that are let go.

Frames of zstd, Blosc and LZ4 say so themselves, and their decoders allocate what is said. Streams of
zlib, gzip, bzip2 and xz do not: they are decoded piece by piece, and given up when they become too long.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Gives so many bytes from a place on, or fewer at the end: of a file, or of what is in memory.
ReadAt: TypeAlias = Callable[[int, int], bytes]

#: Codecs whose frames say how long they are.
DECLARED = frozenset({"zstd", "blosc", "lz4"})

#: Decoded at once where a stream is only measured.
PIECE = 1 << 20
#: A byte of zlib and gzip decodes to this many at most.
DEFLATE_RATIO = 1032
#: A frame of Blosc begins with so many bytes, the last four of which say how long it is.
BLOSC_HEADER = 16
#: A block of zstd decodes to this many at most.
ZSTD_BLOCK = 128 << 10
_ZSTD = 0xFD2FB528
_ZSTD_SKIPPED = range(0x184D2A50, 0x184D2A60)


class Stream(Protocol):
    """A decoder of `zlib`, `bz2` or `lzma`; the latter two keep what they have not decoded yet."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What came behind its end."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Decode no more than so many bytes."""
        ...


@runtime_checkable
class HasTail(Protocol):
    """The one that gives back what it has not decoded yet."""

    @property
    def unconsumed_tail(self) -> bytes:
        """To be given again."""
        ...


def _deflate() -> Stream:
    return zlib.decompressobj(wbits=47)  # zlib or gzip: which, the header says


#: name of a codec -> what decodes its streams
STREAMS: Mapping[str, Callable[[], Stream]] = {
    "zlib": _deflate,
    "gzip": _deflate,
    "bz2": bz2.BZ2Decompressor,
    "lzma": lzma.LZMADecompressor,
}


def least_that_exceeds(name: str, limit: int) -> int:
    """Return how many bytes of a stream it takes to decode to more than ``limit``.

    >>> least_that_exceeds("zlib", 1 << 20), least_that_exceeds("lzma", 1 << 20)
    (1017, 0)
    """
    return limit // DEFLATE_RATIO + 1 if name in ("zlib", "gzip") else 0


def streamed_size(name: str, data: bytes, limit: int) -> int:
    """Return how many bytes streams decode to, or some number above ``limit`` when they are more.

    No more than a piece is in memory. Bytes that cannot be decoded end it: whoever decodes them will
    say so.

    >>> streamed_size("bz2", bz2.compress(bytes(5_000_000)), 10_000_000)
    5000000
    >>> streamed_size("gzip", zlib.compress(bytes(50_000_000), wbits=31), 4096)
    1048576
    """
    size = 0
    while data and size <= limit:
        stream = STREAMS[name]()
        try:
            while not stream.eof and size <= limit:
                piece = stream.decompress(data, PIECE)
                data = stream.unconsumed_tail if isinstance(stream, HasTail) else b""
                if not piece and not data and not stream.eof:
                    return size  # cut off
                size += len(piece)
        except (zlib.error, OSError, lzma.LZMAError, EOFError):
            return size
        data = stream.unused_data
    return size


def declared_size(name: str, read: ReadAt, length: int) -> int:
    r"""Return how many bytes a frame of one of the `DECLARED` codecs says it decodes to.

    ``length`` is that of the frame. One too short to say anything decodes to nothing.

    >>> declared_size("lz4", read_from(b"\x00\x10\x00\x00..."), 7)
    4096
    """
    if name == "zstd":
        return zstd_size(read, length)
    at = 4 if name == "blosc" else 0
    return int.from_bytes(read(at, 4), "little")


def required_length(name: str, read: ReadAt) -> int:
    r"""Return how long a frame of one of the `DECLARED` codecs says it is itself; 0 where decoders look.

    The decoder of Blosc is not told how many bytes it is given, and reads on behind a frame that was cut
    off: what lies there in memory then becomes cells.

    >>> required_length("blosc", read_from(bytes(12) + b"\x20\x00\x00\x00"))
    32
    """
    if name != "blosc":
        return 0
    return max(BLOSC_HEADER, int.from_bytes(read(12, 4), "little"))


def zstd_size(read: ReadAt, length: int) -> int:
    """Return how many bytes frames of zstd one behind the other decode to, at most.

    As the format's specification (RFC 8878) has it. Where each frame states its size, that is the sum, and
    what the decoder allocates. Otherwise it is that of their blocks, of which none is larger than 128 KiB.
    """
    stated: int | None = 0
    by_blocks = at = 0
    while at + 4 <= length:
        head = read(at, 18)
        magic = int.from_bytes(head[:4], "little")
        if magic in _ZSTD_SKIPPED:
            at += 8 + int.from_bytes(head[4:8], "little")
            continue
        if magic != _ZSTD or len(head) < 6:
            break
        header, size = _zstd_header(head)
        stated = None if stated is None or size is None else stated + size
        blocks, at = _zstd_blocks(read, at + header, length)
        by_blocks += blocks
        at += 4 * (head[4] >> 2 & 1)  # a checksum
    return by_blocks if stated is None else stated


def _zstd_header(head: bytes) -> tuple[int, int | None]:
    """Return the length of a frame's header, and the size it states, if it does."""
    flags = head[4]
    single = flags >> 5 & 1
    at = 5 + (1 - single) + (0, 1, 2, 4)[flags & 3]
    width = (single, 2, 4, 8)[flags >> 6]
    if not width:
        return at, None
    size = int.from_bytes(head[at : at + width], "little")
    return at + width, size + 256 * (width == 2)


def _zstd_blocks(read: ReadAt, at: int, length: int) -> tuple[int, int]:
    """Return how many bytes the blocks of a frame decode to at most, and where the last one ends."""
    size, last = 0, False
    while not last and at + 3 <= length:
        head = int.from_bytes(read(at, 3), "little")
        last, kind, n_bytes = bool(head & 1), head >> 1 & 3, head >> 3
        size += ZSTD_BLOCK if kind == 2 else n_bytes
        at += 3 + (1 if kind == 1 else n_bytes)
    return size, at


def read_from(data: bytes) -> ReadAt:
    """Return what reads bytes in memory.

    >>> read_from(b"abcdef")(4, 9)
    b'ef'
    """
    return lambda at, n_bytes: data[at : at + n_bytes]
