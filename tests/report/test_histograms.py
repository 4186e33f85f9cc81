from __future__ import annotations

import numpy as np
import pytest

from geopatcher.report.histograms import BARS, Histogram


def test_it_counts_as_numpy_does():
    cells = np.random.default_rng(0).normal(size=(200, 300)).astype("float32")
    cells[:20] = np.nan
    known = cells[20:].astype(float)
    found = Histogram.of(cells)
    assert found.counts == tuple(np.histogram(known, BARS)[0])
    assert found.ends == (known.min(), known.max())
    assert found.middle == pytest.approx(np.quantile(known, (0.02, 0.98)))
    assert found.told() == {
        "counts": list(found.counts),
        "ends": list(found.ends),
        "middle": list(found.middle),
    }


@pytest.mark.parametrize(
    ("cells", "total"), [(np.full(5, np.nan), 0), (np.full(5, 7.0), 5), (np.array([np.inf, 1.0]), 1)]
)
def test_a_range_is_never_empty(cells, total):
    found = Histogram.of(cells)
    assert found.ends[0] < found.ends[1]
    assert sum(found.counts) == total
