"""Boxes of arrays that zarr itself encodes, such as sharded ones, put into their files by us.

zarr makes the folders it writes into, up to the first: a writer that outlives its run would bring
back what was removed. So zarr writes into memory, and the files are ours.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from geopatcher._optional import load
from geopatcher.targets.chunk_files import grid_of, keys_of, place_of
from geopatcher.targets.digests import NO_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import zarr

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array
    from geopatcher.targets.digests import FileRecord
    from geopatcher.targets.files import Files


class Encoded(Protocol):
    """Bytes in memory, as zarr holds them."""

    def to_bytes(self) -> bytes:
        """Return them."""
        ...


class BoxWriter:
    """Writes boxes of whole blocks of an array into ``files``; used as `ChunkWriter` is."""

    def __init__(self, array: zarr.Array, files: Files) -> None:
        self._array, self._files = array, files
        self._encoded: dict[str, Encoded] = {}
        store = load("zarr.storage").MemoryStore(self._encoded)
        # Some versions of zarr take 0 for the fill of a copy, whatever that of the array is.
        self._twin = load("zarr").from_array(store, data=array, write_data=False, fill_value=array.fill_value)
        self._written: dict[str, FileRecord] = {}

    def tasks(self, box: Box, values: Array, first: int = 0) -> Iterator[Callable[[], None]]:
        """Yield what writes ``values``, ``(bands, h, w)``, at a box; they are the bands from ``first`` on.

        Of arrays whose files hold several bands that is all of them.
        """
        if box.n_pixels:
            yield partial(self._put, box, values, first)

    def take(self, box: Box) -> Array:
        """Return, once, what is known of the files of a box: ``(bands, rows, columns, 3)``."""
        known = [self._written.pop(key, NO_FILE) for key in keys_of(self._array, box)]
        return np.array(known, np.int64).reshape(*map(len, grid_of(self._array, box)), 3)

    def _put(self, box: Box, values: Array, first: int) -> None:
        leading = self._array.shape[:-2]
        if len(values) == math.prod(leading):
            self._twin[(..., *box.slices())] = values.reshape(*leading, *values.shape[-2:])
        else:
            for band, cells in enumerate(values, first):
                self._twin[(*place_of(self._array, band), *box.slices())] = cells
        for key in keys_of(self._array, box, range(first, first + len(values))):
            encoded = self._encoded.pop(key, None)
            if encoded is None:
                self._files.remove(key)
                self._written.pop(key, None)
                continue
            self._written[key] = self._files.put(key, encoded.to_bytes())
