"""The classic format of netCDF, versions 1, 2 and 5, by ranges: libraries read such files whole, or here.

The header says where the cells of each variable begin. Those of fixed size lie in one piece; those along the
unlimited dimension in records, each with a slab of every such variable. See the "NetCDF Classic Format
Specification" of Unidata.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Protocol

import numpy as np

from geopatcher.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

#: What such files begin with: three letters and the version.
MAGIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_DTYPES = dict(enumerate(("i1", "S1", ">i2", ">i4", ">f4", ">f8", "u1", ">u2", ">u4", ">i8", ">u8"), 1))
_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12
#: The number of records of a file that was not closed: as many as there are.
_STREAMING = {4: 0xFFFFFFFF, 8: 0xFFFFFFFFFFFFFFFF}
#: Bytes of a header that are fetched at once.
HEADER_BYTES = 64 << 10


class Spans(Protocol):
    """A file that is read by ranges of bytes."""

    @property
    def n_bytes(self) -> int:
        """How long it is."""
        ...

    def read_spans(self, spans: Iterable[tuple[int, memoryview]]) -> None:
        """Fill buffers with what is at each place, all of it within the file."""
        ...


@dataclass(frozen=True)
class ClassicVariable:
    """A variable: its cells begin at a byte, and records of it follow each other in so many bytes."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    attributes: Mapping[str, object]
    begin: int
    record_bytes: int = 0

    def read(self, file: Spans, start: Sequence[int], stop: Sequence[int]) -> NDArray[np.generic]:
        """Return the cells between indexes, in the byte order of this machine.

        Raises
        ------
        SourceError
            The file does not give them.

        """
        counts = [max(0, high - low) for low, high in zip(start, stop, strict=True)]
        cells = np.empty(counts, self.dtype)
        if cells.size:
            file.read_spans(self._spans(start, counts, cells.reshape(-1).view(np.uint8).data))
        native = self.dtype.newbyteorder("=")
        return cells if native == self.dtype else cells.byteswap(inplace=True).view(native)

    def _spans(
        self, start: Sequence[int], counts: Sequence[int], target: memoryview
    ) -> Iterable[tuple[int, memoryview]]:
        steps = [math.prod(self.shape[axis + 1 :]) * self.dtype.itemsize for axis in range(len(self.shape))]
        inner = len(counts)  # axes from here on are whole, and lie in one piece
        while inner > int(self.record_bytes > 0) and counts[inner - 1 :] == [*self.shape[inner - 1 :]]:
            inner -= 1
        lies_apart = inner > 0 and not (inner == 1 and self.record_bytes)
        outer = inner - 1 if lies_apart else inner
        if self.record_bytes:
            steps[0] = self.record_bytes
        n_bytes = math.prod(counts[outer:]) * self.dtype.itemsize
        for number, at in enumerate(product(*map(range, counts[:outer]))):
            place = self.begin + sum(
                (low + more) * step
                for low, more, step in zip(start, (*at, *[0] * len(start)), steps, strict=False)
            )
            yield place, target[number * n_bytes : (number + 1) * n_bytes]


@dataclass(frozen=True)
class ClassicHeader:
    """What a file says of itself."""

    dimensions: Mapping[str, int]
    unlimited: tuple[str, ...]
    attributes: Mapping[str, object]
    variables: Mapping[str, ClassicVariable]


def read_header(file: Spans, name: str) -> ClassicHeader:
    """Read the header of a file of this ``name``.

    Raises
    ------
    SourceError
        It is damaged, or the file is shorter than what it says.

    """
    try:
        return _Reader(file).header()
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        raise SourceError(
            f"{name} is a damaged netCDF-3 file: its header cannot be read ({error})"
        ) from error
    except EOFError as error:
        raise SourceError(f"{name} is cut off: {error}; write or fetch it again") from error


class _Reader:
    """Reads a header from its beginning."""

    def __init__(self, file: Spans) -> None:
        self._file, self._at, self._known = file, 0, b""
        version = self._take(4)[3]
        self._count_bytes = 8 if version == 5 else 4
        self._place_bytes = 4 if version == 1 else 8

    def header(self) -> ClassicHeader:
        n_records = self._number(self._count_bytes)
        dimensions = [(self._name(), self._count()) for _ in self._list(_DIMENSIONS)]
        attributes = self._attributes()
        found = {}
        for _ in self._list(_VARIABLES):
            name = self._name()
            found[name] = self._variable(dimensions)
        unlimited = [name for name, length in dimensions if length == 0]
        records = {name: each for name, each in found.items() if each.dims and each.dims[0] in unlimited}
        slabs = {name: math.prod(each.shape[1:]) * each.dtype.itemsize for name, each in records.items()}
        if len(slabs) > 1:  # one alone lies without gaps
            slabs = {name: -(-n_bytes // 4) * 4 for name, n_bytes in slabs.items()}
        step = sum(slabs.values())
        if n_records == _STREAMING[self._count_bytes]:
            first = min((each.begin for each in records.values()), default=0)
            n_records = max(0, self._file.n_bytes - first) // step if step else 0
        for name, each in records.items():
            shape = (n_records, *each.shape[1:])
            found[name] = ClassicVariable(each.dims, shape, each.dtype, each.attributes, each.begin, step)
        self._require_all(found)
        lengths = {name: length or n_records for name, length in dimensions}
        return ClassicHeader(lengths, tuple(unlimited), attributes, found)

    def _require_all(self, found: Mapping[str, ClassicVariable]) -> None:
        for name, each in found.items():
            if not math.prod(each.shape):
                continue
            cells = each.shape[1:] if each.record_bytes else each.shape
            gaps = (each.shape[0] - 1) * each.record_bytes if each.record_bytes else 0
            stop = each.begin + gaps + math.prod(cells) * each.dtype.itemsize
            if stop > self._file.n_bytes:
                raise EOFError(
                    f"it has {self._file.n_bytes:,} bytes, and its variable {name!r} goes up to byte {stop:,}"
                )

    def _variable(self, dimensions: Sequence[tuple[str, int]]) -> ClassicVariable:
        own = [dimensions[self._count()] for _ in range(self._count())]
        attributes = self._attributes()
        dtype = np.dtype(_DTYPES[self._number(4)])
        self._number(self._count_bytes)  # its size, which is not right of large ones
        begin = self._number(self._place_bytes)
        if any(length == 0 for _, length in own[1:]):
            raise ValueError("an unlimited dimension is not the first one")
        return ClassicVariable(
            tuple(name for name, _ in own), tuple(length for _, length in own), dtype, attributes, begin
        )

    def _attributes(self) -> Mapping[str, object]:
        found: dict[str, object] = {}
        for _ in self._list(_ATTRIBUTES):
            name = self._name()
            dtype = np.dtype(_DTYPES[self._number(4)])
            content = self._padded(self._count() * dtype.itemsize)
            if dtype.kind == "S":
                found[name] = content.rstrip(b"\0").decode(errors="replace")
                continue
            values = np.frombuffer(content, dtype).astype(dtype.newbyteorder("="))
            found[name] = values[0] if len(values) == 1 else values
        return found

    def _list(self, kind: int) -> range:
        tag, count = self._number(4), self._count()
        if tag != kind and (tag or count):
            raise ValueError(f"a list of kind {tag} where one of kind {kind} is expected")
        return range(count)

    def _name(self) -> str:
        return self._padded(self._count()).decode()

    def _padded(self, n_bytes: int) -> bytes:
        content = self._take(n_bytes)
        self._take(-n_bytes % 4)
        return content

    def _count(self) -> int:
        return self._number(self._count_bytes)

    def _number(self, n_bytes: int) -> int:
        return int.from_bytes(self._take(n_bytes), "big")

    def _take(self, n_bytes: int) -> bytes:
        stop = self._at + n_bytes
        if stop > self._file.n_bytes:
            raise EOFError(f"its header goes on behind its {self._file.n_bytes:,} bytes")
        if stop > len(self._known):
            more = bytearray(
                min(max(stop - len(self._known), HEADER_BYTES), self._file.n_bytes - len(self._known))
            )
            self._file.read_spans([(len(self._known), memoryview(more))])
            self._known += more
        taken = self._known[self._at : stop]
        self._at = stop
        return taken
