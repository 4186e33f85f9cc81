from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geopatcher.engine.validity import (
    both_count,
    is_masked_array,
    known_cells,
    shaped_like,
    validity,
    where_not_nan,
)

results = hnp.arrays(np.float32, (2, 3, 3), elements=st.sampled_from([1.0, np.inf, -np.inf, np.nan]))

masks = hnp.arrays(bool, (2, 3, 3))


@given(results, st.none() | masks, st.none() | masks | hnp.arrays(bool, (5, 3, 3)))
def test_a_cell_counts_unless_someone_says_it_is_missing(data, mask, valid):
    result = data if mask is None else np.ma.array(data, mask=mask)
    got = validity(valid, result)
    wanted = ~np.isnan(data)
    if mask is not None:
        wanted &= ~mask
    if valid is not None:
        wanted &= valid if len(valid) == 2 else valid.all(axis=0)
    if wanted.all():
        assert got is None
    else:
        np.testing.assert_array_equal(got, wanted)


def test_only_floats_with_a_nan_have_cells_that_are_not_known():
    assert where_not_nan(np.array([1, 2])) is None
    assert where_not_nan(np.array([1.0, np.inf, -np.inf])) is None
    assert where_not_nan(np.zeros((0, 3))) is None
    for dtype in ("float16", "float32", "float64"):
        np.testing.assert_array_equal(
            where_not_nan(np.array([-np.inf, np.nan, 2], dtype)), [True, False, True]
        )


def test_a_mask_and_nan_come_together():
    masked = np.ma.array([1.0, np.nan, 3.0], mask=[True, False, False])
    assert is_masked_array(masked)
    assert not is_masked_array(masked.data)
    np.testing.assert_array_equal(known_cells(masked), [False, False, True])
    assert known_cells(np.ma.array([1, 2], mask=False)) is None
    np.testing.assert_array_equal(known_cells(np.ma.array([1, 2], mask=[False, True])), [True, False])


def test_a_result_of_other_bands_counts_where_all_bands_hold_data():
    valid = np.array([[[True, True, False]], [[True, False, False]]])
    assert shaped_like(valid, (2, 1, 3)) is valid
    for shape in ((1, 1, 3), (3, 1, 3), (1, 3)):
        np.testing.assert_array_equal(
            shaped_like(valid, shape), np.broadcast_to([[True, False, False]], shape)
        )


def test_bands_that_are_not_the_sources_own_count_where_all_of_those_do():
    valid = np.array([[[True, False]], [[True, True]]])
    np.testing.assert_array_equal(both_count(valid, None, valid.shape), valid)
    together = both_count(valid, None, valid.shape, own_bands=False)
    np.testing.assert_array_equal(together, [[[True, False]], [[True, False]]])


@pytest.mark.parametrize(
    ("valid", "known", "wanted"),
    [
        (None, None, None),
        ([True, True], None, None),
        ([True, False], None, [True, False]),
        (None, [False, True], [False, True]),
        ([True, False], [False, True], [False, False]),
        ([True, True], [True, True], None),
    ],
)
def test_a_cell_counts_where_both_say_so(valid, known, wanted):
    valid, known = (None if each is None else np.array([[each]]) for each in (valid, known))
    found = both_count(valid, known, (1, 1, 2))
    assert (found is None) == (wanted is None)
    if wanted is not None:
        np.testing.assert_array_equal(found, [[wanted]])
