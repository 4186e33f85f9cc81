"""Open GDAL datasets, lent to one thread at a time and kept warm between reads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

import rasterio
from rasterio.errors import RasterioError, RasterioIOError

from geopatcher.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rasterio.io import DatasetReader

#: Idle datasets kept open: closing one drops GDAL's block cache and costs ~100 warm reads.
MAX_IDLE = 16
#: GDAL's default cache (5 % of the machine) buys nothing when strips are read once.
CACHE_BYTES = 16 << 20


class HandlePool:
    """Lends dataset handles; a handle is never in two hands at once.

    GDAL handles are not thread-safe, so each borrower gets its own. Idle ones are kept up to
    ``max_idle``, least recently used closed first. Pickles as an empty pool.
    """

    def __init__(self, max_idle: int = MAX_IDLE) -> None:
        self._max_idle = max_idle
        self._lock = threading.Lock()
        self._idle: OrderedDict[int, tuple[str, DatasetReader]] = OrderedDict()

    @contextmanager
    def borrow(self, path: str) -> Iterator[DatasetReader]:
        """Give a dataset for ``path``; it returns to the pool afterwards.

        Raises
        ------
        SourceError
            The file is missing, unreadable or not a raster.

        """
        dataset = self._take(path) or self._open(path)
        try:
            yield dataset
        except RasterioError:
            dataset.close()  # its state is unknown after an error
            raise
        self._give_back(path, dataset)

    def close(self) -> None:
        """Close every idle dataset."""
        with self._lock:
            datasets = [dataset for _, dataset in self._idle.values()]
            self._idle.clear()
        for dataset in datasets:
            dataset.close()

    def _take(self, path: str) -> DatasetReader | None:
        with self._lock:
            for key, (known, dataset) in reversed(self._idle.items()):
                if known == path:
                    del self._idle[key]
                    return dataset
        return None

    @staticmethod
    def _open(path: str) -> DatasetReader:
        try:
            with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
                return rasterio.open(path)
        except RasterioIOError as error:
            raise SourceError(f"cannot open {path} as a raster: {error}") from error

    def _give_back(self, path: str, dataset: DatasetReader) -> None:
        with self._lock:
            self._idle[id(dataset)] = (path, dataset)
            surplus = [self._idle.popitem(last=False)[1][1] for _ in range(len(self._idle) - self._max_idle)]
        for old in surplus:
            old.close()

    def __reduce__(self) -> tuple[type[HandlePool], tuple[int]]:
        return (HandlePool, (self._max_idle,))


#: Shared by every field of the process, so that many fields together stay bounded.
POOL = HandlePool()
