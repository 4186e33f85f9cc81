from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher import (
    SpatialApproxCardinality,
    SpatialApproxMode,
    SpatialApproxQuantile,
)
from geopatcher.accumulators.reducers import counts as counting
from geopatcher.accumulators.reducers.sketches import DistinctSketch
from geopatcher.accumulators.reducers.values import Values
from geopatcher.core.box import Box
from geopatcher.merging.reduce import Incoming
from reducing import SAME_BITS, equal, fields, grouped, grouped_tiles, name, whole


@pytest.fixture
def few(monkeypatch):
    """Sketches take over after eight values."""
    monkeypatch.setattr(counting, "MAX_DISTINCT", 8)


@pytest.mark.parametrize("aggregation", SAME_BITS, ids=name)
@settings(max_examples=25, deadline=None)
@given(
    field=fields(["int32", "uint64", "float32", "float64"]), seed=st.integers(0, 2**32), pickled=st.booleans()
)
def test_any_grouping_gives_the_same_bits_when_sketched(aggregation, field, seed, pickled):
    data, valid = field
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "MAX_DISTINCT", 8)
        found = grouped(aggregation, data, valid, np.random.default_rng(seed), pickled=pickled)
        assert equal(found, whole(aggregation, data, valid))


def rank_range(cells, value):
    """Lowest and highest share of cells below (or at) a value."""
    ordered = np.sort(cells, axis=None)
    return np.searchsorted(ordered, value, "left") / cells.size, np.searchsorted(
        ordered, value, "right"
    ) / cells.size


@pytest.mark.parametrize("kind", ["noise", "gradient", "patches", "heavy tail"])
def test_sampled_quantiles_keep_the_bound(few, kind):
    rng = np.random.default_rng(1)
    rows, cols = np.mgrid[:160, :200].astype(np.float64)
    data = {
        "noise": rng.normal(size=(160, 200)),
        "gradient": rows * 1000 + cols,
        "patches": np.kron(rng.normal(size=(16, 20)), np.ones((10, 10))) + cols * 1e-6 + rows * 1e-9,
        "heavy tail": rng.standard_cauchy(size=(160, 200)),
    }[kind]
    compression = 40  # 1600 of 32 000 cells
    q = np.array([0.02, 0.25, 0.5, 0.9, 0.98])
    # Fails once in a million seeds; these seeds are fixed.
    bound = math.sqrt(math.log(2e6) / 2) / compression
    errors = []
    for seed in range(20):
        found = whole(SpatialApproxQuantile(tuple(q), compression=compression, seed=seed), data[np.newaxis])
        low, high = np.array([rank_range(data, value) for value in found[:, 0]]).T
        error = np.where(q < low, low - q, np.where(q > high, high - q, 0.0))
        assert np.abs(error).max() <= bound
        errors.append(error)
    spread = np.std(errors, axis=0)
    promised = np.sqrt(q * (1 - q)) / compression
    assert (spread > promised * 0.4).all()  # it is a sample...
    assert (spread < promised * 1.7).all()  # ... and as good as the docstring says
    assert (np.abs(np.mean(errors, axis=0)) < promised * 4 / math.sqrt(20)).all()  # without a bias


def test_zeros_of_both_signs_are_one_value(few):
    data = np.concatenate([[0.0, -0.0], np.arange(1.0, 20.0)]).reshape(1, 1, -1)
    assert whole(SpatialApproxCardinality(), data)[0] == 20
    assert whole(SpatialApproxCardinality(), data[..., :2])[0] == 1
    assert not np.signbit(whole(SpatialApproxMode(), np.full((1, 1, 2), -0.0))[0])
    sketch = DistinctSketch(14)
    sketch.take(np.array([0.0, -0.0]), np.ones(2, int))
    assert round(sketch.estimate()) == 1


@pytest.mark.parametrize("dtype", ["float32", "uint64", "int64"])
def test_the_mode_among_many_values_is_found(dtype):
    rng = np.random.default_rng(3)
    data = rng.permutation(200_000).reshape(1, 400, 500).astype(dtype)
    if dtype == "uint64":
        data += np.uint64(2**63)
    favourite = data[0, 7, 7]
    data[rng.random(data.shape) < 0.08] = favourite  # more than a sixteenth
    found = grouped_tiles(SpatialApproxMode(), data)
    assert found.dtype == dtype
    assert found[0] == favourite


def test_what_was_counted_before_the_sketch_took_over_is_not_forgotten(few):
    aggregation, incoming = SpatialApproxMode(), Incoming(1, np.dtype("float64"), flat=False)
    few_values = Values(np.array([[[7.0] * 60 + [1.0, 2.0, 3.0]]]), None, Box(0, 1, 0, 63))
    many = Values(np.arange(100.0, 160.0).reshape(1, 1, 60), None, Box(1, 2, 0, 60))

    def state(*pieces):
        made = aggregation.zero(incoming)
        for piece in pieces:
            made = aggregation.take(made, piece)
        return made

    assert aggregation.finalise(state(few_values, many))[0] == 7.0
    assert aggregation.finalise(aggregation.merge_states(state(few_values), state(many)))[0] == 7.0
    assert aggregation.finalise(aggregation.merge_states(state(many), state(few_values)))[0] == 7.0
