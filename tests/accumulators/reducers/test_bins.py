from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher import (
    SpatialStreamingHistogram,
)
from geopatcher.accumulators.reducers.bins import FINE
from reducing import fields, grouped, whole


@settings(max_examples=150, deadline=None)
@given(field=fields(), bins=st.integers(1, 40), seed=st.integers(0, 2**32))
def test_every_count_of_a_histogram_is_exact(field, bins, seed):
    data, valid = field
    found = grouped(SpatialStreamingHistogram(bins=bins), data, valid, np.random.default_rng(seed))
    for band in range(len(data)):
        cells = data[band][valid[band]].astype(np.float64)
        counts, edges = found["counts"][band], found["edges"][band]
        assert counts.sum() == cells.size
        assert (np.diff(edges) > 0).all()
        place = np.searchsorted(edges, cells, "right") - 1
        np.testing.assert_array_equal(np.bincount(place, minlength=bins), counts)
        if cells.size and np.ptp(cells) > 0:
            # No wider than it has to be: all but one or two of the fine bins kept lie in the range, unless
            # those half as wide did not fit, or are narrower than integers are apart.
            fine = 2 * np.ptp(cells) / (FINE * bins - 1)
            fine = fine if data.dtype.kind == "f" else max(1.0, fine)
            assert edges[1] - edges[0] <= (np.ptp(cells) / bins + fine * (2 / bins + 1)) * (1 + 1e-9)


@pytest.mark.parametrize(
    "cells",
    [
        [1e300, -1e300],
        [5e-324, 0.0],
        [-5e-324, 1e308],
        [1e9, 1e9 + 1e-7],
        [3.0, 3.0],
        [0.0, 0.0],
        [-0.0, 1e-310],
    ],
)
def test_histograms_of_extreme_ranges(cells):
    found = whole(SpatialStreamingHistogram(bins=8), np.array([[cells]]))
    counts, edges = found["counts"][0], found["edges"][0]
    assert counts.sum() == 2
    place = np.searchsorted(edges, cells, "right") - 1
    np.testing.assert_array_equal(np.bincount(place, minlength=8), counts)


def test_integers_have_bins_of_their_own():
    data = np.array([[[3, 3, 9, 250]]], dtype=np.uint8)
    found = whole(SpatialStreamingHistogram(bins=256), data)
    assert np.diff(found["edges"][0]).tolist() == [1.0] * 256
    assert found["counts"][0][[0, 6, 247]].tolist() == [2, 1, 1]
    one = whole(SpatialStreamingHistogram(bins=4), data[..., :2])
    assert one["edges"][0].tolist() == [3.0, 4.0, 5.0, 6.0, 7.0]
    top = np.array([[[2**64 - 1, 2**64 - 1, 0]]], dtype=np.uint64)
    assert whole(SpatialStreamingHistogram(bins=2), top)["counts"].tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "cells",
    [[2**64 - 1, 2**64 - 5, 2**63], [2**63 + 7, 2**63 + 7], [2**60 + 1, 2**60], [-(2**63), 2**63 - 1]],
)
def test_bins_of_large_integers_have_edges_that_doubles_can_hold(cells):
    data = np.array([[cells]], dtype=np.uint64 if cells[0] >= 2**63 else np.int64)
    found = whole(SpatialStreamingHistogram(bins=4), data)
    counts, edges = found["counts"][0], found["edges"][0]
    assert (np.diff(edges) > 0).all() or len(set(cells)) == 1
    exact = [int(edge) for edge in edges]
    place = [sum(edge <= cell for edge in exact) - 1 for cell in cells]
    assert np.bincount(place, minlength=4).tolist() == counts.tolist() or len(set(cells)) == 1
    assert counts.sum() == len(cells)


def test_infinities_have_no_bin_and_nothing_has_numpys_edges():
    data = np.array([[[1.0, 2.0, np.inf, -np.inf]]])
    assert whole(SpatialStreamingHistogram(bins=4), data)["counts"].sum() == 2
    nothing = whole(SpatialStreamingHistogram(bins=4), np.array([[[np.inf]]]))
    np.testing.assert_array_equal(nothing["edges"][0], np.histogram([], bins=4)[1])
