from __future__ import annotations

import numpy as np
import pytest

from geopatcher.accumulators.moments import InverseVarianceMean, Variance
from geopatcher.errors import OperatorError
from tiles import piece, result, tile


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("far", [0.0, 1e9])
def test_the_variance_is_that_of_numpy_however_pieces_are_grouped(groups, far):
    rng = np.random.default_rng(groups)
    data = rng.normal(size=(8, 2, 3, 4)) + far
    valid = rng.random(data.shape) < 0.7
    pieces = [piece(one, valid=counts) for one, counts in zip(data, valid, strict=True)]
    found = result(Variance(), tile((2, 3, 4)), *[pieces[start::groups] for start in range(groups)])
    wanted = np.full((2, 3, 4), np.nan)
    for cell in np.ndindex(wanted.shape):
        values = data[:, *cell][valid[:, *cell]]
        if values.size > 1:
            wanted[cell] = values.var(ddof=1)
    np.testing.assert_allclose(found, wanted, rtol=1e-6 if far else 1e-12)


def test_one_value_has_no_variance():
    found = result(Variance(), tile((1, 1, 3)), [piece([[[7.0, 7.0]]]), piece([[[9.0]]])])
    np.testing.assert_array_equal(found, [[[2.0, np.nan, np.nan]]])


def test_means_are_weighted_by_one_over_variance():
    # Precisions 1 and 3: (10 * 1 + 20 * 3) / 4, and a variance of 1 / 4.
    first, second = piece([[[10.0]], [[1.0]]]), piece([[[20.0]], [[1 / 3]]])
    for groups in ([[first, second]], [[first], [second]]):
        np.testing.assert_allclose(
            result(InverseVarianceMean(), tile((2, 1, 1)), *groups), [[[17.5]], [[0.25]]], rtol=1e-15
        )


@pytest.mark.parametrize("variance", [0.0, -1.0, np.inf, np.nan, 1e-320])
def test_a_variance_that_is_not_positive_and_finite_does_not_count(variance):
    found = result(
        InverseVarianceMean(), tile((2, 1, 1)), [piece([[[99.0]], [[variance]]]), piece([[[5.0]], [[2.0]]])]
    )
    np.testing.assert_array_equal(found, [[[5.0]], [[2.0]]])


def test_bands_are_halved():
    with pytest.raises(OperatorError, match="patches of 3 bands cannot be halved into means and variances"):
        InverseVarianceMean().zero(tile((3, 1, 1)))
