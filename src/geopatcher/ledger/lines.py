"""Lines of a ledger: JSON objects with a checksum, appended, flushed to disk, read back with suspicion."""

from __future__ import annotations

import json
import math
import os
import zlib
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

#: What JSON holds.
Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
#: One line.
Record: TypeAlias = "Mapping[str, Json]"

#: Longest line that is read: a longer one was not written by us.
MAX_LINE_BYTES = 64 << 20


def encode(record: Record) -> bytes:
    r"""Return a record as one line, its checksum last.

    >>> encode({"row": [0, 512, 0, 700]})
    b'{"row":[0,512,0,700],"crc":3108422737}\n'
    """
    text = json.dumps(record, separators=(",", ":"), allow_nan=False)
    return f'{text[:-1]},"crc":{_checksum(text)}}}\n'.encode()


def decode(line: bytes) -> Record | None:
    r"""Return the record a line holds; ``None`` for one that is torn, flipped or not ours.

    >>> decode(b'{"row":[0,512,0,700],"crc":3108422737}\n')
    {'row': [0, 512, 0, 700]}
    >>> decode(b'{"row":[0,512,0,800],"crc":3108422737}\n') is decode(b'{"row":[0,51') is None
    True
    """
    text, _, tail = line.rpartition(b',"crc":')
    if not text or not tail.endswith(b"}\n"):
        return None
    try:
        body = text.decode() + "}"
        if int(tail[:-2]) != _checksum(body):
            return None
        record = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def read_lines(path: Path) -> tuple[list[Record], int]:
    """Return the good records from the start of a file, and the bytes they take.

    Whatever follows the first bad line is left out: a process that dies tears the last line only,
    and behind a damaged one nothing can be trusted.

    Raises
    ------
    OSError
        The file cannot be read.

    """
    records: list[Record] = []
    good = 0
    with path.open("rb") as file:
        for line in _lines(file.readline):
            record = decode(line)
            if record is None:
                break
            records.append(record)
            good += len(line)
    return records, good


def _lines(readline: Callable[[int], bytes]) -> Iterator[bytes]:
    while line := readline(MAX_LINE_BYTES):
        yield line


def append(descriptor: int, record: Record) -> None:
    """Append a line in one write and wait until it is on the disk.

    Raises
    ------
    OSError
        The disk is full or gone. A part of the line may have been written; readers drop it.

    """
    line = encode(record)
    written = os.write(descriptor, line)
    while written < len(line):  # a disk that fills up takes a part, and refuses the next one with an error
        written += os.write(descriptor, line[written:])
    os.fsync(descriptor)


def number_to_json(value: float | int | None) -> Json:
    """Return a number as JSON can hold it: one that is not finite becomes text.

    >>> number_to_json(3), number_to_json(0.5), number_to_json(float("nan"))
    (3, 0.5, 'nan')
    """
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def number_from_json(value: Json) -> float | int | None:
    """Return what `number_to_json` was given.

    Raises
    ------
    ValueError
        It is not a number.

    """
    if isinstance(value, str):
        return float(value)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise ValueError(f"{value!r} is not a number")


def _checksum(text: str) -> int:
    """CRC-32 of the UTF-8 text."""
    return zlib.crc32(text.encode())
