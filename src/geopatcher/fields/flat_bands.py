"""Arrays of several leading dimensions as arrays of bands: all of them in one, the last running fastest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.fields.source_files import files_under

if TYPE_CHECKING:
    from pathlib import Path
    from types import EllipsisType

    from geopatcher.core.arrays import Array, Sliceable


@dataclass(frozen=True, eq=False)
class FlatBands:
    """An array ``(..., height, width)`` as one ``(bands, height, width)``, read when it is asked for."""

    array: Sliceable

    def files(self) -> tuple[Path, ...]:
        """Return the files the array comes from."""
        return files_under(self.array)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(bands, height, width)``."""
        return (math.prod(self._lengths), *self.array.shape[-2:])

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        return self.array.dtype

    @property
    def _lengths(self) -> tuple[int, ...]:
        return tuple(map(int, self.array.shape[:-2]))

    def __getitem__(self, index: tuple[EllipsisType | slice, ...]) -> Array:
        """Return a rectangle of all bands, or of some of them."""
        rows, cols = index[-2:]
        first = index[0] if len(index) == 3 else ...
        if first is ... or first == slice(None):
            part = np.asarray(self.array[(..., rows, cols)])
            return part.reshape(self.shape[0], *part.shape[-2:])
        bands = np.arange(self.shape[0])[first]
        parts = []
        for band in np.atleast_1d(bands).tolist():
            places = np.unravel_index(band, self._lengths)
            part = np.asarray(self.array[(*(slice(int(at), int(at) + 1) for at in places), rows, cols)])
            parts.append(part.reshape(1, *part.shape[-2:]))
        cells: Array = np.concatenate(parts)
        return cells if bands.ndim else cells[0]


@dataclass(frozen=True, eq=False)
class Repeated:
    """An array that has some of the leading dimensions only, as a mask may: the same along all others.

    ``lengths`` are those of all of them, and ``held`` says which of them the array has.
    """

    array: Sliceable
    lengths: tuple[int, ...]
    held: tuple[bool, ...]

    def files(self) -> tuple[Path, ...]:
        """Return the files the array comes from."""
        return files_under(self.array)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of all leading dimensions, rows and columns."""
        return (*self.lengths, *self.array.shape[-2:])

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        return self.array.dtype

    def __getitem__(self, index: tuple[EllipsisType | slice, ...]) -> Array:
        """Return a rectangle along all leading dimensions, or of a part of each."""
        n_leading = len(self.lengths)
        whole = [slice(None)] * n_leading
        parts = [part for part in index[:-2] if isinstance(part, slice)] or whole
        own = [part for part, held in zip(parts, self.held, strict=True) if held]
        cells = np.asarray(self.array[(*own, *index[-2:])])
        spread = cells[tuple(slice(None) if held else np.newaxis for held in self.held)]
        lengths = [len(range(n)[part]) for n, part in zip(self.lengths, parts, strict=True)]
        repeated: Array = np.broadcast_to(spread, (*lengths, *cells.shape[-2:]))
        return repeated


def along_all(array: Sliceable, lengths: tuple[int, ...], held: tuple[bool, ...]) -> Sliceable:
    """Return an array of some of the leading dimensions as one of bands; of none, ``(height, width)``."""
    return flat_bands(array if all(held) or not any(held) else Repeated(array, lengths, held))


def flat_bands(array: Sliceable) -> Sliceable:
    """Return an array with all its leading dimensions in one: itself, or a view of it, where that can be.

    >>> flat_bands(np.zeros((12, 4, 20, 30))).shape, flat_bands(np.zeros((20, 30))).shape
    ((48, 20, 30), (20, 30))
    """
    if len(array.shape) <= 3:
        return array
    if isinstance(array, np.ndarray) and array.flags.c_contiguous:
        flat: Array = array.reshape(-1, *array.shape[-2:])
        return flat
    return FlatBands(array)
