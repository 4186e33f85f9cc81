"""Files elsewhere are opened while nobody reads of them: else both may wait for each other for ever.

While GDAL is asked what a file is (its files, masks, nodata values, levels) rasterio keeps the interpreter.
GDAL waits there for bytes of the file that a reader is fetching already, and what GDAL says while it fetches
them waits for the interpreter. It answers from memory what it was asked before.

A mosaic reads of other files than its own: it stands for all that are elsewhere.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from geopatcher.formats.local_files import HERE, MOSAIC, reach

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_GDAL_BUCKET = re.compile(r"^/vsi(s3|gs|az)/")


class _File(NamedTuple):
    """A file by one of its names, and how far what is read of it may lie."""

    path: str
    reach: str

    @classmethod
    def of(cls, path: str) -> _File:
        plain = path.removeprefix("/vsicurl/") if path.startswith("/vsicurl/http") else path
        return cls(_GDAL_BUCKET.sub(r"\1://", plain), reach(path))

    def meets(self, others: Collection[_File]) -> bool:
        """Whether what is read of it may be read of one of the others."""
        return self in others or any(
            MOSAIC in (self.reach, other.reach) and HERE not in (self.reach, other.reach) for other in others
        )


class _Local(threading.local):
    """How often one thread is within the reading of each file, how much of that rests, and what it opens."""

    def __init__(self) -> None:
        self.held: Counter[_File] = Counter()
        self.resting: Counter[_File] = Counter()
        self.open: set[_File] = set()


class Doors:
    """Many read of a file at once, or one opens it. Who wants to open goes before who wants to read."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._local = _Local()
        self._readers: Counter[_File] = Counter()
        self._wanting: Counter[_File] = Counter()
        self._busy: set[_File] = set()

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Read of a file; who reads already, and may be waited for, waits only for who is opening now."""
        file, held, own = _File.of(path), self._local.held, self._local.open
        if file in own:
            yield
            return
        with self._changed:
            goes_on = bool(held or own)
            self._changed.wait_for(lambda: not file.meets(self._busy - own if goes_on else self._wanting))
            self._readers[file] += 1
        held[file] += 1
        try:
            yield
        finally:
            _less(held, file)
            with self._changed:
                _less(self._readers, file)
                self._changed.notify_all()

    @contextmanager
    def opening(self, path: str) -> Iterator[None]:
        """Open a file while nobody reads of it; what else who opens it reads and opens rests meanwhile.

        Who opens one does not read of another: two of them might wait for each other.
        """
        file, own, local = _File.of(path), set(self._local.open), self._local
        held = local.held - local.resting
        if file in own:
            yield
            return
        with self._changed:
            self._wanting[file] += 1
            self._rest(held)
            self._busy -= own
            self._changed.notify_all()
            self._changed.wait_for(lambda: not any(each.meets(self._in_use()) for each in (*own, file)))
            self._busy |= {*own, file}
        local.resting += held
        local.open.add(file)
        try:
            yield
        finally:
            local.open.discard(file)
            local.resting -= held
            with self._changed:
                self._busy.discard(file)
                _less(self._wanting, file)
                self._changed.notify_all()
                self._changed.wait_for(lambda: not any(each.meets(self._busy - own) for each in held))
                self._readers.update(held)

    def _rest(self, held: Counter[_File]) -> None:
        for file, number in held.items():
            _less(self._readers, file, number)

    def _in_use(self) -> set[_File]:
        return {*self._readers, *self._busy}


def _less(counts: Counter[_File], file: _File, number: int = 1) -> None:
    """Take away from a count; one of nothing is not kept."""
    counts[file] -= number
    if not counts[file]:
        del counts[file]
