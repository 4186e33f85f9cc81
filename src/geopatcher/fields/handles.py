"""Open GDAL datasets, lent to one thread at a time and kept warm between reads."""

from __future__ import annotations

import atexit
import os
import threading
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import rasterio
from rasterio.errors import RasterioIOError

from geopatcher.errors import SourceError
from geopatcher.quiet import no_georeference_warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rasterio.io import DatasetReader

#: Idle datasets kept open: closing one drops GDAL's block cache and costs ~100 warm reads.
MAX_IDLE = 16
#: GDAL's default cache (5 % of the machine) buys nothing when strips are read once.
CACHE_BYTES = 16 << 20


def redacted(text: str, path: str) -> str:
    """Return a message about ``path`` without the query of a URL, which may hold a secret.

    >>> redacted("no https://host/a.tif?sig=abc there", "https://host/a.tif?sig=abc")
    'no https://host/a.tif there'
    """
    bare, query, secret = path.partition("?")
    if "://" not in bare and not bare.startswith("/vsi"):
        return text
    return text.replace(path, bare).replace(query + secret, "") if secret else text


class _Version(NamedTuple):
    """A file as it was when it was opened; a handle to an older version reads old or torn blocks."""

    path: str
    inode: int = 0
    size: int = 0
    mtime_ns: int = 0

    @classmethod
    def of(cls, path: str) -> _Version:
        try:
            status = Path(path).stat()
        except OSError:  # a URL, or one of GDAL's virtual paths; a missing file fails when it is opened
            return cls(path)
        return cls(path, status.st_ino, status.st_size, status.st_mtime_ns)


class HandlePool:
    """Lends dataset handles; a handle is never in two hands at once.

    GDAL handles are not thread-safe, so each borrower gets its own. Idle ones are kept up to
    ``max_idle``, least recently used closed first; one whose file has changed is not lent again.
    Pickles as an empty pool, and is empty in a forked child, whose reads would otherwise move the
    parent's place in the file.
    """

    def __init__(self, max_idle: int = MAX_IDLE) -> None:
        self._max_idle = max_idle
        self._lock = threading.Lock()
        self._idle: OrderedDict[int, tuple[_Version, DatasetReader]] = OrderedDict()

    @contextmanager
    def borrow(self, path: str) -> Iterator[DatasetReader]:
        """Give a dataset for ``path``; it returns to the pool afterwards.

        Raises
        ------
        SourceError
            The file is missing, unreadable or not a raster.

        """
        version = _Version.of(path)
        dataset = self._take(version) or self._open(path)
        try:
            yield dataset
        except BaseException:
            dataset.close()  # its state is unknown after an error
            raise
        self._give_back(version, dataset)

    def close(self) -> None:
        """Close every idle dataset."""
        with self._lock:
            datasets = [dataset for _, dataset in self._idle.values()]
            self._idle.clear()
        for dataset in datasets:
            dataset.close()

    def forget(self) -> None:
        """Start anew, as in a forked child: its parent may have held the lock, and shares the files."""
        self._lock = threading.Lock()
        self._idle = OrderedDict()

    def _take(self, version: _Version) -> DatasetReader | None:
        with self._lock:
            for key, (known, dataset) in reversed(self._idle.items()):
                if known == version:
                    del self._idle[key]
                    return dataset
        return None

    @staticmethod
    def _open(path: str) -> DatasetReader:
        try:
            with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), no_georeference_warning():
                return rasterio.open(path)
        except RasterioIOError as error:
            why = redacted(str(error), path)
            raise SourceError(f"cannot open {redacted(path, path)} as a raster: {why}") from error

    def _give_back(self, version: _Version, dataset: DatasetReader) -> None:
        with self._lock:
            self._idle[id(dataset)] = (version, dataset)
            stale = [
                key
                for key, (known, _) in self._idle.items()
                if known.path == version.path and known != version
            ]
            surplus = [self._idle.pop(key)[1] for key in stale]
            surplus += [self._idle.popitem(last=False)[1][1] for _ in range(len(self._idle) - self._max_idle)]
        for old in surplus:
            old.close()

    def __reduce__(self) -> tuple[type[HandlePool], tuple[int]]:
        return (HandlePool, (self._max_idle,))


#: Shared by every field of the process, so that many fields together stay bounded.
POOL = HandlePool()
# A handle that outlives the interpreter makes rasterio 1.5 complain on stderr.
atexit.register(POOL.close)
os.register_at_fork(after_in_child=POOL.forget)
