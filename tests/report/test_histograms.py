from __future__ import annotations

import numpy as np
import pytest

from geopatcher.core.statistics import Statistics
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
        "whole": list(found.ends),
    }


@pytest.mark.parametrize(
    ("lowest", "highest", "ends"), [(-0.5, 2.0, (-0.5, 2.0)), (0.0, 1e6, (0.0, 1.0))], ids=["near", "outlier"]
)
def test_ends_of_all_cells_are_told_and_an_outlier_does_not_hide_the_rest(lowest, highest, ends):
    cells = np.linspace(0, 1, 101)
    found = Histogram.of(cells, Statistics(lowest, highest, 0.5, 0.3))
    assert (found.whole, found.ends) == ((lowest, highest), ends)
    assert sum(found.counts) == 101
    assert found.middle == pytest.approx((0.02, 0.98))


def test_of_a_sample_without_data_the_ends_of_all_cells_are_known():
    found = Histogram.of(np.full(9, np.nan), Statistics(2.0, 3.0, 2.5, 0.1))
    assert found.whole == found.ends == (2.0, 3.0)


@pytest.mark.parametrize(
    ("cells", "total"), [(np.full(5, np.nan), 0), (np.full(5, 7.0), 5), (np.array([np.inf, 1.0]), 1)]
)
def test_a_range_is_never_empty(cells, total):
    found = Histogram.of(cells)
    assert found.ends[0] < found.ends[1]
    assert sum(found.counts) == total
