"""Lines of a ledger: JSON objects with a checksum, appended, flushed to disk, read back with suspicion."""

from __future__ import annotations

import json
import math
import os
import re
import zlib
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import BinaryIO

#: What JSON holds.
Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
#: One line.
Record: TypeAlias = "Mapping[str, Json]"

#: Longest line that is read: a longer one was not written by us.
MAX_LINE_BYTES = 16 << 20
#: Most values in a line: a short text can hold many, and each takes memory.
MAX_VALUES = 2_000_000
#: Longest text that stands for a number.
MAX_NUMBER = 40


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


def number_to_json(value: float | int | None) -> Json:
    """Return a number as JSON can hold it: one that is not finite becomes text.

    >>> number_to_json(3), number_to_json(0.5), number_to_json(float("nan"))
    (3, 0.5, 'nan')
    """
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def whole_from_json(value: Json, least: int = 0) -> int:
    """Return a whole number that is not below ``least``; JSON's true is none, nor is 3.0.

    Raises
    ------
    ValueError
        It is something else.

    """
    if type(value) is not int or value < least:
        raise ValueError(f"{value!r:.40} is not a whole number of {least} or more")
    return value


def dtype_from_json(value: Json) -> np.dtype:
    """Return the dtype a text stands for, of numbers of one size and nothing else.

    >>> dtype_from_json("<f4")
    dtype('float32')

    Raises
    ------
    ValueError
        It is something else, such as one of objects or records.

    """
    if not isinstance(value, str) or not re.fullmatch(r"[<>|=]?[biufc][0-9]{1,2}", value):
        raise ValueError(f"{value!r:.40} is not the dtype of a raster")
    try:
        return np.dtype(value)
    except TypeError as error:
        raise ValueError(f"{value!r:.40} is not a dtype") from error


def number_from_json(value: Json) -> float | int | None:
    """Return what `number_to_json` was given.

    Raises
    ------
    ValueError
        It is not a number.

    """
    if isinstance(value, str):
        if len(value) > MAX_NUMBER:
            raise ValueError(f"{value[:MAX_NUMBER]!r}... is not a number")
        return float(value)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise ValueError(f"{value!r:.40} is not a number")
