"""What patches of a series hold, as aggregations take it."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.errors import OperatorError
from geopatcher.temporal.contents import floats_of, span_of, time_first, weights_of


def patch(data, steps=slice(0, 3), weights=None):
    return gp.TemporalPatch(data, 2, steps, weights)


@pytest.mark.parametrize(
    "data",
    [
        [1, 2, 3],
        np.array([1, 2, 3], "uint8"),
        np.array([1, 2, 3], "float16"),
        np.array([1, 2, 3], object),
    ],
)
def test_numbers_become_float64(data):
    found = floats_of(patch(data))
    assert found.dtype == np.float64
    assert found.tolist() == [1.0, 2.0, 3.0]


def test_what_is_masked_or_na_becomes_nan():
    pd = pytest.importorskip("pandas")
    for data in (np.ma.array([1, 2, 3], mask=[False, True, False]), pd.Series([1, None, 3], dtype="Int64")):
        assert np.array_equal(floats_of(patch(data)), [1.0, np.nan, 3.0], equal_nan=True)


@pytest.mark.parametrize(
    ("data", "held"),
    [
        (np.array([1j, 2, 3]), "complex128 values.*real and imaginary part"),
        (np.ma.array([1j, 2, 3]), "complex128 values"),
        (np.array(["2024", "NaT", "2025"], "M8[D]"), "datetime64.D. values"),
        (np.array([1, 2, 3], "m8[h]"), "timedelta64.h. values"),
        (["a", "b", "c"], "<U1 values"),
        (None, "a NoneType"),
        ({"a": 1}, "a dict"),
        (np.array(["a", None], object), "objects that are no numbers"),
    ],
)
@pytest.mark.parametrize("aggregation", [gp.TemporalMean(), gp.TemporalOverlapAdd()])
def test_what_is_no_real_number_is_refused(data, held, aggregation):
    with pytest.raises(OperatorError, match=f"at step 2 holds {held}"):
        floats_of(patch(data))
    if data is not None and not isinstance(data, dict):
        with pytest.raises(OperatorError, match="at step 2 holds"):
            aggregation.merge([patch(data)])


def test_the_axis_of_time_comes_first():
    assert time_first(patch(None), np.zeros((2, 3, 5)), -1).shape == (5, 2, 3)
    with pytest.raises(ValueError, match=r"shaped \(2,\), without an axis 1 of time"):
        time_first(patch(None), np.zeros(2), 1)


@pytest.mark.parametrize("steps", [slice(3), slice(0, 6, 2), slice(1, None)])
def test_steps_are_a_first_and_a_last(steps):
    assert span_of(patch(None)) == (0, 3)
    assert span_of(patch(None, slice(0, 3, 1))) == (0, 3)
    with pytest.raises(ValueError, match="the first step and the one after the last are needed"):
        span_of(patch(None, steps))


@pytest.mark.parametrize("weights", [np.ones(2), np.ones((3, 1)), [1, np.nan, 1], [1, -1, 1], [1, np.inf, 1]])
def test_each_step_has_a_weight_that_counts(weights):
    assert weights_of(patch(None), 3).tolist() == [1.0, 1.0, 1.0]
    assert weights_of(patch(None, weights=[1, 0, 2]), 3).tolist() == [1.0, 0.0, 2.0]
    with pytest.raises(ValueError, match="each of its 3 steps needs one that is finite and not negative"):
        weights_of(patch(None, weights=weights), 3)
    with pytest.raises(ValueError, match="at step 2 has the weights"):
        gp.TemporalOverlapAdd().merge([patch(np.ones(3), weights=np.asarray(weights))])
