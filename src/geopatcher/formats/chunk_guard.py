"""Chunks of a zarr store are measured before they are decoded: a small file may decode to gigabytes.

Decoders of chunks allocate what a frame asks for, or go on as long as a stream does, and what a chunk
should have been is compared afterwards. So headers are looked at first; a chunk that would decode to
far more than its shape says is an error. Codecs that are not known here are left to themselves.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias, cast, runtime_checkable

import numpy as np

from geopatcher._optional import load
from geopatcher.core.cpu import usable_cores
from geopatcher.formats.decoded_size import (
    DECLARED,
    STREAMS,
    declared_size,
    least_that_exceeds,
    read_from,
    required_length,
    streamed_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import EllipsisType

    import zarr

    from geopatcher.core.protocols import Array
    from geopatcher.formats.decoded_size import ReadAt

#: More than a chunk should take is borne up to this: some frames state their size in blocks only.
SLACK = 1 << 20
#: Filters between cells and compressed bytes may make each cell larger by so much.
FILTER_FACTOR = 8
#: Codecs that add bytes at the end and leave the others alone.
SUFFIXES: Mapping[str, int] = {"crc32c": 4}
#: Bytes of an entry of a shard's index: where an inner chunk begins and how long it is.
ENTRY_BYTES = 16
#: Most bytes of a chunk, of which a file or memory could hold no more.
MAX_CHUNK_BYTES = 2**63 - 1
#: Most cells along an axis: of longer ones a quotient of floats may be a chunk off.
MAX_LENGTH = 2**52
_NOTHING_THERE = 2**64 - 1


class OversizedChunkError(ValueError):
    """A chunk would decode to far more than it should."""


class ByteCodec(Protocol):
    """A codec of numcodecs."""

    codec_id: str

    def decode(self, buf: bytes, /) -> object:
        """Return the decoded bytes."""
        ...


@runtime_checkable
class Configured(Protocol):
    """A codec of zarr v3."""

    def to_dict(self) -> Mapping[str, object]:
        """Return its name and configuration."""
        ...


@runtime_checkable
class Sharding(Protocol):
    """Zarr's codec of shards."""

    index_codecs: Sequence[Configured]
    index_location: object


@runtime_checkable
class HasRoot(Protocol):
    """A store that is a folder."""

    root: Path


@dataclass(frozen=True)
class Stage:
    """A codec of a chain that turns bytes into bytes."""

    name: str
    codec: ByteCodec | None = None

    @property
    def compresses(self) -> bool:
        """Whether decoding can make bytes many times as long."""
        return self.name in DECLARED or self.name in STREAMS


#: Measures a chunk that has to be decoded for that; takes no argument, and raises where it is too long.
Measuring: TypeAlias = "Callable[[], None]"


@dataclass(frozen=True)
class ChunkGuard:
    """Measures the chunks of one array in a folder.

    ``chunks`` is the shape of a chunk, ``files`` that of what lies in one file: a shard, or the same.
    ``chunk_bytes`` is what a chunk should decode to, at most; ``stages`` is how it is encoded, the
    first stage first.
    """

    folder: str
    array: zarr.Array
    chunks: tuple[int, ...]
    files: tuple[int, ...]
    chunk_bytes: int
    stages: tuple[Stage, ...]

    @classmethod
    def of(cls, array: zarr.Array) -> Self | None:
        """Return the guard of an array, ``None`` for one that is not in a folder of this machine.

        Raises
        ------
        ValueError
            Its chunks cannot be, see `require_chunks`.

        """
        require_chunks(array)
        if not isinstance(array.store, HasRoot):
            return None
        filters, compressors = array.filters or (), array.compressors or ()
        if array.metadata.zarr_format == 3:
            stages = tuple(_stage_of_v3(codec) for codec in compressors)
        else:  # there a filter may compress, too
            stages = tuple(Stage(codec.codec_id, codec) for codec in (*filters, *compressors))
        chunks = tuple(array.chunks)
        size = math.prod(chunks) * np.dtype(array.dtype).itemsize * (FILTER_FACTOR if filters else 1)
        folder = str(Path(array.store.root, array.path))
        return cls(folder, array, chunks, tuple(array.shards or chunks), size, stages)

    @property
    def limit(self) -> int:
        """Most bytes a chunk may decode to."""
        return self.chunk_bytes + SLACK

    def check(self, key: Sequence[int | slice | EllipsisType]) -> None:
        """Measure the chunks that the cells of a basic index lie in.

        Raises
        ------
        OversizedChunkError
            One would decode to far more than it should; names it.
        ValueError
            One is cut off.
        OSError
            It cannot be read.

        """
        with ThreadPoolExecutor(usable_cores(), "geopatcher-measure") as pool:
            # Threads are started for what has to be decoded, which is done beside the interpreter.
            for done in [pool.submit(measure) for measure in self._measured(key)]:
                done.result()

    def _measured(self, key: Sequence[int | slice | EllipsisType]) -> Iterator[Measuring]:
        """Look at the headers of chunks; yield what has to be decoded to be measured."""
        name_of = self.array.metadata.encode_chunk_key
        for where in self._places(key):
            name = name_of(where)
            try:
                descriptor = os.open(f"{self.folder}/{name}", os.O_RDONLY | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError):  # all of it is the fill value
                continue
            try:
                yield from self._in_file(name, descriptor)
            finally:
                os.close(descriptor)

    def _places(self, key: Sequence[int | slice | EllipsisType]) -> Iterator[tuple[int, ...]]:
        given = [part for part in key if part is not ...]
        rest: list[int | slice] = [slice(None)] * (len(self.files) - len(given))
        parts = rest + given if ... in key else given + rest
        spans = []
        for part, length, size in zip(parts, self.files, self.array.shape, strict=True):
            start, stop, _ = part.indices(size) if isinstance(part, slice) else (part, part + 1, 1)
            spans.append(range(start // length, -(-stop // length)))
        return _product(spans)

    def _in_file(self, name: str, descriptor: int) -> Iterator[Measuring]:
        length = os.fstat(descriptor).st_size

        def read(at: int, n_bytes: int) -> bytes:
            return os.pread(descriptor, n_bytes, at)

        if self.files == self.chunks:
            yield from self._in_chunk(name, read, length)
            return
        n_chunks = math.prod(-(-file // chunk) for file, chunk in zip(self.files, self.chunks, strict=True))
        # Writers may leave what they have replaced in a shard; many times as long it is none of ours.
        self._require_length(name, length, 4 * n_chunks)
        for first, n_bytes in self._index_of(read, length, n_chunks):
            if first != _NOTHING_THERE and first < length:
                yield from self._in_chunk(name, partial(_shifted, read, first), min(n_bytes, length - first))

    def _index_of(self, read: ReadAt, length: int, n_chunks: int) -> list[tuple[int, int]]:
        """Return where the inner chunks of a shard lie."""
        (sharding,) = self.array.metadata.codecs
        if not isinstance(sharding, Sharding):
            return []
        size = ENTRY_BYTES * n_chunks
        names = [str(codec.to_dict()["name"]) for codec in sharding.index_codecs]
        tail = size + sum(SUFFIXES.get(name, 0) for name in names)
        at_end = "end" in str(sharding.index_location)
        index = read(max(0, length - tail) if at_end else 0, min(size, length))
        entries = np.frombuffer(index[: len(index) // ENTRY_BYTES * ENTRY_BYTES], "<u8").reshape(-1, 2)
        return [(int(first), int(n_bytes)) for first, n_bytes in entries.tolist()]

    def _in_chunk(self, name: str, read: ReadAt, length: int) -> Iterator[Measuring]:
        self._require_length(name, length, 1)
        stages = list(self.stages)
        while stages and stages[-1].name in SUFFIXES:
            length -= SUFFIXES[stages.pop().name]
        if not any(stage.compresses for stage in stages):
            return
        outer = stages.pop()
        if any(stage.compresses for stage in stages):
            yield partial(self._unwind, name, read(0, length), [*stages, outer])
        elif outer.name in DECLARED:
            self._require_declared(name, outer.name, read, length)
        elif length >= least_that_exceeds(outer.name, self.limit):
            yield partial(self._unwind, name, read(0, length), [*stages, outer])

    def _unwind(self, name: str, data: bytes, stages: list[Stage]) -> None:
        """Measure what each stage makes of the bytes; all but the last are decoded for the next one."""
        while any(stage.compresses for stage in stages):
            stage = stages.pop()
            if stage.name in DECLARED:
                self._require_declared(name, stage.name, read_from(data), len(data))
            elif stage.name in STREAMS:
                self._require_size(name, streamed_size(stage.name, data, self.limit))
            if any(each.compresses for each in stages):
                if stage.codec is None:
                    return
                data = bytes(cast("bytes", stage.codec.decode(data)))

    def _require_length(self, name: str, length: int, n_chunks: int) -> None:
        """Refuse a file that is longer than what it holds can be: it is read whole before it is decoded."""
        if length > n_chunks * (self.limit + self.limit // 8):
            raise OversizedChunkError(
                f"{name} is a file of {length:,} bytes, and holds {n_chunks} chunk(s) of "
                f"{self.chunk_bytes:,} bytes at most: it is not read"
            )

    def _require_declared(self, name: str, codec: str, read: ReadAt, length: int) -> None:
        """Refuse a frame that is cut off, where its decoder would not see that, or decodes to too much."""
        required = required_length(codec, read)
        if length < required:
            raise ValueError(
                f"{name} is cut off: its {codec} frame is {required:,} bytes long, and {length:,} are there"
            )
        self._require_size(name, declared_size(codec, read, length))

    def _require_size(self, name: str, size: int) -> None:
        if size > self.limit:
            raise OversizedChunkError(
                f"{name} decodes to {size:,} bytes or more, and a chunk of this array has "
                f"{self.chunk_bytes:,}: it is not decoded"
            )


def read_cells(array: zarr.Array, key: Sequence[int | slice | EllipsisType]) -> Array:
    """Return the cells of a zarr array at a basic index, after measuring the chunks they lie in.

    Raises
    ------
    OversizedChunkError
        A chunk would decode to far more than it should; names it.

    """
    guard = ChunkGuard.of(array)
    if guard is not None:
        guard.check(key)
    return np.asarray(array[tuple(key)])


def require_chunks(array: zarr.Array) -> None:
    """Refuse an array whose chunks hold nothing or more than can be, or that is too long to be counted.

    zarr counts chunks with floats: of lengths that these cannot tell apart it reads too few chunks, and the
    other cells are whatever lies in memory.

    Raises
    ------
    ValueError
        It is such an array.

    """
    chunks, files = tuple(array.chunks), tuple(array.shards or array.chunks)
    for shape in (chunks, files):
        if any(not length and size for length, size in zip(shape, array.shape, strict=True)):
            raise ValueError(f"its chunks have the shape {shape!s:.80}, and hold nothing")
    if math.prod(files) * np.dtype(array.dtype).itemsize > MAX_CHUNK_BYTES:
        raise ValueError(f"its chunks have the shape {files!s:.80}, and no memory holds one of them")
    if max(array.shape, default=0) > MAX_LENGTH:
        raise ValueError(f"its shape is {array.shape!s:.80}, and more than {MAX_LENGTH:,} are not counted")


def _product(spans: Sequence[range]) -> Iterator[tuple[int, ...]]:
    """Yield what `itertools.product` does, which holds the numbers of all spans at once."""
    if not spans:
        yield ()
        return
    for first in spans[0]:
        for rest in _product(spans[1:]):
            yield (first, *rest)


def _shifted(read: ReadAt, first: int, at: int, n_bytes: int) -> bytes:
    return read(first + at, n_bytes)


def _stage_of_v3(codec: Configured) -> Stage:
    known = codec.to_dict()
    name = str(known["name"]).removeprefix("numcodecs.")
    if name in SUFFIXES:
        return Stage(name)
    given = known.get("configuration", {})
    compresses = Stage(name).compresses  # what decoding needs to know, the bytes then say
    configuration = {} if compresses or not isinstance(given, Mapping) else given
    try:
        inner: ByteCodec = load("numcodecs").get_codec({"id": name, **configuration})
    except (ValueError, TypeError):  # one that is not of numcodecs
        return Stage(name)
    return Stage(name, inner)
