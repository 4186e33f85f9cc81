"""What becomes of the patches of a series."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.temporal.aggregations import (
    TemporalFold,
    TemporalForecast,
    TemporalHierarchicalCombine,
    TemporalMean,
    TemporalOverlapAdd,
)
from geopatcher.temporal.patch import TemporalPatch

RANDOM = np.random.default_rng(4)


def patches(*data, start=0):
    return [TemporalPatch(np.asarray(one), at) for at, one in enumerate(data, start)]


def test_the_mean_is_cell_by_cell_and_leaves_nan_out():
    data = RANDOM.normal(size=(5, 3, 2))
    data[1, 0] = np.nan
    data[:, 2, 1] = np.nan
    mean = TemporalMean().merge(iter(patches(*data)))
    wanted = np.ma.masked_invalid(data).mean(axis=0).filled(np.nan)
    assert np.allclose(mean, wanted, equal_nan=True)
    assert TemporalMean().merge(patches([1, 2], [4, 5])).tolist() == [2.5, 3.5]
    assert TemporalMean().merge(patches(1.0, 2.0)) == 1.5
    masked = TemporalPatch(np.ma.array([1, 2], mask=[True, False]), 0)
    assert TemporalMean().merge([masked, *patches([3, 4])]).tolist() == [3.0, 3.0]


def test_a_mean_of_windows_of_several_lengths_is_refused():
    with pytest.raises(ValueError, match=r"at step 0 is shaped \(1,\) and the one at step 1 \(2,\)"):
        TemporalMean().merge(patches([1], [1, 2]))
    with pytest.raises(ValueError, match="no patches"):
        TemporalMean().merge([])


def test_a_state_that_is_written_into_is_of_one_merge():
    def add(state, patch):
        state += patch.data
        return state

    start = np.zeros(2)
    fold = TemporalFold(add, start)
    patches = [TemporalPatch(np.array([1.0, 2.0]), at) for at in range(3)]
    for _ in range(2):
        assert fold.merge(patches).tolist() == [3.0, 6.0]
    assert start.tolist() == [0.0, 0.0]
    kept = TemporalFold(lambda state, patch: [*state, patch.anchor], [])
    assert kept.merge(patches) == kept.merge(patches) == [0, 1, 2]


def test_a_fold_carries_a_state():
    smooth = TemporalFold(lambda state, patch: 0.5 * state + 0.5 * patch.data, 0.0)
    assert smooth.merge(iter(patches(4.0, 8.0))) == 5.0
    assert TemporalFold(lambda state, patch: state).merge(patches(1)) is None
    assert TemporalFold(fold_fn=max, initial_state=7).merge([]) == 7
    assert TemporalFold.forbid_in_yaml
    with pytest.raises(TypeError, match="cannot be"):
        TemporalFold(3)
    with pytest.raises(TypeError, match="was made with the function"):
        TemporalFold.from_config(smooth.get_config())


def test_a_forecast_is_the_last_steps_of_each_patch():
    data = RANDOM.normal(size=(6, 3))
    made = [TemporalPatch(data, 5), TemporalPatch(data + 1, 8)]
    found = TemporalForecast(horizon=2).merge(made)
    assert list(found) == [5, 8]
    assert np.array_equal(found[8], data[-2:] + 1)
    assert np.array_equal(TemporalForecast().merge(made)[5], data[-1:])
    assert np.array_equal(TemporalForecast(2, time_axis=1).merge(made)[5], data[:, -2:])
    assert np.array_equal(TemporalForecast(2, time_axis=-1).merge(made)[5], data[:, -2:])
    with pytest.raises(ValueError, match="step 5 has 6 steps, fewer than horizon=7"):
        TemporalForecast(7).merge(made)
    with pytest.raises(ValueError, match="without an axis 2 of time"):
        TemporalForecast(1, 2).merge(made)
    with pytest.raises(ValueError, match="horizon is"):
        TemporalForecast(0)


def test_scales_are_kept_side_by_side():
    made = [TemporalPatch(s, at, slice(at - s + 1, at + 1)) for at in (5, 9) for s in (2, 4)]
    assert TemporalHierarchicalCombine(scales=(2, 4)).merge(iter(made)) == {
        5: {(4, 6): 2, (2, 6): 4},
        9: {(8, 10): 2, (6, 10): 4},
    }
    with pytest.raises(ValueError, match=r"has steps 2:6, more than the longest"):
        TemporalHierarchicalCombine((2, 3)).merge(made)
    with pytest.raises(ValueError, match="has no indices"):
        TemporalHierarchicalCombine((2, 3)).merge(patches(1))


@given(
    st.integers(0, 1), st.lists(st.tuples(st.integers(0, 90), st.integers(1, 12)), min_size=1, max_size=12)
)
def test_overlap_add_is_the_weighted_mean_of_each_step(axis, spans):
    total, share = np.zeros((102, 3)), np.zeros((102, 3))
    made = []
    for start, length in spans:
        data, weights = RANDOM.normal(size=(length, 3)), RANDOM.uniform(0.1, 1, length)
        data[RANDOM.random((length, 3)) < 0.2] = np.nan
        for k in range(length):
            known = ~np.isnan(data[k])
            total[start + k][known] += weights[k] * data[k][known]
            share[start + k] += weights[k] * known
        made.append(TemporalPatch(np.moveaxis(data, 0, axis), start, slice(start, start + length), weights))
    end = max(start + length for start, length in spans)
    wanted = np.full((102, 3), np.nan)
    np.divide(total, share, out=wanted, where=share > 0)
    series = TemporalOverlapAdd(time_axis=axis).merge(iter(made))
    assert np.allclose(series, np.moveaxis(wanted[:end], 0, axis), equal_nan=True)
    backwards = TemporalOverlapAdd(time_axis=axis, n_steps=102).merge(reversed(made))
    assert np.allclose(backwards, np.moveaxis(wanted, 0, axis), equal_nan=True)


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (TemporalPatch(np.zeros(2), 5, slice(3, 6)), r"has steps 3:6, came back with \(2,\) of them"),
        (
            TemporalPatch(np.zeros((3, 2)), 5, slice(3, 6)),
            r"shaped \(2,\) beside time, and those before it \(\)",
        ),
        (TemporalPatch(np.zeros(3), 9, slice(8, 11)), "not inside the series of n_steps=10"),
        (TemporalPatch(np.zeros(3), 9), "has no indices"),
        (TemporalPatch(4.0, 9, slice(9, 10)), "without an axis 0 of time"),
    ],
)
def test_patches_that_do_not_fit_are_told_of(patch, message):
    good = TemporalPatch(np.zeros(3), 2, slice(0, 3))
    with pytest.raises(ValueError, match=message):
        TemporalOverlapAdd(n_steps=10).merge([good, patch])


def test_a_series_has_a_length_that_is_a_number():
    with pytest.raises(ValueError, match="n_steps is"):
        TemporalOverlapAdd(n_steps=-1)
    with pytest.raises(ValueError, match="no patches"):
        TemporalOverlapAdd().merge([])


@pytest.mark.parametrize(
    "aggregation",
    [TemporalMean(), TemporalForecast(3, 1), TemporalHierarchicalCombine((2, 4)), TemporalOverlapAdd(1, 20)],
)
def test_configs_make_them_again(aggregation):
    config = json.loads(json.dumps(aggregation.get_config()))
    assert type(aggregation).from_config(config) == aggregation


def test_folds_that_begin_with_equal_arrays_are_equal():
    def fold(state, patch):
        return state + patch.data

    one, same, other = (TemporalFold(fold, np.array([1.0, last])) for last in (np.nan, np.nan, 3.0))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert TemporalFold(fold, {"sum": np.zeros(3), "n": 0}) == TemporalFold(
        fold, {"n": 0, "sum": np.zeros(3)}
    )
    assert TemporalFold(fold, [np.zeros(3)]) != TemporalFold(fold, [np.zeros((3, 1))])
    assert TemporalFold(fold, np.nan) == TemporalFold(fold, np.nan)
    assert TemporalFold(fold, 0) != TemporalFold(fold, 1)
