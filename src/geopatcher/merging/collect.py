"""Patches that arrive without a plan: kept, spilled to scratch beyond a limit, and given back in order.

Sorting the patches first and stitching them with the one loop afterwards makes the result
independent of the order they came in, for every aggregation and to the last bit.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from geopatcher.core.closing import Closing
from geopatcher.engine.contributions import Contribution

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array

#: Different tapers kept in memory; beyond these they are spilled with the patch.
MAX_TAPERS = 16


@dataclass(slots=True)
class _Stored:
    """An array in memory, or where it lies in the scratch file."""

    array: Array | None
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int = 0


@dataclass(slots=True)
class _Entry:
    box: Box
    data: _Stored
    valid: _Stored | None
    weights: _Stored | None
    flat: bool


class Collection(Closing):
    """Contributions in any order; iterating gives them in row-major order, as often as asked.

    At most ``max_bytes`` are held in memory, the rest in a file in ``scratch`` that has no name, so
    that its space is free again after `close`, and after any other end of the process. Equal
    positions keep the order they came in. With ``copy`` what is held in memory is a copy, so that the
    giver may go on to write into it.
    """

    def __init__(self, max_bytes: int, scratch: Path | None, *, copy: bool = True) -> None:
        self._max_bytes = max_bytes
        self._copy = copy
        self._folder = scratch
        self._entries: list[_Entry] = []
        self._held = 0
        self._file: int | None = None
        self._end = 0
        self._tapers: dict[int, tuple[Array, _Stored]] = {}

    @classmethod
    def of(
        cls, stream: Iterable[Contribution], max_bytes: int, scratch: Path | None, *, copy: bool = True
    ) -> Self:
        """Collect a whole stream."""
        collection = cls(max_bytes, scratch, copy=copy)
        try:
            for contribution in stream:
                collection.add(contribution)
        except BaseException:
            collection.close()
            raise
        collection._entries.sort(key=lambda entry: (entry.box.row0, entry.box.col0))
        return collection

    def add(self, item: Contribution) -> None:
        """Keep one contribution."""
        valid = None if item.valid is None else self._store(item.valid)
        weights = None if item.weights is None else self._store_taper(item.weights)
        self._entries.append(_Entry(item.box, self._store(item.data), valid, weights, item.flat))

    @property
    def boxes(self) -> Array:
        """``(n, 4)`` int64: row0, row1, col0, col1 of each, in order."""
        rows = [(b.row0, b.row1, b.col0, b.col1) for b in (entry.box for entry in self._entries)]
        return np.asarray(rows, dtype=np.int64).reshape(-1, 4)

    @property
    def spilled_bytes(self) -> int:
        """Bytes in the scratch file."""
        return self._end

    def __iter__(self) -> Iterator[Contribution]:
        return self.touching(None)

    def touching(self, region: Box | None) -> Iterator[Contribution]:
        """Yield those that share a pixel with a region, in row-major order."""
        for entry in self._entries:
            if region is None or entry.box.intersect(region).n_pixels:
                valid = None if entry.valid is None else self._load(entry.valid)
                weights = None if entry.weights is None else self._load(entry.weights)
                yield Contribution(entry.box, self._load(entry.data), valid, weights, entry.flat)

    def close(self) -> None:
        """Give the scratch file's space back."""
        self._entries.clear()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _store_taper(self, weights: Array) -> _Stored:
        known = self._tapers.get(id(weights))  # kept beside its id, which so stays its own
        if known is not None:
            return known[1]
        stored = _Stored(weights, weights.shape, weights.dtype)
        if len(self._tapers) < MAX_TAPERS:
            self._tapers[id(weights)] = (weights, stored)
            return stored
        return self._store(weights)

    def _store(self, array: Array) -> _Stored:
        if self._held + array.nbytes <= self._max_bytes:
            self._held += array.nbytes
            return _Stored(array.copy() if self._copy else array, array.shape, array.dtype)
        stored = _Stored(None, array.shape, array.dtype, self._end)
        self._write(np.ascontiguousarray(array))
        return stored

    def _write(self, array: Array) -> None:
        if self._file is None:
            self._file, name = tempfile.mkstemp(prefix="geopatcher-", suffix=".scratch", dir=self._folder)
            Path(name).unlink()
        view = memoryview(array.reshape(-1).view(np.uint8).data)
        while view:
            written = os.pwrite(self._file, view, self._end)
            self._end += written
            view = view[written:]

    def _load(self, stored: _Stored) -> Array:
        if stored.array is not None:
            return stored.array
        if self._file is None:
            raise ValueError("the collection is closed")
        n_bytes = int(np.prod(stored.shape)) * stored.dtype.itemsize
        raw = bytearray(n_bytes)
        at = 0
        while at < n_bytes:  # one call reads 2 GiB at most
            got = os.preadv(self._file, [memoryview(raw)[at:]], stored.offset + at)
            if not got:
                raise OSError(
                    f"the scratch file in {self._folder or tempfile.gettempdir()} ends early: "
                    f"wanted {n_bytes} bytes, got {at}"
                )
            at += got
        return np.frombuffer(raw, stored.dtype).reshape(stored.shape)
