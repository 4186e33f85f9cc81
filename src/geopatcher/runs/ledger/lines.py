"""Lines of a ledger: JSON objects with a checksum, appended, flushed to disk, read back with suspicion."""

from __future__ import annotations

import json
import os
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from geopatcher.core.json_values import Record

#: Longest line that is read: a longer one was not written by us.
MAX_LINE_BYTES = 16 << 20
#: Most values in a line: a short text can hold many, and each takes memory.
MAX_VALUES = 2_000_000


class Line(NamedTuple):
    """A line that was read: what it holds, and the bytes it takes in the file."""

    record: Record
    n_bytes: int


def encode(record: Record) -> bytes:
    r"""Return a record as one line, its checksum last.

    >>> encode({"row": [0, 512, 0, 700]})
    b'{"row":[0,512,0,700],"crc":3108422737}\n'
    """
    text = json.dumps(record, separators=(",", ":"), allow_nan=False)
    return f'{text[:-1]},"crc":{zlib.crc32(text.encode())}}}\n'.encode()


def decode(line: bytes) -> Record | None:
    r"""Return the record a line holds; ``None`` for one that is torn, flipped or not ours.

    >>> decode(b'{"row":[0,512,0,700],"crc":3108422737}\n')
    {'row': [0, 512, 0, 700]}
    >>> decode(b'{"row":[0,512,0,800],"crc":3108422737}\n') is decode(b'{"row":[0,51') is None
    True
    """
    text, _, tail = line.rpartition(b',"crc":')
    if not text or not tail.endswith(b"}\n") or line.count(b",") > MAX_VALUES:
        return None
    try:
        if int(tail[:-2]) != zlib.crc32(b"}", zlib.crc32(text)):
            return None
        record = json.loads(text + b"}", parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _refuse(constant: str) -> float:
    """Refuse NaN and the infinities, which JSON has not and `encode` does not write."""
    raise ValueError(f"{constant} is no number of JSON")


def read_lines(file: BinaryIO) -> Iterator[Line]:
    """Yield the good lines from the start of a file, one after the other: one is held at a time.

    Whatever follows the first bad line is left out: a process that dies tears the last line only,
    and behind a damaged one nothing can be trusted.

    Raises
    ------
    OSError
        The file cannot be read.

    """
    while raw := file.readline(MAX_LINE_BYTES):
        record = decode(raw)
        if record is None:
            return
        yield Line(record, len(raw))


def append(descriptor: int, line: bytes, *, sync: bool = True) -> None:
    """Append a line in one write, and wait until it is on the disk unless a later one will be waited for.

    Raises
    ------
    OSError
        The disk is full or gone. A part of the line may have been written; readers drop it.

    """
    written = os.write(descriptor, line)
    while written < len(line):  # a disk that fills up takes a part, and refuses the next one with an error
        written += os.write(descriptor, line[written:])
    if sync:
        os.fsync(descriptor)
