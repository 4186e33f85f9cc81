from __future__ import annotations

import numpy as np
import psutil
import pytest

from geopatcher.buffers import LARGE_BYTES, zeros


@pytest.mark.parametrize("shape", [(3,), (2, 5, 7), (1, 2048, 1024), (0, 4)])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_they_are_zeros_and_can_be_written(shape, dtype):
    array = zeros(shape, np.dtype(dtype))
    assert array.shape == shape
    assert array.dtype == dtype
    assert not array.any()
    array += 1
    assert (array == 1).all()
    assert array.flags.c_contiguous


def test_large_ones_go_back_to_the_system_at_once():
    process = psutil.Process()
    array = zeros((64 * LARGE_BYTES,), np.dtype("uint8"))
    array += 1
    held = process.memory_info().rss
    del array
    assert held - process.memory_info().rss > 60 * LARGE_BYTES
