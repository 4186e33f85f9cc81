"""What is remembered of paths that were opened: how to open them once more, and since when that is so."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from geopatcher.formats.signing import SIGNED

#: Paths that are remembered: more than files of which GDAL keeps bytes, 16 MiB in pieces of 16 KiB.
MAX_KNOWN = 4096


class Version(NamedTuple):
    """A file as it was when it was opened; a handle to an older version reads old or torn blocks.

    ``since`` changes when it is opened anew for another reason, see `KnownPaths`.
    """

    path: str
    inode: int = 0
    size: int = 0
    mtime_ns: int = 0
    signature: int = 0
    since: int = 0


@dataclass
class _Known:
    """``beside`` are endings of files beside it, ``None`` where nobody looked at all of them."""

    beside: tuple[str, ...] | None = None
    is_prepared: bool = False
    since: int = 0


@dataclass
class KnownPaths:
    """Remembers so many paths, those that were asked for last.

    >>> known = KnownPaths()
    >>> known.note("a.tif", (".msk",))
    >>> known.beside("a.tif"), known.since("a.tif"), known.beside("b.tif")
    (('.msk',), 0, None)
    >>> known.forget("a.tif"), known.beside("a.tif"), known.since("a.tif")
    (('.msk',), None, 1)
    >>> "a.tif" in known, "b.tif" in known
    (True, False)
    """

    _paths: OrderedDict[str, _Known] = field(default_factory=OrderedDict)
    _count: int = 0
    _anew: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __contains__(self, path: object) -> bool:
        with self._lock:
            return path in self._paths

    def beside(self, path: str) -> tuple[str, ...] | None:
        """Return endings of the files beside one elsewhere, ``None`` where they are not known."""
        with self._lock:
            return self._paths[path].beside if path in self._paths else None

    def note(self, path: str, beside: tuple[str, ...]) -> None:
        """Remember what lies beside a file elsewhere: further datasets need not look again."""
        with self._lock:
            self._of(path).beside = beside

    def is_prepared(self, path: str) -> bool:
        """Whether as many datasets were opened as will be read of at once, since it was opened anew."""
        with self._lock:
            return path in self._paths and self._paths[path].is_prepared

    def note_prepared(self, path: str) -> None:
        """Remember that they were."""
        with self._lock:
            self._of(path).is_prepared = True

    def since(self, path: str) -> int:
        """Return a number that is another as soon as the path was forgotten."""
        with self._lock:
            return self._paths[path].since if path in self._paths else self._anew

    def version(self, path: str) -> Version:
        """Return what a path is now."""
        since = self.since(path)
        try:
            status = Path(path).stat()
        except OSError:  # a URL, or one of GDAL's virtual paths; a missing file fails when it is opened
            return Version(path, signature=SIGNED.count(path), since=since)
        return Version(path, status.st_ino, status.st_size, status.st_mtime_ns, since=since)

    def forget(self, path: str, *, is_same: bool = False) -> tuple[str, ...] | None:
        """Forget all of a path: what is open of it is of old. Returns the endings that were beside it.

        Of one that ``is_same`` these are remembered: one that is not found any more was lost.
        """
        with self._lock:
            self._count += 1
            before = self._of(path)
            self._paths[path] = _Known(before.beside if is_same else None, since=self._count)
            return before.beside

    def clear(self) -> None:
        """Forget all of all paths."""
        with self._lock:
            self._count += 1
            self._anew = self._count
            self._paths.clear()

    def _of(self, path: str) -> _Known:
        known = self._paths.setdefault(path, _Known(since=self._anew))
        self._paths.move_to_end(path)
        while len(self._paths) > MAX_KNOWN:
            self._paths.popitem(last=False)
        return known
