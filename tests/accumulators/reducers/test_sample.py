from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher.accumulators.reducers.sample import KeyedSample


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=8),
    size=st.integers(1, 30),
    seed=st.integers(0, 2**32),
)
def test_a_keyed_sample_is_the_head_of_the_sorted_rows(sizes, size, seed):
    rng = np.random.default_rng(seed)
    sample, everything = KeyedSample(size), []
    for n in sizes:
        keys = rng.integers(0, 50, n).astype(np.uint64)  # many equal ones
        rows = rng.integers(0, 3, (n, 2)).astype(np.float64)
        everything += [(int(key), *row) for key, row in zip(keys, rows.tolist(), strict=True)]
        sample.add(keys, rows)
        keys[:], rows[:] = 0, -1  # callers reuse their buffers
    head = sorted(everything)[:size]
    found = sample.sample()
    assert ([] if found is None else found.tolist()) == [list(row[1:]) for row in head]
