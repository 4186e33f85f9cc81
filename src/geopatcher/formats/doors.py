"""Files elsewhere are opened while nobody reads of them: else both may wait for each other for ever.

While GDAL opens a file rasterio keeps the interpreter. GDAL waits there for bytes of the file that a reader
is fetching already, and what GDAL says while it fetches them waits for the interpreter.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Local(threading.local):
    """How often one thread is within the reading of each file."""

    def __init__(self) -> None:
        self.held: Counter[str] = Counter()


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
        """Read of a file; one that reads of it already never waits."""
        held = self._local.held
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
        own = self._local.held[path]
        with self._changed:
            self._wanting[path] += 1
            _less(self._readers, path, own)
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._readers[path] and path not in self._busy)
            self._busy.add(path)
        try:
            yield
        finally:
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
