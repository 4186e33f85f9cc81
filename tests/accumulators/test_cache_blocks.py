"""Blocks of patches: together all of it, each cell once, none larger than a core's cache takes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.accumulators.cache_blocks import BLOCK_CELLS, block_cells, cache_blocks

SHAPES = st.tuples(st.integers(0, 12), st.integers(0, 600), st.integers(0, 600))


@given(SHAPES)
def test_blocks_are_all_cells_once(shape):
    seen = np.zeros(shape, np.uint8)
    for block in cache_blocks(shape):
        assert 0 < seen[block].size <= max(block_cells(shape), 1) or not seen.size
        seen[block] += 1
    assert (seen == 1).all()


@given(SHAPES)
def test_no_block_is_larger_than_it_may_be(shape):
    assert block_cells(shape) <= max(BLOCK_CELLS, shape[2])


@pytest.mark.parametrize("width", [BLOCK_CELLS, 3 * BLOCK_CELLS])
def test_a_row_is_never_cut(width):
    assert [rows for _, rows in cache_blocks((1, 2, width))] == [slice(0, 1), slice(1, 2)]
