"""Boxes of arrays that zarr itself encodes, such as sharded ones, put into their files by us.

zarr makes the folders it writes into, up to the first: a writer that outlives its run would bring
back what was removed. So zarr writes into memory, and the files are ours.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Protocol

import numpy as np

from geopatcher._optional import load
from geopatcher.core.box import Box
from geopatcher.targets.chunk_files import grid_of, keys_of, place_of
from geopatcher.targets.digests import NO_FILE, with_moments
from geopatcher.targets.statistics import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import zarr

    from geopatcher.core.protocols import Array
    from geopatcher.targets.digests import FileRecord
    from geopatcher.targets.files import Files
    from geopatcher.targets.statistics import Counting


class Encoded(Protocol):
    """Bytes in memory, as zarr holds them."""

    def to_bytes(self) -> bytes:
        """Return them."""
        ...


class BoxWriter:
    """Writes boxes of whole blocks of an array into ``files``; used as `ChunkWriter` is."""

    def __init__(self, array: zarr.Array, files: Files, counting: Counting | None = None) -> None:
        self._array, self._files, self._counting = array, files, counting
        self._encoded: dict[str, Encoded] = {}
        store = load("zarr.storage").MemoryStore(self._encoded)
        # Some versions of zarr take 0 for the fill of a copy, whatever that of the array is.
        self._twin = load("zarr").from_array(store, data=array, write_data=False, fill_value=array.fill_value)
        self._written: dict[str, FileRecord] = {}
        self._moments: dict[str, Array] = {}

    def tasks(
        self, box: Box, values: Array, first: int = 0, said: Array | None = None
    ) -> Iterator[Callable[[], None]]:
        """Yield what writes ``values``, ``(bands, h, w)``, at a box; they are the bands from ``first`` on.

        Of arrays whose files hold several bands that is all of them.
        """
        if box.n_pixels:
            yield partial(self._put, box, values, first, said)

    def take(self, box: Box) -> Array:
        """Return, once, what is known of the files of a box: ``(bands, rows, columns, 3)`` and moments."""
        keys, grid = list(keys_of(self._array, box)), tuple(map(len, grid_of(self._array, box)))
        known = np.array([self._written.pop(key, NO_FILE) for key in keys], np.int64)
        if self._counting is None:
            return known.reshape(*grid, -1)
        moments = np.full((len(keys), self._counting.n_columns), NOTHING)
        for row_of, key in zip(moments, keys, strict=True):
            row_of[...] = self._moments.pop(key, row_of)
        return with_moments(known, moments).reshape(*grid, -1)

    def _put(self, box: Box, values: Array, first: int, said: Array | None) -> None:
        leading = self._array.shape[:-2]
        if len(values) == math.prod(leading):
            self._twin[(..., *box.slices())] = values.reshape(*leading, *values.shape[-2:])
        else:
            for band, cells in enumerate(values, first):
                self._twin[(*place_of(self._array, band), *box.slices())] = cells
        self._count(box, values, first, said)
        for key in keys_of(self._array, box, range(first, first + len(values))):
            encoded = self._encoded.pop(key, None)
            if encoded is None:
                self._files.remove(key)
                self._written.pop(key, None)
                continue
            self._written[key] = self._files.put(key, encoded.to_bytes())

    def _count(self, box: Box, values: Array, first: int, said: Array | None) -> None:
        """Count the cells of each file: of arrays that are counted it is of one band."""
        if self._counting is None:
            return
        height, width = (self._array.shards or self._array.chunks)[-2:]
        _, rows, cols = grid_of(self._array, box)
        places = product(range(len(values)), rows, cols)
        keys = keys_of(self._array, box, range(first, first + len(values)))
        for key, (band, row, col) in zip(keys, places, strict=True):
            piece = Box(row * height, (row + 1) * height, col * width, (col + 1) * width).intersect(box)
            where = (band, *piece.slices(box))
            self._moments[key] = self._counting.moments(values[where], None if said is None else said[where])
