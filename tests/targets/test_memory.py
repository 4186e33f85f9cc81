"""The result in memory."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.targets.memory import MemorySink


@pytest.mark.parametrize("fill", [0, 7, np.nan])
def test_what_is_never_written_is_fill(fill):
    dtype = np.dtype("float32" if fill != fill else "int16")  # noqa: PLR0124 - NaN
    # Memory that was used before is not empty.
    ballast = [np.full((2, 200, 300), 77, dtype) for _ in range(4)]
    del ballast
    spec = ResultSpec(RasterDomain((2, 200, 300), dtype=dtype), (64, 64), fill)
    sink = MemorySink(spec)
    n_bytes = sink.write([(Box(64, 128, 0, 300), {"data": np.ones((2, 64, 300), dtype)})])
    wanted = np.full((2, 200, 300), fill, dtype)
    wanted[:, 64:128] = 1
    array = sink.complete().arrays["data"]
    np.testing.assert_array_equal(array, wanted)
    assert array.dtype == dtype
    assert n_bytes == 2 * 64 * 300 * dtype.itemsize


def test_two_dimensional_results_lose_the_band():
    sink = MemorySink(ResultSpec(RasterDomain((20, 30), dtype=np.dtype("uint8")), (8, 8), 0))
    sink.write([(Box(8, 16, 0, 30), {"data": np.full((1, 8, 30), 5, "uint8")})])
    array = sink.complete().arrays["data"]
    assert array.shape == (20, 30)
    assert array.sum() == 5 * 8 * 30
