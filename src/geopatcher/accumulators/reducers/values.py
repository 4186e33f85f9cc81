"""The cells a reducer is fed with, and keys that tell them apart whatever order they come in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array

#: Cells of a band reduced at once: what is computed of them fits the processor's cache, or nearly.
PIECE_CELLS = 1 << 19
_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """Cells of one rectangle of the raster.

    ``data`` is ``(bands, h, w)``, ``valid`` shaped like it or ``None`` when every cell counts, ``box``
    where they lie. NaN must be marked as not valid.
    """

    data: Array
    valid: Array | None
    box: Box
    _keys: dict[int, Array] = field(default_factory=dict, init=False, repr=False)

    @property
    def n_bands(self) -> int:
        """Bands."""
        return int(self.data.shape[0])

    def band(self, index: int) -> Array:
        """Return the cells of a band that count, ``(n,)``."""
        data: Array = self.data[index]
        return data.reshape(-1) if self.valid is None else data[self.valid[index]]

    def band_keys(self, index: int, seed: int) -> Array:
        """Return the keys of those cells, ``(n,)`` uint64."""
        keys = self._all_keys(seed)
        return keys.reshape(-1) if self.valid is None else keys[self.valid[index]]

    def pixels(self) -> Array:
        """Return the pixels that count in every band, ``(n, bands)``."""
        flat = self.data.reshape(self.n_bands, -1)
        return (flat if self.valid is None else flat[:, self.valid.all(axis=0).reshape(-1)]).T

    def pixel_keys(self, seed: int) -> Array:
        """Return the keys of those pixels, ``(n,)`` uint64."""
        keys = self._all_keys(seed)
        return keys.reshape(-1) if self.valid is None else keys[self.valid.all(axis=0)]

    def _all_keys(self, seed: int) -> Array:
        if seed not in self._keys:
            self._keys[seed] = pixel_keys(self.box, seed)
        return self._keys[seed]


def pieces_of(box: Box) -> Iterator[Box]:
    """Cut a box into whole rows of up to `PIECE_CELLS` pixels."""
    return box.tiles((max(1, PIECE_CELLS // max(1, box.width)), max(1, box.col1)))


def pixel_keys(box: Box, seed: int) -> Array:
    """Return a key for each pixel of a box, ``(h, w)`` uint64: uniform, and different for each pixel.

    The key depends on the pixel's row and column and on the seed alone, so choosing pixels by key
    chooses the same ones whatever pieces a raster comes in. The finaliser of SplitMix64 (Steele,
    Lea & Flood 2014, https://doi.org/10.1145/2660193.2660195), applied to the position.

    >>> from geopatcher.core.box import Box
    >>> whole = pixel_keys(Box(0, 4, 0, 4), seed=1)
    >>> bool((whole[2:, 1:3] == pixel_keys(Box(2, 4, 1, 3), seed=1)).all())
    True
    """
    rows = np.arange(box.row0, box.row1, dtype=np.uint64)[:, np.newaxis] << np.uint64(32)
    keys: Array = rows | np.arange(box.col0, box.col1, dtype=np.uint64)
    keys ^= np.uint64(_start(seed))
    other = np.empty_like(keys)
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        np.right_shift(keys, np.uint64(shift), out=other)
        keys ^= other
        keys *= np.uint64(factor)
    np.right_shift(keys, np.uint64(31), out=other)
    keys ^= other
    return keys


def _start(seed: int) -> int:
    """Spread a seed over 64 bits, so that neighbouring seeds share nothing."""
    mixed = (seed + 1) * _STEP & _MASK
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        mixed = (mixed ^ mixed >> shift) * factor & _MASK
    return mixed ^ mixed >> 31
