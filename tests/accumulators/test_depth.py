"""Which depths are known, and which dtypes sums over them need."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.accumulators.depth import ASSUMED_DEPTH, UNKNOWN_FROM, exact_dtype, known_depth, mean_dtype


def test_depths():
    assert [known_depth(depth) for depth in (1, 64, UNKNOWN_FROM - 1)] == [1, 64, UNKNOWN_FROM - 1]
    assert [known_depth(depth) for depth in (UNKNOWN_FROM, 1 << 30)] == [ASSUMED_DEPTH] * 2


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float32", "int32", "float64"])
def test_means_hold_what_is_averaged(dtype):
    found = mean_dtype(np.dtype(dtype))
    assert found == ("float64" if dtype in ("int32", "float64") else "float32")
    assert np.can_cast(dtype, found, "same_kind")


@pytest.mark.parametrize(
    ("dtype", "depth", "wanted"),
    [
        ("uint8", 9, "float32"),
        ("uint8", 10, "float64"),
        ("float32", 9, "float32"),
        ("int32", 1, "float64"),
        ("float64", 1, "float64"),
    ],
)
def test_sums_are_wide_where_rounding_would_show(dtype, depth, wanted):
    assert exact_dtype(np.dtype(dtype), depth) == wanted
