from __future__ import annotations

import numpy as np
import pytest

from geopatcher.accumulators import stacks
from geopatcher.accumulators.stacks import NETWORK_DEPTH, Learned, Median, sorted_levels
from geopatcher.errors import OperatorError
from tiles import piece, result, tile


@pytest.mark.parametrize("n_levels", [1, 2, 5, NETWORK_DEPTH, NETWORK_DEPTH + 1])
@pytest.mark.parametrize("dtype", ["int16", "float64"])
def test_levels_are_sorted_as_numpy_sorts_them(n_levels, dtype):
    stack = np.random.default_rng(n_levels).integers(-9, 9, (n_levels, 2, 30, 40)).astype(dtype)
    wanted = np.sort(stack, axis=0)
    np.testing.assert_array_equal(np.stack(sorted_levels(stack)), wanted)


@pytest.mark.parametrize("rows_at_once", [1, 3, 100])
@pytest.mark.parametrize("groups", [1, 3])
def test_the_median_of_what_each_cell_was_given(monkeypatch, rows_at_once, groups):
    monkeypatch.setattr(stacks, "CELLS_AT_ONCE", rows_at_once * 4)
    rng = np.random.default_rng(0)
    data = rng.integers(-50, 50, (7, 2, 5, 4)).astype(float)
    valid = rng.random(data.shape) < 0.6
    valid[:, 0, 0, 0] = False
    pieces = [piece(one, valid=counts) for one, counts in zip(data, valid, strict=True)]
    found = result(Median(), tile((2, 5, 4)), *[pieces[start::groups] for start in range(groups)])
    with pytest.warns(RuntimeWarning, match="All-NaN"):
        wanted = np.nanmedian(np.where(valid, data, np.nan), axis=0)
    np.testing.assert_array_equal(found, wanted)


def test_a_model_is_given_values_and_weights_in_the_order_of_the_patches():
    seen = []

    def last(stack, weights):
        seen.append((stack[:, 0, 0].tolist(), weights[:, 0].tolist()))
        return stack[-1]

    pieces = [piece([[[1.0, 2.0]]], weights=[[0.5, 0.25]]), piece([[[3.0]]])]
    found = result(Learned(last), tile((1, 1, 3)), pieces)
    np.testing.assert_array_equal(
        seen, [([[1.0, 2.0, np.nan], [3.0, np.nan, np.nan]], [[0.5, 0.25, 0], [1, 0, 0]])]
    )
    np.testing.assert_array_equal(found, [[[3.0, np.nan, np.nan]]])


def test_a_model_returns_the_shape_of_the_cells():
    with pytest.raises(
        OperatorError, match=r"returned \(3,\) for a stack of \(1, 2, 1, 3\).*here \(2, 1, 3\)"
    ):
        result(Learned(lambda stack, _: stack[0, 0, 0]), tile((2, 1, 3)), [piece(np.ones((2, 1, 3)))])
