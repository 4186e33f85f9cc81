"""How deep patches lie, and when they lie side by side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.merging.relabelling import depth_of, provisional
from geopatcher.planning.anchors import Listed

SPAN = st.tuples(st.integers(-5, 20), st.integers(1, 9))


@given(st.lists(st.tuples(SPAN, SPAN), min_size=1, max_size=25))
def test_depth_is_that_of_the_deepest_cell(spans):
    boxes = np.array([(row, row + rows, col, col + cols) for (row, rows), (col, cols) in spans])
    count = np.zeros((40, 40), int)
    for row0, row1, col0, col1 in boxes + 5:
        count[row0:row1, col0:col1] += 1
    assert depth_of(boxes) == count.max()


def test_of_a_list_no_more_levels_than_patches_over_a_cell():
    anchors = Listed.of([(0, 0), (3, 3), (6, 6), (9, 9)], (5, 5), (20, 20))
    assert provisional(anchors, (20, 20)).n_levels == 2
    assert provisional(Listed.of([], (5, 5), (20, 20)), (20, 20)).n_levels == 1


@pytest.mark.parametrize(("size", "step"), [((8, 8), (8, 8)), ((8, 8), (8, 4)), ((8, 8), (4, 8))])
def test_patches_side_by_side_are_refused(size, step):
    plan = gp.plan(np.zeros((32, 32)), size=size, step=step)
    with pytest.raises(ValueError, match="use a step that is smaller than the size"):
        provisional(plan.anchors, (32, 32))
    with pytest.raises(ValueError, match="use a step that is smaller than the size"):
        provisional(Listed.of([(0, 0), (0, 8), (8, 0)], (8, 8), (32, 32)), (32, 32))
    assert provisional(gp.plan(np.zeros((8, 32)), size=8, step=(8, 4)).anchors, (8, 32)).n_levels == 2
