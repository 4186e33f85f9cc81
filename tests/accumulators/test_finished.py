"""Values with a base: integers that a float could not hold together with their fraction."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.accumulators.casting import to_dtype
from geopatcher.accumulators.finished import Finished

FAR = (1 << 62) + 1  # float64 would make it even


@pytest.mark.parametrize(("fraction", "wanted"), [(0.0, FAR), (0.4, FAR), (0.6, FAR + 1), (-0.6, FAR - 1)])
def test_the_value_of_a_cell_is_the_base_and_what_lies_above_it(fraction, wanted):
    finished = Finished(np.array([[[fraction]]]), None, np.array([[[FAR]]]))
    assert to_dtype(finished, np.dtype("int64"), 0).item() == wanted


def test_without_a_base_the_values_are_all_and_what_is_not_covered_is_fill():
    finished = Finished(np.array([[[1.5, 7.0]]]), np.array([[True, False]]))
    assert finished.base is None
    np.testing.assert_array_equal(to_dtype(finished, np.dtype("uint8"), 9), [[[2, 9]]])


def test_means_of_large_integers_are_exact_to_the_last_one():
    image = np.full((6, 6), FAR, "int64")
    result = gp.reconstruct(image, np.copy, size=4, step=2, aggregation="mean", dtype="int64")
    assert (result.array == FAR).all()
