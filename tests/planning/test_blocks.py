"""Blocks of a region, counted without being listed, and what patches leave out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.box import Box
from geopatcher.planning.blocks import BlockGrid, Coverage


@given(st.tuples(*[st.integers(0, 40)] * 4), st.tuples(st.integers(1, 17), st.integers(1, 17)))
def test_every_pixel_of_a_region_lies_in_one_block_and_no_block_crosses_the_grid(corners, chunks):
    (row0, row1), (col0, col1) = sorted(corners[:2]), sorted(corners[2:])
    grid = BlockGrid(Box(row0, row1, col0, col1), chunks)
    times = np.zeros((41, 41), int)
    for box in grid:
        times[box.slices()] += 1
        assert box.row0 // chunks[0] == (box.row1 - 1) // chunks[0]
        assert box.col0 // chunks[1] == (box.col1 - 1) // chunks[1]
    wanted = np.zeros_like(times)
    wanted[row0:row1, col0:col1] = 1
    np.testing.assert_array_equal(times, wanted)
    assert len(grid) == grid.count == len(list(grid))


def test_more_blocks_than_a_length_can_be_are_counted():
    assert BlockGrid(Box(0, 1 << 40, 0, 1 << 40), (1, 1)).count == 1 << 80


@pytest.mark.parametrize(
    ("coverage", "fraction", "complete", "text"),
    [
        (Coverage(2000, 0), 1.0, True, "all 2,000 pixels"),
        (Coverage(2000, 500), 0.75, False, "500 of 2,000 pixels are left out"),
        (Coverage(0, 0), 1.0, True, "all 0 pixels"),
    ],
)
def test_what_is_left_out_is_said(coverage, fraction, complete, text):
    assert (coverage.fraction, coverage.complete, str(coverage)) == (fraction, complete, text)


def test_rows_of_blocks_are_as_wide_as_their_region():
    grid = BlockGrid(Box(10, 50, 20, 75), (16, 16))
    assert list(grid.rows()) == [
        Box(10, 16, 20, 75),
        Box(16, 32, 20, 75),
        Box(32, 48, 20, 75),
        Box(48, 50, 20, 75),
    ]
    assert len(BlockGrid(Box(5, 5, 0, 3), (16, 16))) == 0
