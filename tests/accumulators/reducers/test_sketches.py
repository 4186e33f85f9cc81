from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher.accumulators.reducers.counts import distinct
from geopatcher.accumulators.reducers.sketches import FrequentSketch


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    k=st.sampled_from([1, 4, 16]),
    skew=st.floats(0.5, 2.0),
    pieces=st.integers(1, 6),
)
def test_frequent_items_are_right_within_n_over_k(seed, k, skew, pieces):
    rng = np.random.default_rng(seed)
    cells = np.floor(rng.pareto(skew, 5000) * 50)
    sketches = [FrequentSketch(k, cells.dtype) for _ in range(2)]
    for index, piece in enumerate(np.array_split(cells, pieces)):
        sketches[index % 2].take(*distinct(piece))
    sketches[0].merge(pickle.loads(pickle.dumps(sketches[1])))  # noqa: S301
    values, numbers = distinct(cells)
    best = sketches[0].most_frequent()
    # Whatever is named is as frequent as the most frequent one, but for the bound.
    held = 0 if best is None else numbers[values == best][0]
    assert held >= numbers.max() - cells.size / k
    for value, number in zip(values, numbers, strict=True):
        estimate = sketches[0].sketch.get_estimate(float(value))
        assert abs(estimate - number) <= cells.size / k


@pytest.mark.parametrize("k", [1, 2, 16, 1000])
def test_the_librarys_bound_leaves_room_for_ours(k):
    sketch = FrequentSketch(k, np.dtype("float64"))
    assert sketch.sketch.epsilon + 1 / (sketch.capacity + 1) <= 1 / k
