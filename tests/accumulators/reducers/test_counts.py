from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geopatcher.accumulators.reducers.counts import MAX_DISTINCT, Counts, distinct, quantiles


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


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
def test_counts_of_pieces_and_of_two_counts_are_numpys(dtype):
    cells = np.array([3, 0, 3, 100, 7, 7, 7, 0, 5], dtype)
    one, other = Counts(np.dtype(dtype)), Counts(np.dtype(dtype))
    one.add(cells[:2])
    one.add(cells[2:4])
    other.add(cells[4:])
    one.merge(other)
    for found, expected in zip(one.items(), np.unique(cells, return_counts=True), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert one.complete
    assert one.items()[0].dtype == dtype


def test_as_many_different_values_as_fit_are_counted_and_no_more():
    full, beyond = (Counts(np.dtype("int32")) for _ in range(2))
    full.add(np.arange(MAX_DISTINCT, dtype="int32"))
    full.add(np.array([5], "int32"))
    assert full.complete
    assert full.items()[1].sum() == MAX_DISTINCT + 1
    beyond.add(np.arange(MAX_DISTINCT + 1, dtype="int32"))
    assert not beyond.complete
    assert beyond.items()[0].size == 0
    full.merge(beyond)
    assert not full.complete


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_zeros_of_both_signs_are_one_value_without_a_sign(dtype):
    for cells in ([-0.0], [-0.0, 0.0], [0.0, -0.0, 1.0]):
        values, numbers = distinct(np.array(cells, dtype))
        assert values[0] == 0
        assert not np.signbit(values[0])
        assert numbers[0] == cells.count(0.0)
