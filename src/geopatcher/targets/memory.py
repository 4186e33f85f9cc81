"""The result as an array in memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.box import Box
from geopatcher.core.buffers import sparse_zeros
from geopatcher.core.gaps import MISSING, VALID, Gaps, gaps_of, together
from geopatcher.core.remaining import Finished
from geopatcher.targets.product import Product

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import Array, FinishedTile


class MemorySink:
    """Holds the whole result; the only sink that does.

    Memory is taken when blocks are written, in the thread that writes them; for a mask, when the first
    cell is missing.
    """

    def __init__(self, spec: ResultSpec) -> None:
        self._spec = spec
        self._finished = Finished(spec.chunks[0])
        kinds = {name: kind for name, kind in spec.arrays().items() if name != VALID}
        self._fills = {name: fill for name, (_, _, fill) in kinds.items()}
        self._shapes = {name: shape for name, (shape, _, _) in kinds.items()}
        # All leading dimensions in one, as in tiles, until the result is complete.
        self._arrays = {name: sparse_zeros(_flat(shape), dtype) for name, (shape, dtype, _) in kinds.items()}
        self._valid: Array | None = None
        self._gaps = Gaps()

    def write(self, tiles: Iterable[FinishedTile]) -> int:
        """Copy tiles into place; return their bytes."""
        n_bytes = 0
        for box, arrays in tiles:
            for name, array in arrays.items():
                if name == VALID:
                    self._note(box, array)
                    continue
                self._arrays[name][..., *box.slices()] = array if self._arrays[name].ndim == 3 else array[0]
                n_bytes += array.nbytes
            self._finished.add(box)
        return n_bytes

    @property
    def has_mask(self) -> bool:
        """Whether a mask had to be made, as cells are missing."""
        return self._valid is not None

    def complete(self) -> Product:
        """Return the arrays, with fill where nothing was written."""
        spec = self._spec
        for box in self._finished.missing(Box.of_shape(spec.domain.grid_shape)):
            for name, fill in self._fills.items():
                self._arrays[name][..., *box.slices()] = fill
            if spec.masked:
                self._note(box, np.full((spec.n_bands, *box.shape), MISSING, np.uint8))
        settled = spec.settled(self._gaps)
        arrays = {name: array.reshape(self._shapes[name]) for name, array in self._arrays.items()}
        if settled.masked and self._valid is not None:
            arrays[VALID] = self._valid.reshape(spec.domain.array_shape)
        return Product(settled, dict(arrays), self._gaps._replace(uneven=0))  # each band has its own

    def _note(self, box: Box, said: Array) -> None:
        """Keep which cells of a tile hold data, and count."""
        found = gaps_of(said)
        self._gaps = together(self._gaps, found)
        if not found.missing:
            return
        if self._valid is None:
            self._valid = np.ones(self._spec.domain.shape, bool)
        held = said != MISSING
        self._valid[..., *box.slices()] = held if self._valid.ndim == 3 else held[0]


def _flat(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape with all its leading dimensions in one."""
    return shape if len(shape) < 4 else (math.prod(shape[:-2]), *shape[-2:])
