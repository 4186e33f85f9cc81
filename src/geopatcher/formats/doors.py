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
    from collections.abc import Callable, Collection, Iterator

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
    """How often one thread is within the reading of each file, and which it is opening."""

    def __init__(self) -> None:
        self.held: Counter[_File] = Counter()
        self.open: set[_File] = set()


class Doors:
    """Many read of a file at once, or one opens it. Who wants to open goes before who wants to read.

    Who waits does nothing else: all that a thread reads and opens already rests meanwhile, and is taken up
    again together. So no two threads wait for what the other one holds.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._local = _Local()
        self._readers: Counter[_File] = Counter()
        self._wanting: Counter[_File] = Counter()
        self._busy: set[_File] = set()

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Read of a file; who reads or opens already waits only for who is opening now."""
        file, local = _File.of(path), self._local
        goes_on = bool(local.held or local.open)
        with self._changed:

            def free() -> bool:
                return not file.meets(self._busy - local.open if goes_on else self._wanting)

            if not free():
                self._rest(local.held)
                self._take_up(local.held, free)
            self._readers[file] += 1
        local.held[file] += 1
        try:
            yield
        finally:
            _less(local.held, file)
            with self._changed:
                _less(self._readers, file)
                self._changed.notify_all()

    @contextmanager
    def opening(self, path: str) -> Iterator[None]:
        """Open a file while nobody reads of it."""
        file, local = _File.of(path), self._local
        if file in local.open:
            yield
            return
        resting, local.held = local.held, Counter()
        with self._changed:
            self._wanting[file] += 1
            self._rest(resting)
            self._take_up(local.held, lambda: not file.meets(self._in_use()))
            self._busy.add(file)
        local.open.add(file)
        try:
            yield
        finally:
            local.open.discard(file)
            with self._changed:
                self._busy.discard(file)
                _less(self._wanting, file)
                self._rest(local.held)
                self._take_up(resting, lambda: True)
            local.held = resting

    def _rest(self, held: Counter[_File]) -> None:
        """Have what a thread reads and opens not count."""
        self._readers = self._readers - held
        self._busy -= self._local.open
        self._changed.notify_all()

    def _take_up(self, held: Counter[_File], free: Callable[[], bool]) -> None:
        """Have it count again, when it is ``free`` to and nobody else is in the way of any of it."""
        own = self._local.open
        self._changed.wait_for(
            lambda: (
                free()
                and not any(file.meets(self._busy) for file in held)
                and not any(file.meets(self._in_use()) for file in own)
            )
        )
        self._readers.update(held)
        self._busy |= own

    def _in_use(self) -> set[_File]:
        return {*self._readers, *self._busy}


def _less(counts: Counter[_File], file: _File) -> None:
    """Take one away from a count; one of nothing is not kept."""
    counts[file] -= 1
    if not counts[file]:
        del counts[file]
