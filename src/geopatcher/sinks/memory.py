"""The result as an array in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.box import Box
    from geopatcher.domain import ResultSpec
    from geopatcher.protocols import Array


class MemorySink:
    """Holds the whole result; the only sink that does."""

    def __init__(self, spec: ResultSpec) -> None:
        self.arrays = {name: np.zeros(shape, dtype) for name, (shape, dtype, _) in spec.arrays().items()}
        for name, (_, _, fill) in spec.arrays().items():
            if fill != 0:
                self.arrays[name].fill(fill)

    def write(self, box: Box, arrays: Mapping[str, Array]) -> int:
        """Copy the blocks of ``box`` into place; return their bytes."""
        for name, array in arrays.items():
            self.arrays[name][..., *box.slices()] = array if self.arrays[name].ndim == 3 else array[0]
        return sum(array.nbytes for array in arrays.values())
