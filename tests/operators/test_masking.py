"""Operators that are shown which pixels are missing (what they do is in test_verbs)."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.protocols import MaskAware
from geopatcher.operators.masking import Masked


@gp.masked
def fill(patch):
    """Fill gaps with 7."""
    return patch.filled(7)


def plain(patch):
    return patch


def test_a_decorated_function_keeps_its_name_and_its_text():
    assert isinstance(fill, Masked)
    assert isinstance(fill, MaskAware)
    assert fill.wants_mask
    assert (fill.__name__, fill.__doc__, fill.__module__) == ("fill", "Fill gaps with 7.", __name__)
    assert fill(np.ma.array([1, 2], mask=[True, False])).tolist() == [7, 2]


@pytest.mark.parametrize("operator", [fill, gp.masked(plain), gp.masked(np.ma.filled)])
def test_it_pickles(operator):
    copy = pickle.loads(pickle.dumps(operator))  # noqa: S301 - our own bytes
    given = np.ma.array([1, 2], mask=[True, False], fill_value=5)
    assert isinstance(copy, Masked)
    np.testing.assert_array_equal(copy(given), operator(given))
    if operator is fill:
        assert copy is fill


@pytest.mark.parametrize("wanted", [True, False])
def test_any_operator_may_ask_for_masks(wanted):
    class Model:
        wants_mask = wanted

        def __call__(self, patch):
            assert isinstance(patch, np.ma.MaskedArray) == wanted
            return patch

    field = gp.RasterField.from_array(np.ones((1, 8, 8), "uint8"), nodata=0)
    assert gp.reconstruct(field, Model(), size=4).array.sum() == 64
