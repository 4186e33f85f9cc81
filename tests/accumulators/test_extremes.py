from __future__ import annotations

import numpy as np
import pytest

from geopatcher.accumulators.extremes import Maximum, Minimum, highest, lowest
from tiles import piece, result, tile

NOTHING = np.nan


@pytest.mark.parametrize(
    ("make", "wanted"), [(Maximum, [[4.0, 9.0, NOTHING]]), (Minimum, [[-2.0, 9.0, NOTHING]])]
)
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_the_best_value_that_counts_over_pieces_and_states(make, wanted, dtype):
    first = [piece(np.array([[[4, 100]]], dtype), valid=[[[True, False]]]), piece(np.array([[[-2]]], dtype))]
    second = [piece(np.array([[[1, 9]]], dtype))]
    np.testing.assert_array_equal(result(make(), tile((1, 1, 3), dtype), first, second), [wanted])


@pytest.mark.parametrize("make", [Maximum, Minimum])
def test_zeros_have_no_sign(make):
    found = result(make(), tile((1, 1, 1)), [piece([[[-0.0]]]), piece([[[-0.0]]])])
    assert found == 0
    assert not np.signbit(found)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "uint64", "float32", "float64"])
def test_nothing_lies_beyond_the_limits(dtype):
    ends = [False, True] if dtype == "bool" else [-np.inf, np.inf]
    if np.dtype(dtype).kind in "iu":
        ends = [np.iinfo(dtype).min, np.iinfo(dtype).max]
    assert [lowest(np.dtype(dtype)), highest(np.dtype(dtype))] == ends


def test_only_64_bit_integers_stay_integers_in_memory():
    kept = {dtype: Maximum().memory_dtype(np.dtype(dtype)).name for dtype in ("uint8", "int64", "float32")}
    assert kept == {"uint8": "float64", "int64": "int64", "float32": "float64"}
