"""Files elsewhere are opened while nobody reads of them: else both may wait for each other for ever.

While GDAL is asked what a file is (its files, masks, nodata values, levels) rasterio keeps the interpreter.
GDAL waits there for bytes of the file that a reader is fetching already, and what GDAL says while it fetches
them waits for the interpreter. It answers from memory what it was asked before.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Local(threading.local):
    """How often one thread is within the reading of each file, and which it is opening."""

    def __init__(self) -> None:
        self.held: Counter[str] = Counter()
        self.open: set[str] = set()


class Doors:
    """Many read of a file at once, or one opens it. Who wants to open goes before who wants to read."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._local = _Local()
        self._readers: Counter[str] = Counter()
        self._wanting: Counter[str] = Counter()
        self._busy: set[str] = set()

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Read of a file; who reads of it already, or opens it, never waits."""
        held = self._local.held
        if path in self._local.open:
            yield
            return
        with self._changed:
            if not held[path]:
                self._changed.wait_for(lambda: not self._wanting[path])
            self._readers[path] += 1
        held[path] += 1
        try:
            yield
        finally:
            _less(held, path)
            with self._changed:
                _less(self._readers, path)
                self._changed.notify_all()

    @contextmanager
    def opening(self, path: str) -> Iterator[None]:
        """Open a file while nobody reads of it; the reading of who opens it rests meanwhile."""
        if path in self._local.open:
            yield
            return
        own = self._local.held[path]
        with self._changed:
            self._wanting[path] += 1
            _less(self._readers, path, own)
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._readers[path] and path not in self._busy)
            self._busy.add(path)
        self._local.open.add(path)
        try:
            yield
        finally:
            self._local.open.discard(path)
            with self._changed:
                self._busy.discard(path)
                _less(self._wanting, path)
                _less(self._readers, path, -own)
                self._changed.notify_all()


def _less(counts: Counter[str], path: str, number: int = 1) -> None:
    """Take away from a count; one of nothing is not kept."""
    counts[path] -= number
    if not counts[path]:
        del counts[path]
