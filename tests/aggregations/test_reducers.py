from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
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
from geopatcher.accumulators.reducers.values import Values
from geopatcher.core.box import Box
from geopatcher.errors import OperatorError
from geopatcher.merging.reduce import GlobalAggregation, Incoming
from reducing import ALL, SAME_BITS, H, W, equal, fields, grouped, grouped_tiles, name, whole

# --- any grouping -------------------------------------------------------------------------------


@pytest.mark.parametrize("aggregation", SAME_BITS, ids=name)
@settings(max_examples=25, deadline=None)
@given(field=fields(), seed=st.integers(0, 2**32), pickled=st.booleans())
def test_any_grouping_gives_the_same_bits(aggregation, field, seed, pickled):
    data, valid = field
    found = grouped(aggregation, data, valid, np.random.default_rng(seed), pickled=pickled)
    assert equal(found, whole(aggregation, data, valid))


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


# --- quantiles ----------------------------------------------------------------------------------


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
            aggregation.take(states[place % len(states)], Values(cut, None, boxes[place]))
        total = states[0]
        for state in states[1:]:
            total = aggregation.merge_states(total, state)
        found.add(int(aggregation.finalise(total)[0]))
    assert len(found) == 1


# --- mode ---------------------------------------------------------------------------------------


def test_no_value_stands_out_among_all_different_ones():
    data = np.arange(90_000.0).reshape(1, 300, 300)
    assert np.isnan(whole(SpatialApproxMode(), data)[0])


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
    assert config == {"q": [0.1, 0.9], "compression": 200, "seed": 4}
