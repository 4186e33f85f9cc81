from __future__ import annotations

import math
import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geopatcher import (
    Patch,
    SpatialApproxCardinality,
    SpatialApproxMode,
    SpatialApproxQuantile,
    SpatialMeanStd,
    SpatialMinMax,
    SpatialReservoir,
    SpatialStreamingHistogram,
)
from geopatcher.aggregation.reducers import counts as counting
from geopatcher.aggregation.reducers import values as feeding
from geopatcher.aggregation.reducers.bins import FINE
from geopatcher.aggregation.reducers.counts import distinct, quantiles
from geopatcher.aggregation.reducers.sample import KeyedSample
from geopatcher.aggregation.reducers.sketches import DistinctSketch, FrequentSketch
from geopatcher.aggregation.reducers.values import Values, pixel_keys
from geopatcher.aggregations.reducing import GlobalAggregation, Incoming
from geopatcher.box import Box
from geopatcher.errors import OperatorError

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
    return aggregation.finalise(aggregation.update(state, Values(data, valid, Box.of_shape(data.shape[1:]))))


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
        states[index] = aggregation.update(states[index], Values(data[cut].copy(), valid[cut], box))
        if pickled:
            states[index] = pickle.loads(pickle.dumps(states[index]))  # noqa: S301
    total = states[0]
    for state in states[1:]:
        total = aggregation.merge_states(total, state)
    return aggregation.finalise(total)


@pytest.fixture
def few(monkeypatch):
    """Sketches take over after eight values."""
    monkeypatch.setattr(counting, "MAX_DISTINCT", 8)


# --- any grouping -------------------------------------------------------------------------------


@pytest.mark.parametrize("aggregation", SAME_BITS, ids=name)
@settings(max_examples=25, deadline=None)
@given(field=fields(), seed=st.integers(0, 2**32), pickled=st.booleans())
def test_any_grouping_gives_the_same_bits(aggregation, field, seed, pickled):
    data, valid = field
    found = grouped(aggregation, data, valid, np.random.default_rng(seed), pickled=pickled)
    assert equal(found, whole(aggregation, data, valid))


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


@settings(max_examples=50, deadline=None)
@given(field=fields(), seed=st.integers(0, 2**32), pickled=st.booleans())
def test_the_mode_is_exact_in_any_grouping(field, seed, pickled):
    data, valid = field
    found = grouped(SpatialApproxMode(), data, valid, np.random.default_rng(seed), pickled=pickled)
    for band in range(len(data)):
        values, numbers = np.unique(data[band][valid[band]], return_counts=True)
        if values.size:
            assert found[band] == values[np.argmax(numbers)]
        else:
            assert np.isnan(found[band])


@settings(max_examples=50, deadline=None)
@given(field=fields(), seed=st.integers(0, 2**32))
def test_exact_ones_are_those_of_numpy(field, seed):
    data, valid = field
    rng = np.random.default_rng(seed)
    low_high = grouped(SpatialMinMax(), data, valid, rng)
    q = (0.0, 0.1, 0.5, 0.98, 1.0)
    ranks = grouped(SpatialApproxQuantile(q), data, valid, rng)
    number = grouped(SpatialApproxCardinality(), data, valid, rng)
    for band in range(len(data)):
        cells = data[band][valid[band]]
        assert number[band] == np.unique(cells).size
        if cells.size:
            assert low_high["min"][band] == cells.min()
            assert low_high["max"][band] == cells.max()
            np.testing.assert_allclose(
                ranks[:, band], np.quantile(cells.astype(np.float64), q), rtol=1e-14, atol=1e-300
            )
        else:
            assert np.isnan(ranks[:, band]).all()


# --- mean, standard deviation, extremes ----------------------------------------------------------


def test_a_large_mean_costs_no_digits():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1, 64, 64))
    found = grouped_tiles(SpatialMeanStd(), noise + 1e9)
    np.testing.assert_allclose(found["std"], noise.std(), rtol=1e-6)


def grouped_tiles(aggregation, data):
    state = aggregation.zero(Incoming(data.shape[0], data.dtype, flat=False))
    for box in Box.of_shape(data.shape[1:]).tiles((16, 16)):
        state = aggregation.update(state, Values(data[(slice(None), *box.slices())], None, box))
    return aggregation.finalise(state)


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


# --- quantiles ----------------------------------------------------------------------------------


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


def test_quantiles_have_the_shape_of_q():
    flat = Patch(np.arange(12.0).reshape(3, 4), (0, 0), None)
    deep = Patch(np.arange(24.0).reshape(2, 3, 4), (0, 0), None)
    grid = np.empty((3, 4))
    assert SpatialApproxQuantile(0.5).merge([flat], grid) == 5.5
    assert SpatialApproxQuantile([0.0, 0.5, 1.0]).merge([flat], grid).tolist() == [0.0, 5.5, 11.0]
    assert SpatialApproxQuantile(0.5).merge([deep], grid).tolist() == [5.5, 17.5]
    assert SpatialApproxQuantile([0.0, 1.0]).merge([deep], grid).tolist() == [[0.0, 12.0], [11.0, 23.0]]


@pytest.mark.parametrize("q", [-0.1, 1.5, math.nan, [], [[0.5]], [0.5, 2]])
def test_quantiles_outside_0_to_1_are_refused(q):
    with pytest.raises(ValueError, match="is not a quantile from 0 to 1"):
        SpatialApproxQuantile(q)


# --- the sample ---------------------------------------------------------------------------------


def test_keys_are_uniform_different_and_a_matter_of_position():
    keys = pixel_keys(Box(0, 300, 0, 400), seed=5)
    assert np.unique(keys).size == keys.size
    for bits in (np.uint64(0), np.uint64(28), np.uint64(56)):
        share = np.bincount(((keys >> bits) & np.uint64(255)).reshape(-1).astype(int), minlength=256)
        expected = keys.size / 256
        assert ((share - expected) ** 2 / expected).sum() < 255 + 5 * math.sqrt(2 * 255)
    assert (pixel_keys(Box(100, 110, 7, 9), seed=5) == keys[100:110, 7:9]).all()
    assert not np.intersect1d(pixel_keys(Box(0, 100, 0, 100), seed=6), keys).size


def test_a_sample_holds_each_pixel_equally_often():
    grid = np.arange(400.0).reshape(1, 20, 20)
    chosen = np.zeros(400)
    for seed in range(400):
        rows = whole(SpatialReservoir(k=40, seed=seed), grid)
        assert np.unique(rows).size == 40
        chosen[rows[:, 0].astype(int)] += 1
    expected = 40.0
    # A pixel is in or out: the variance is that of 400 draws with probability 0.1.
    assert ((chosen - expected) ** 2 / (expected * 0.9)).sum() < 400 + 5 * math.sqrt(2 * 400)


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


def test_a_reservoir_gives_spectra_of_pixels_that_count_in_every_band():
    data = np.arange(2 * H * W, dtype=np.float32).reshape(2, H, W)
    data[1, ::2] = np.nan
    found = SpatialReservoir(k=1000).merge([Patch(data, (0, 0), None)], data)
    assert found.dtype == np.float32
    assert found.shape == (H // 2 * W, 2)
    assert (found[:, 1] - found[:, 0] == H * W).all()
    assert SpatialReservoir(k=5).merge([Patch(data[0], (0, 0), None)], data).shape == (5,)
    assert SpatialReservoir(k=5).merge([Patch(data * np.nan, (0, 0), None)], data).shape == (0, 2)


def test_seeds_choose_other_pixels():
    grid = np.arange(10_000.0).reshape(1, 100, 100)
    samples = [whole(SpatialReservoir(k=50, seed=seed), grid)[:, 0].tolist() for seed in (0, 1, -1, 0)]
    assert samples[0] == samples[3]
    assert len({tuple(sample) for sample in samples}) == 3


# --- cardinality --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint64", "int32"])
def test_many_different_values_are_estimated_within_the_bound(dtype):
    rng = np.random.default_rng(2)
    data = rng.permutation(150_000).reshape(1, 300, 500).astype(dtype)
    if dtype == "uint64":
        data += np.uint64(2**63)
    exact = np.unique(data).size
    found = grouped_tiles(SpatialApproxCardinality(), data)
    assert found.dtype == np.int64
    assert found[0] != exact  # it is an estimate...
    assert abs(found[0] - exact) <= 4 * 1.04 / math.sqrt(2**14) * exact  # ... within four standard errors
    more = abs(grouped_tiles(SpatialApproxCardinality(p=18), data)[0] - exact)
    assert more <= 4 * 1.04 / math.sqrt(2**18) * exact


def test_any_order_gives_the_same_estimate():
    data = np.random.default_rng(5).normal(size=(1, 300, 300))
    aggregation, incoming = SpatialApproxCardinality(), Incoming(1, data.dtype, flat=False)
    found = set()
    for seed in range(4):
        states = [aggregation.zero(incoming) for _ in range(seed % 3 + 1)]
        boxes = list(Box.of_shape((300, 300)).tiles((75, 100)))
        for place in np.random.default_rng(seed).permutation(len(boxes)):
            cut = data[(slice(None), *boxes[place].slices())]
            aggregation.update(states[place % len(states)], Values(cut, None, boxes[place]))
        total = states[0]
        for state in states[1:]:
            total = aggregation.merge_states(total, state)
        found.add(int(aggregation.finalise(total)[0]))
    assert len(found) == 1


def test_large_patches_are_reduced_piece_by_piece(monkeypatch):
    monkeypatch.setattr(feeding, "PIECE_CELLS", 40)
    data = np.random.default_rng(6).integers(0, 9, (2, H, W))
    for aggregation in SAME_BITS:
        assert equal(aggregation.merge([Patch(data, (0, 0), None)], data), whole(aggregation, data))


def test_zeros_of_both_signs_are_one_value(few):
    data = np.concatenate([[0.0, -0.0], np.arange(1.0, 20.0)]).reshape(1, 1, -1)
    assert whole(SpatialApproxCardinality(), data)[0] == 20
    assert whole(SpatialApproxCardinality(), data[..., :2])[0] == 1
    assert not np.signbit(whole(SpatialApproxMode(), np.full((1, 1, 2), -0.0))[0])
    sketch = DistinctSketch(14)
    sketch.take(np.array([0.0, -0.0]))
    assert round(sketch.estimate()) == 1


# --- mode ---------------------------------------------------------------------------------------


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
            made = aggregation.update(made, piece)
        return made

    assert aggregation.finalise(state(few_values, many))[0] == 7.0
    assert aggregation.finalise(aggregation.merge_states(state(few_values), state(many)))[0] == 7.0
    assert aggregation.finalise(aggregation.merge_states(state(many), state(few_values)))[0] == 7.0


@pytest.mark.parametrize("k", [1, 2, 16, 1000])
def test_the_librarys_bound_leaves_room_for_ours(k):
    sketch = FrequentSketch(k, np.dtype("float64"))
    assert sketch.sketch.epsilon + 1 / (sketch.capacity + 1) <= 1 / k


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


def test_no_value_stands_out_among_all_different_ones():
    data = np.arange(90_000.0).reshape(1, 300, 300)
    assert np.isnan(whole(SpatialApproxMode(), data)[0])


# --- histogram ----------------------------------------------------------------------------------


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


# --- merging patches ----------------------------------------------------------------------------


@pytest.mark.parametrize("aggregation", ALL, ids=name)
def test_patches_count_as_often_as_they_come_and_only_inside(aggregation):
    rng = np.random.default_rng(4)
    data = rng.integers(0, 9, (2, H, W)).astype(np.float32)
    data[:, 3, 4] = np.nan
    inside = [Patch(data[:, :8], (0, 0), None), Patch(data[:, 8:], (8, 0), None)]
    padded = np.pad(data[:, 8:], ((0, 0), (0, 4), (0, 6)), constant_values=1e6)
    overhanging = [Patch(padded, (8, 0), None), Patch(data[:, :8], (0, 0), None)]
    outside = [*inside, Patch(np.full((2, 3, 3), 1e6, np.float32), (H, 0), None)]
    found = aggregation.merge(inside, data)
    expected = whole(aggregation, data, ~np.isnan(data))
    if isinstance(aggregation, SpatialMeanStd):
        np.testing.assert_allclose(found["mean"], expected["mean"])
        np.testing.assert_allclose(found["std"], expected["std"])
    else:
        assert equal(found, expected)
    assert equal(aggregation.merge(iter(outside), data), found)
    if not isinstance(aggregation, SpatialMeanStd):
        assert equal(aggregation.merge(iter(overhanging), data), found)


def test_overlapping_patches_count_more_than_once():
    patches = [Patch(np.full((1, 2), v), (0, c), None) for v, c in [(0.0, 0), (3.0, 1)]]
    grid = np.empty((1, 3))
    assert SpatialMeanStd().merge(patches, grid)["mean"] == 1.5
    assert sorted(SpatialReservoir(k=10).merge(patches, grid).tolist()) == [0.0, 0.0, 3.0, 3.0]


def test_masked_cells_do_not_count_and_weights_do_not_matter():
    data = np.ma.array([[1, 200], [3, 4]], mask=[[False, True], [False, False]], dtype=np.uint8)
    patch = Patch(data, (0, 0), None, weights=np.array([[0.0, 1.0], [0.5, 9.0]]))
    grid = np.empty((2, 2))
    assert SpatialMinMax().merge([patch], grid) == {"min": 1, "max": 4}
    assert SpatialMeanStd().merge([patch], grid)["mean"] == pytest.approx(8 / 3)
    assert SpatialApproxCardinality().merge([patch], grid) == 3


@pytest.mark.parametrize("aggregation", ALL, ids=name)
def test_flat_patches_give_scalars_and_bands_give_arrays(aggregation):
    flat = aggregation.merge([Patch(np.ones((2, 2)), (0, 0), None)], np.empty((2, 2)))
    deep = aggregation.merge([Patch(np.ones((1, 2, 2)), (0, 0), None)], np.empty((1, 2, 2)))
    for one, many in zip(
        flat.values() if isinstance(flat, dict) else [flat],
        deep.values() if isinstance(deep, dict) else [deep],
        strict=True,
    ):
        assert np.ndim(many) == np.ndim(one) + 1
        np.testing.assert_array_equal(np.squeeze(many), np.squeeze(one))


@pytest.mark.parametrize("aggregation", ALL, ids=name)
def test_nothing_gives_nothing_without_a_warning(aggregation):
    found = aggregation.merge([], np.empty((2, H, W)))
    empty = whole(aggregation, np.zeros((2, 3, 3), np.float32), np.zeros((2, 3, 3), bool))
    assert equal(found, empty)


def test_extremes_and_mode_of_no_integers_are_nan():
    data, nowhere = np.ones((1, 2, 2), np.uint8), np.zeros((1, 2, 2), bool)
    assert np.isnan(whole(SpatialMinMax(), data, nowhere)["min"][0])
    assert np.isnan(whole(SpatialApproxMode(), data, nowhere)[0])


def test_booleans_are_counted_as_0_and_1():
    data = np.array([[[True, False, True, True]]])
    assert whole(SpatialMeanStd(), data)["mean"][0] == 0.75
    assert whole(SpatialApproxMode(), data)[0] == 1
    assert whole(SpatialReservoir(), data).dtype == bool


def test_what_cannot_be_reduced_is_named():
    grid = np.empty((4, 4))
    with pytest.raises(OperatorError, match=r"holds complex128 values: only real numbers"):
        SpatialMinMax().merge([Patch(np.ones((2, 2), complex), (0, 0), None)], grid)
    bands = [Patch(np.ones((2, 2, 2)), (0, 0), None), Patch(np.ones((3, 2, 2)), (0, 2), None)]
    with pytest.raises(OperatorError, match=r"has 3 bands and those before have 2"):
        SpatialMinMax().merge(bands, grid)
    dtypes = [Patch(np.ones((2, 2), "uint8"), (0, 0), None), Patch(np.ones((2, 2)), (0, 2), None)]
    with pytest.raises(OperatorError, match=r"float64 values and those before uint8: .*astype\('float64'\)"):
        SpatialMinMax().merge(dtypes, grid)
    one = SpatialMinMax().zero(Incoming(1, np.dtype("uint8"), flat=False))
    two = SpatialMinMax().zero(Incoming(2, np.dtype("uint8"), flat=False))
    with pytest.raises(ValueError, match="cannot be merged"):
        SpatialMinMax().merge_states(one, two)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpatialApproxQuantile(compression=1), "compression=1 is not a whole number from 2 to 4096"),
        (lambda: SpatialApproxCardinality(p=30), "p=30 is not a whole number from 7 to 21"),
        (lambda: SpatialApproxMode(k=0), "k=0 is not a whole number"),
        (lambda: SpatialStreamingHistogram(bins=2.5), r"bins=2\.5 is not a whole number"),
        (lambda: SpatialReservoir(k=0), "k=0 is not a whole number"),
    ],
)
def test_parameters_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_reducers_stream_and_say_what_they_are():
    assert all(isinstance(a, GlobalAggregation) and a.streaming_safe for a in ALL)
    config = SpatialApproxQuantile([0.1, 0.9], seed=4).get_config()
    assert config == {"type": "SpatialApproxQuantile", "q": [0.1, 0.9], "compression": 200, "seed": 4}
