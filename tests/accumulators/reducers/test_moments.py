from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher import (
    SpatialMeanStd,
    SpatialMinMax,
)
from reducing import fields, grouped, grouped_tiles, whole


@settings(max_examples=50, deadline=None)
@given(field=fields(), seed=st.integers(0, 2**32), pickled=st.booleans())
def test_mean_and_std_are_those_of_numpy_in_any_grouping(field, seed, pickled):
    data, valid = field
    found = grouped(SpatialMeanStd(), data, valid, np.random.default_rng(seed), pickled=pickled)
    for band in range(len(data)):
        cells = data[band][valid[band]].astype(np.float64)
        mean = cells.mean() if cells.size else math.nan
        std = cells.std() if cells.size else math.nan
        np.testing.assert_allclose(found["mean"][band], mean, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(found["std"][band], std, rtol=1e-11, atol=1e-13 * abs(np.nan_to_num(mean)))


def test_a_large_mean_costs_no_digits():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1, 64, 64))
    found = grouped_tiles(SpatialMeanStd(), noise + 1e9)
    np.testing.assert_allclose(found["std"], noise.std(), rtol=1e-6)


def test_infinities_show_in_mean_and_extremes_without_a_warning():
    data = np.array([[[1.0, np.inf, -2.0]]])
    found = whole(SpatialMeanStd(), data)
    assert found["mean"][0] == np.inf
    assert np.isnan(found["std"][0])
    assert whole(SpatialMinMax(), data)["max"][0] == np.inf


def test_extremes_of_64_bit_integers_are_exact():
    top = np.array([[[2**64 - 1, 2**64 - 2]]], dtype=np.uint64)
    found = whole(SpatialMinMax(), top)
    assert found["min"].dtype == np.uint64
    assert (int(found["min"][0]), int(found["max"][0])) == (2**64 - 2, 2**64 - 1)
