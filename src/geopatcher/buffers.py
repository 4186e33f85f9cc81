"""Large arrays that go back to the system as soon as nobody holds them.

An array of some megabytes, made in one thread and dropped in another, is what allocators keep for
later: over hours the process grows although nothing is leaked. These arrays are mapped one by one.
"""

from __future__ import annotations

import math
import mmap
import sys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from geopatcher.protocols import Array

#: Smaller arrays are left to the allocator, which serves them faster.
LARGE_BYTES = 4 << 20


def zeros(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Return zeros, ``shape`` and ``dtype`` as in `numpy.zeros`.

    >>> int(zeros((3, 1024, 1024), np.dtype("uint16")).sum())
    0
    """
    n_cells = math.prod(shape)
    if n_cells * dtype.itemsize < LARGE_BYTES or sys.platform != "linux":
        return np.zeros(shape, dtype)
    memory = mmap.mmap(-1, n_cells * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)  # a five-hundredth of the page faults
    return np.frombuffer(memory, dtype, n_cells).reshape(shape)
