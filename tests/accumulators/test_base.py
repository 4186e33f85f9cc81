from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

import cells
import geopatcher as gp
from geopatcher.accumulators.layers import CountLayer, SpreadLayer, WeightLayer
from geopatcher.accumulators.mean_steps import DEEPEST
from geopatcher.accumulators.pieces import Coverings, Piece, Taper, Tile, unit_taper

FLOAT = np.dtype("float64")


def nan_mean(stack, weights):
    _ = weights
    known = ~np.isnan(stack)
    return np.where(known, stack, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


#: Each aggregation, the number of bands of its patches, and whether grouping may show in the last bits.
ALL = [
    (gp.SpatialOverlapAdd(), 2, True),
    (gp.SpatialOverlapAdd(normalize_by_window=False), 2, True),
    (gp.SpatialMean(), 2, True),
    (gp.SpatialSum(), 2, True),
    (gp.SpatialWeightedSum(), 2, True),
    (gp.SpatialMax(), 2, False),
    (gp.SpatialMin(), 2, False),
    (gp.SpatialVariance(), 2, True),
    (gp.SpatialInvVarWeightedMean(), 2, True),
    (gp.SpatialMedian(), 2, False),
    (gp.SpatialMode(), 2, False),
    (gp.SpatialLearned(nan_mean), 2, True),
    (gp.SpatialHardVote(4), 2, False),
    (gp.SpatialSoftVote(2), 2, False),
    (WeightLayer(), 2, True),
    (CountLayer(), 2, False),
    (SpreadLayer(), 2, True),
]

IDS = [type(a).__name__ + ("" if i != 1 else " unnormalised") for i, (a, _, _) in enumerate(ALL)]

SHAPE = (5, 6)


def pieces(rng, bands, dtype, n, aggregation):
    """Parts of patches over one tile, with gaps, tapers and values that suit the aggregation."""
    found = []
    for _ in range(n):
        row, col = rng.integers(0, 4, 2)
        height, width = rng.integers(1, 6 - row), rng.integers(1, 7 - col)
        data = cells.values_of(rng, "ties", (bands, height, width), dtype)
        if isinstance(aggregation, gp.SpatialHardVote):
            data = np.abs(data)
        if isinstance(aggregation, gp.SpatialSoftVote):
            data = rng.integers(0, 9, data.shape) / 8
        valid = None if rng.random() < 0.5 else rng.random(data.shape) < 0.7
        taper = Taper.of(rng.random((height + 1, width + 2)) + 0.1, (height + 1, width + 2), FLOAT)
        where = (slice(row, row + height), slice(col, col + width))
        crop = (slice(1, 1 + height), slice(0, width))
        found.append(Piece(where, crop, data, taper, valid, (0, 0)))
    return found


def tile(bands, dtype):
    return Tile((bands, *SHAPE), np.dtype(dtype), FLOAT, Coverings())


def finished(aggregation, state):
    values, covered, base = aggregation.finalise(state)
    values = values.astype(float) + (0 if base is None else base)
    if covered is not None:
        values[np.broadcast_to(~covered, values.shape)] = np.nan
    return values


def fold(aggregation, group, bands, dtype):
    state = aggregation.zero(tile(bands, dtype))
    for piece in group:
        state = aggregation.update(state, piece)
    return state


@pytest.mark.parametrize(("aggregation", "bands", "rounds"), ALL, ids=IDS)
@how(max_examples=12)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(0, 8),
    dtype=st.sampled_from(["float32", "float64", "int16", "int64"]),
)
def test_any_grouping_gives_the_same(*, aggregation, bands, rounds, seed, n, dtype):
    rng = np.random.default_rng(seed)
    found = pieces(rng, bands, dtype, n, aggregation)
    first, second = sorted(rng.integers(0, n + 1, 2))
    groups = [found[:first], found[first:second], found[second:]]

    def states():
        return [fold(aggregation, group, bands, dtype) for group in groups]

    merge = aggregation.merge_states
    in_turn = finished(aggregation, fold(aggregation, found, bands, dtype))
    a, b, c = states()
    left = finished(aggregation, merge(merge(a, b), c))
    a, b, c = states()
    right = finished(aggregation, merge(a, merge(b, c)))
    a, _, _ = states()
    unit = finished(aggregation, merge(aggregation.zero(tile(bands, dtype)), a))
    alone = finished(aggregation, fold(aggregation, groups[0], bands, dtype))
    tolerance = 1e-9 if rounds else 0
    for other, same in ((left, in_turn), (right, in_turn), (unit, alone)):
        np.testing.assert_allclose(other, same, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("aggregation", "bands", "rounds"), ALL[:-3], ids=IDS[:-3])
def test_they_pickle_and_say_what_they_are(aggregation, bands, rounds):
    _ = bands, rounds
    if isinstance(aggregation, gp.SpatialLearned):
        assert aggregation.get_config()["model"].endswith("nan_mean")
    assert pickle.loads(pickle.dumps(aggregation)) == aggregation  # noqa: S301 - our own, as workers get it
    config = json.loads(json.dumps(aggregation.get_config()))
    assert "type" not in config
    for name in {"n_classes", "normalize_by_window", "weight_fn"} & set(vars(aggregation)):
        assert config[name] == vars(aggregation)[name]
    assert isinstance(aggregation, gp.SpatialAggregation)


def test_configs_hold_json_values_only(tmp_path):
    made = gp.SpatialOverlapAdd(
        streaming=True, target_path=tmp_path, chunks=(8, 16), dtype=np.dtype("uint8"), fill_value=255
    )
    config = made.get_config()
    assert config["target_path"] == str(tmp_path)
    assert config["chunks"] == [8, 16]
    assert config["dtype"] == "uint8"
    assert config["fill_value"] == 255


def held_bytes(state):
    """Bytes of the arrays a state holds."""
    seen, todo, total = set(), [state], 0
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, np.ndarray):
            total += one.nbytes if one.base is None else 0
        elif isinstance(one, list):
            todo += one
        elif not isinstance(one, (Piece, Tile)):
            slots = [name for kind in type(one).__mro__ for name in vars(kind).get("__slots__", ())]
            todo += [value for name in slots if (value := object.__getattribute__(one, name)) is not None]
    return total


@pytest.mark.parametrize(("aggregation", "bands", "rounds"), ALL, ids=IDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_states_hold_no_more_than_the_plan_says(aggregation, bands, rounds, dtype):
    _ = rounds
    rng = np.random.default_rng(0)
    grid, depth, exact = (64, 64), 6, np.dtype(dtype)
    state = aggregation.zero(Tile((bands, *grid), exact, exact, Coverings()))
    for _turn in range(depth):
        data = rng.integers(0, 2, (bands, *grid)).astype(dtype)
        whole = (slice(0, 64), slice(0, 64))
        valid = rng.random(data.shape) < 0.9
        state = aggregation.update(state, Piece(whole, whole, data, unit_taper(grid, exact), valid, (0, 0)))
    scratch = bands * 64 * 64 * exact.itemsize  # one patch, counted elsewhere
    planned = (
        64 * 64 * (aggregation.state_bytes(bands, exact, depth) + aggregation.gap_bytes(bands, DEEPEST + 1))
    )
    assert held_bytes(state) <= planned + scratch
