"""The result as an array in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher.box import Box
from geopatcher.buffers import once
from geopatcher.finished import Finished

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geopatcher.domain import ResultSpec
    from geopatcher.protocols import Array, FinishedTile


class MemorySink:
    """Holds the whole result; the only sink that does.

    Memory is taken when blocks are written, in the thread that writes them.
    """

    def __init__(self, spec: ResultSpec) -> None:
        self._spec = spec
        self._finished = Finished(spec.chunks[0])
        self._arrays = {name: once(shape, dtype) for name, (shape, dtype, _) in spec.arrays().items()}

    def write(self, tiles: Iterable[FinishedTile]) -> int:
        """Copy tiles into place; return their bytes."""
        n_bytes = 0
        for box, arrays in tiles:
            for name, array in arrays.items():
                self._arrays[name][..., *box.slices()] = array if self._arrays[name].ndim == 3 else array[0]
                n_bytes += array.nbytes
            self._finished.add(box)
        return n_bytes

    def complete(self) -> dict[str, Array]:
        """Return the arrays, with fill where nothing was written."""
        whole = Box.of_shape(self._spec.domain.grid_shape)
        for box in self._finished.missing(whole):
            for name, (_, _, fill) in self._spec.arrays().items():
                self._arrays[name][..., *box.slices()] = fill
        return self._arrays
