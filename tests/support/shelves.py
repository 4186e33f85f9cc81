"""Memory on the shelf of the buffers, and arrays large enough to lie there."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from geopatcher.core import buffers
from geopatcher.core.buffers import LARGE_BYTES

U8 = np.dtype("uint8")
N = LARGE_BYTES
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is mapped on Linux only")


def kept():
    """Pieces of memory on the shelf, by size."""
    return {n_bytes: len(pieces) for n_bytes, pieces in buffers._SHELF._memory.items() if pieces}


def ends(array):
    return array[::1023]
