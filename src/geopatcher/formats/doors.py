"""Files elsewhere are opened while nobody reads of them: else both may wait for each other for ever.

While GDAL is asked what a file is (its files, masks, nodata values, levels) rasterio keeps the interpreter.
GDAL waits there for bytes of the file that a reader is fetching already, and what GDAL says while it fetches
them waits for the interpreter. It answers from memory what it was asked before.

A mosaic reads of other files under their own names: what is elsewhere and a mosaic, and two mosaics, are
taken for the same file here.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from geopatcher.formats.local_files import is_elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: Names of datasets that are made of others, up to a question mark; and how the text of one begins.
_COMPOSED = re.compile(r"^\s*<|^(vrt|gti|stacit):|\.(vrt|gti|gti\.(gpkg|fgb|parquet))$", re.IGNORECASE)
_LISTS = (b"<VRTDataset", b"<GDALTileIndexDataset")
#: Bytes within which a file says that it is such a list.
_HEAD_BYTES = 512


@lru_cache(maxsize=1024)
def is_composed(path: str) -> bool:
    """Whether a dataset may be made of others, which are read under names of their own.

    >>> [is_composed(path) for path in ("a.tif", "https://host/a.vrt?key=1", "<VRTDataset/>", "GTI:a.gpkg")]
    [False, True, True, True]
    """
    if _COMPOSED.search(path.partition("?")[0]):
        return True
    if is_elsewhere(path):
        return False
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except (OSError, ValueError):  # it is a folder, or no file; it fails when it is opened, if it has to
        return False
    return any(name in head for name in _LISTS)


def _meet(one: str, other: str) -> bool:
    """Whether two datasets may read of the same file."""
    if one == other:
        return True
    composed = is_composed(one), is_composed(other)
    return any(composed) and all(
        made or is_elsewhere(path) for made, path in zip(composed, (one, other), strict=True)
    )


def _met(path: str, others: Iterable[str]) -> bool:
    return any(_meet(path, other) for other in others)


class _Local(threading.local):
    """How often one thread is within the reading of each file, and which it is opening."""

    def __init__(self) -> None:
        self.held: Counter[str] = Counter()
        self.open: set[str] = set()


class Doors:
    """Many read of a file at once, or one opens it. Who wants to open goes before who wants to read.

    Who waits does not read: all that a thread has begun to read rests meanwhile, and goes on when nobody
    opens any of it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._local = _Local()
        self._readers: Counter[str] = Counter()
        self._wanting: Counter[str] = Counter()
        self._busy: set[str] = set()

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Read of a file; who reads already, or opens, waits for nobody who only wants to open."""
        local = self._local
        begun = bool(local.held or local.open)
        with self._changed:
            self._wait(lambda: not _met(path, self._busy - local.open if begun else self._wanting))
            self._readers[path] += 1
        local.held[path] += 1
        try:
            yield
        finally:
            _less(local.held, path)
            with self._changed:
                _less(self._readers, path)
                self._changed.notify_all()

    @contextmanager
    def opening(self, path: str) -> Iterator[None]:
        """Open a file while nobody reads of it."""
        local = self._local
        if path in local.open:
            yield
            return
        resting, local.held = local.held, Counter()
        with self._changed:
            self._wanting[path] += 1
            self._rest(resting)
            self._changed.wait_for(
                lambda: not (_met(path, self._readers) or _met(path, self._busy - local.open))
            )
            self._busy.add(path)
        local.open.add(path)
        try:
            yield
        finally:
            local.open.discard(path)
            with self._changed:
                self._busy.discard(path)
                _less(self._wanting, path)
                self._changed.notify_all()
                self._go_on(resting, lambda: True)
            local.held = resting

    def _wait(self, may_go: Callable[[], bool]) -> None:
        """Wait until one may go; what it reads already rests meanwhile."""
        if may_go():
            return
        resting = self._local.held.copy()
        self._rest(resting)
        self._go_on(resting, may_go)

    def _rest(self, held: Counter[str]) -> None:
        """Have what a thread reads not count."""
        self._readers.subtract(held)
        self._readers = +self._readers
        self._changed.notify_all()

    def _go_on(self, held: Counter[str], may_go: Callable[[], bool]) -> None:
        """Have it count again, when one may go and nobody else opens any of it."""
        own = self._local.open
        self._changed.wait_for(lambda: may_go() and not any(_met(path, self._busy - own) for path in held))
        self._readers.update(held)


def _less(counts: Counter[str], path: str) -> None:
    """Take one away from a count; one of nothing is not kept."""
    counts[path] -= 1
    if not counts[path]:
        del counts[path]
