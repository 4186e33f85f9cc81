from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geopatcher.accumulators.reducers.counts import distinct, quantiles


@settings(max_examples=100, deadline=None)
@given(
    cells=st.lists(st.integers(-50, 50), min_size=1, max_size=40),
    q=st.lists(st.floats(0, 1), min_size=1, max_size=5),
)
@example(cells=[0], q=[0.5])
def test_quantiles_of_counted_values_are_numpys(cells, q):
    values, numbers = np.unique(np.asarray(cells, np.float64), return_counts=True)
    found = quantiles(values, numbers, np.asarray(q))
    np.testing.assert_allclose(found, np.quantile(np.asarray(cells, np.float64), q), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint64", "float32"])
def test_different_values_and_their_numbers_are_numpys(dtype):
    rng = np.random.default_rng(8)
    low, high = (-120, 120) if dtype == "int8" else (0 if dtype == "uint64" else -3000, 3000)
    cells = rng.integers(low, high, 5000).astype(dtype)
    if dtype == "uint64":
        cells += np.uint64(2**64 - 3000)
    for found, expected in zip(distinct(cells), np.unique(cells, return_counts=True), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert distinct(cells)[0].dtype == dtype
