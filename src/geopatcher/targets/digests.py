"""What is known of a file that was written: its size, a checksum of its bytes, and when that was."""

from __future__ import annotations

import os
import uuid
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from geopatcher._optional import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from geopatcher.core.protocols import Array

#: Bytes of a file that are read at once.
PIECE_BYTES = 1 << 20
#: Places of damage in one file that a message names.
MAX_SPANS = 4


class FileRecord(NamedTuple):
    """A file: its bytes, their CRC-32, and the time of its last change in nanoseconds."""

    n_bytes: int
    crc: int
    mtime_ns: int


class TiffRecord(NamedTuple):
    """A GeoTIFF: its size and time, and the CRC-32 of each of its pieces of ``piece_bytes``."""

    n_bytes: int
    mtime_ns: int
    piece_bytes: int
    crcs: tuple[int, ...]


#: Numbers of a `FileRecord`.
N_RECORD = 3
#: Of a block that holds fill only, which has no file.
NO_FILE = FileRecord(0, 0, 0)

#: Of the files the cells of a rectangle lie in, by the name of their array: ``(bands, rows, columns, 3)``
#: of int64, where rows and columns count files. Where cells were counted, the bits of their moments are
#: behind the three numbers of a `FileRecord`; see `with_moments`.
Digests: TypeAlias = "Mapping[str, Array]"


#: Which files are read when they are looked at.
Reads: TypeAlias = Literal["none", "touched", "all"]


class Finding(NamedTuple):
    """What came of a look at a file: what is ``wrong`` with it, ``""`` for nothing.

    ``touched`` says that nothing is wrong, and that its time is another than is known: it was copied, say.
    """

    wrong: str = ""
    touched: bool = False


def mtime_of(status: os.stat_result) -> int:
    """Return when a file was last changed, in nanoseconds; what claims to be older than 1970 is of then."""
    return max(0, status.st_mtime_ns)


def checksum(content: bytes | memoryview, start: int = 0) -> int:
    """Return the CRC-32 of bytes, as zlib counts it; ``start`` is that of what came before them.

    It is counted by libdeflate, ten times as quickly.

    >>> checksum(b"ab") == checksum(b"b", checksum(b"a"))
    True
    """
    return _crc32()(content, start)


@cache
def _crc32() -> Callable[[bytes | memoryview, int], int]:
    counted: Callable[[bytes | memoryview, int], int] = load("deflate").crc32
    return counted


def put_bytes(file: Path, content: bytes | memoryview) -> FileRecord:
    """Write a file under another name first, so that it is never half there; return what is known of it.

    Raises
    ------
    OSError
        The file cannot be written, or its folder is not there.

    """
    fresh = file.with_name(f"{file.name}.{uuid.uuid4().hex}.partial")
    try:
        fresh.write_bytes(content)
        mtime_ns = mtime_of(fresh.stat())
        fresh.replace(file)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return FileRecord(memoryview(content).nbytes, checksum(content), mtime_ns)


def record_of(file: Path) -> FileRecord:
    """Read a file, and return what is then known of it.

    Raises
    ------
    OSError
        It cannot be read.

    """
    with file.open("rb") as opened:
        status = os.fstat(opened.fileno())
        crc = 0
        while piece := opened.read(PIECE_BYTES):
            crc = checksum(piece, crc)
    return FileRecord(status.st_size, crc, mtime_of(status))


def tiff_record_of(file: Path, piece_bytes: int = PIECE_BYTES) -> TiffRecord:
    """Read a GeoTIFF piece by piece, and return what is then known of it.

    Raises
    ------
    OSError
        It cannot be read.

    """
    crcs = []
    with file.open("rb") as opened:
        status = os.fstat(opened.fileno())
        while piece := opened.read(piece_bytes):
            crcs.append(checksum(piece))
    return TiffRecord(status.st_size, mtime_of(status), piece_bytes, tuple(crcs))


def look_at(file: Path, known: FileRecord, reads: Reads = "touched") -> Finding:
    """Compare a file with what is known of it.

    ``reads`` says of which files the bytes are read: ``"none"``, those that were ``"touched"`` and are of
    the same size, or of ``"all"``. A file that is not read is taken for the same.

    Raises
    ------
    OSError
        It cannot be read.

    """
    try:
        status = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return Finding() if known == NO_FILE else Finding("is missing")
    if known == NO_FILE:
        return Finding("should not be there: it is of a block that held nothing")
    if status.st_size != known.n_bytes:
        return Finding(f"has {status.st_size:,} bytes, and had {known.n_bytes:,}")
    touched = mtime_of(status) != known.mtime_ns
    if (reads == "all" or (reads == "touched" and touched)) and record_of(file).crc != known.crc:
        return Finding("holds other bytes than were written")
    return Finding(touched=touched)


def same_cells(read: Digests, known: Digests) -> Digests:
    """Return what was read of files, with the moments of their cells that were known before."""
    return {name: with_moments(array, moments_in(known[name])) for name, array in read.items()}


def joined(above: Digests, below: Digests) -> Digests:
    """Return the digests of two rectangles of the same columns, one below the other."""
    return {name: np.concatenate([above[name], below[name]], axis=1) for name in above}


def files_in(digests: Array) -> list[FileRecord]:
    """Return the records of one array's files, in the order `geopatcher.targets.chunk_files.files_of` has.

    >>> files_in(np.array([[[[5, 77, 1], [0, 0, 0]]]]))
    [FileRecord(n_bytes=5, crc=77, mtime_ns=1), FileRecord(n_bytes=0, crc=0, mtime_ns=0)]
    """
    return [FileRecord(*each) for each in digests[..., :N_RECORD].reshape(-1, N_RECORD).tolist()]


def with_moments(records: Array, moments: Array | None) -> Array:
    """Return records of files, ``(..., 3)``, with the moments of their cells, ``(..., columns)``.

    >>> moments_in(with_moments(np.array([[5, 77, 1]]), np.array([[2.0, 0.5]]))).tolist()
    [[2.0, 0.5]]
    """
    return records if moments is None else np.concatenate([records, moments.view(np.int64)], axis=-1)


def moments_in(digests: Array) -> Array | None:
    """Return the moments of the cells in one array's files; `None` where they were not counted."""
    if digests.shape[-1] == N_RECORD:
        return None
    return np.ascontiguousarray(digests[..., N_RECORD:]).view(np.float64)


def look_at_tiff(file: Path, known: TiffRecord, reads: Reads = "touched") -> Finding:
    """Compare a GeoTIFF with what is known of it; see `look_at`.

    Raises
    ------
    OSError
        It cannot be read.

    """
    try:
        status = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return Finding("is missing")
    if status.st_size != known.n_bytes:
        return Finding(f"has {status.st_size:,} bytes, and had {known.n_bytes:,}")
    touched = mtime_of(status) != known.mtime_ns
    is_read = reads == "all" or (reads == "touched" and touched)
    wrong = other_bytes(tiff_record_of(file, known.piece_bytes), known) if is_read else ""
    return Finding(wrong) if wrong else Finding(touched=touched)


def other_bytes(found: TiffRecord, known: TiffRecord) -> str:
    """Return what is wrong with the bytes of a file, ``""`` for nothing.

    >>> other_bytes(TiffRecord(25, 0, 10, (1, 7, 8)), TiffRecord(25, 0, 10, (1, 2, 3)))
    'holds other bytes than were written, in bytes 10 to 25'
    """
    spans = spans_of_damage(found, known)
    told = ", ".join(f"{start:,} to {stop:,}" for start, stop in spans[:MAX_SPANS])
    more = "" if len(spans) <= MAX_SPANS else f" and {len(spans) - MAX_SPANS} more places"
    return f"holds other bytes than were written, in bytes {told}{more}" if spans else ""


def spans_of_damage(found: TiffRecord, known: TiffRecord) -> list[tuple[int, int]]:
    """Return where the pieces of a file differ, as first and last byte; those that meet made one.

    >>> known = TiffRecord(25, 0, 10, (1, 2, 3))
    >>> spans_of_damage(TiffRecord(25, 0, 10, (1, 7, 8)), known)
    [(10, 25)]
    """
    spans: list[tuple[int, int]] = []
    for number, (is_now, was) in enumerate(zip_longest(found.crcs, known.crcs)):
        start, stop = number * known.piece_bytes, min((number + 1) * known.piece_bytes, known.n_bytes)
        if is_now == was:
            continue
        if spans and spans[-1][1] == start:
            start = spans.pop()[0]
        spans.append((start, stop))
    return spans
