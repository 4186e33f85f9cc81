"""Global reducers fed with fields that are cut to pieces, in one go or dealt to several states."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from geopatcher import (
    SpatialApproxCardinality,
    SpatialApproxMode,
    SpatialApproxQuantile,
    SpatialMeanStd,
    SpatialMinMax,
    SpatialReservoir,
    SpatialStreamingHistogram,
)
from geopatcher.accumulators.reducers.values import Values
from geopatcher.core.box import Box
from geopatcher.merging.reduce import Incoming

H, W = 13, 17
ALL = [
    SpatialMeanStd(),
    SpatialMinMax(),
    SpatialApproxQuantile((0.0, 0.25, 0.5, 1.0), compression=5),
    SpatialApproxCardinality(),
    SpatialApproxMode(),
    SpatialStreamingHistogram(bins=7),
    SpatialReservoir(k=9, seed=3),
]
#: Whatever the grouping, these give the same bits, sketched or not.
SAME_BITS = [a for a in ALL if not isinstance(a, SpatialMeanStd | SpatialApproxMode)]
DTYPES = ["bool", "uint8", "int16", "int32", "uint64", "float32", "float64"]


def name(aggregation):
    return type(aggregation).__name__


def whole(aggregation, data, valid=None):
    """Everything in one go."""
    data = np.asarray(data)
    state = aggregation.zero(Incoming(data.shape[0], data.dtype, flat=False))
    valid = np.ones(data.shape, bool) if valid is None else valid
    return aggregation.finalise(aggregation.take(state, Values(data, valid, Box.of_shape(data.shape[1:]))))


def equal(first, second):
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[k], second[k]) for k in first)
    kind = np.asarray(first).dtype == np.asarray(second).dtype
    return kind and np.array_equal(first, second, equal_nan=np.asarray(first).dtype.kind == "f")


@st.composite
def fields(draw, dtypes=DTYPES):
    """A field of few or many values, with gaps."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    spread = draw(st.sampled_from([1, 3, 200, 2**40]))
    shape = (draw(st.integers(1, 3)), H, W)
    data = rng.integers(0, spread, shape)
    if dtype.kind == "f":
        data = data * draw(st.sampled_from([1.0, 0.1, 1e-6])) + draw(st.sampled_from([0.0, -7.5, 1e6]))
    data = data.astype(dtype)
    valid = rng.random(shape) < draw(st.sampled_from([1.0, 0.8, 0.02]))
    return data, valid


def tiles(rng, rows, cols):
    """Cut the grid into rectangles at random."""
    row_cuts = [0, *np.unique(rng.integers(1, H, rows)), H]
    col_cuts = [0, *np.unique(rng.integers(1, W, cols)), W]
    boxes = [
        Box(int(a), int(b), int(c), int(d)) for a, b in pairwise(row_cuts) for c, d in pairwise(col_cuts)
    ]
    return [boxes[i] for i in rng.permutation(len(boxes))]


def grouped(aggregation, data, valid, rng, *, pickled=False):
    """Tiles in random order, dealt to several states, which are merged."""
    n_states = int(rng.integers(1, 4))
    incoming = Incoming(data.shape[0], data.dtype, flat=False)
    states = [aggregation.zero(incoming) for _ in range(n_states)]
    for box in tiles(rng, 3, 3):
        index = int(rng.integers(n_states))
        cut = (slice(None), *box.slices())
        states[index] = aggregation.take(states[index], Values(data[cut].copy(), valid[cut], box))
        if pickled:
            states[index] = pickle.loads(pickle.dumps(states[index]))  # noqa: S301
    total = states[0]
    for state in states[1:]:
        total = aggregation.merge_states(total, state)
    return aggregation.finalise(total)


def grouped_tiles(aggregation, data):
    state = aggregation.zero(Incoming(data.shape[0], data.dtype, flat=False))
    for box in Box.of_shape(data.shape[1:]).tiles((16, 16)):
        state = aggregation.take(state, Values(data[(slice(None), *box.slices())], None, box))
    return aggregation.finalise(state)
