from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher.core.box import Box

settings.register_profile("untimed", deadline=None)  # the machine may be busy with other things
settings.load_profile("untimed")

LOW, HIGH = -6, 14
coordinate = st.integers(LOW, HIGH)
boxes = st.builds(Box, coordinate, coordinate, coordinate, coordinate)
extent = st.integers(1, 6)
filled_boxes = st.builds(
    lambda row, col, height, width: Box(row, row + height, col, col + width),
    coordinate,
    coordinate,
    extent,
    extent,
)
grids = st.tuples(st.integers(1, 7), st.integers(1, 7))


def pixels(box: Box) -> set[tuple[int, int]]:
    return {(row, col) for row in range(box.row0, box.row1) for col in range(box.col0, box.col1)}


@given(boxes)
def test_shape_and_n_pixels_count_the_pixels(box):
    assert box.n_pixels == len(pixels(box))
    assert box.shape == (box.height, box.width)
    assert (box.height, box.width) == (len(range(box.row0, box.row1)), len(range(box.col0, box.col1)))


@given(boxes, boxes)
def test_intersect_has_the_pixels_of_both(one, other):
    assert pixels(one.intersect(other)) == pixels(one) & pixels(other)


@given(boxes, filled_boxes)
def test_contains_is_the_subset_of_pixels(one, other):
    assert one.contains(other) == (pixels(other) <= pixels(one))
    shared = one.intersect(other)
    assert one.contains(shared) or shared.n_pixels == 0
    assert other.contains(other)


@given(boxes, coordinate, coordinate)
def test_shift_moves_every_pixel(box, rows, cols):
    assert pixels(box.shift(rows, cols)) == {(row + rows, col + cols) for row, col in pixels(box)}


@given(boxes, boxes)
def test_slices_cut_the_same_pixels_out_of_an_array(box, origin):
    inside = box.intersect(origin)
    row, col = np.indices(origin.shape)
    row, col = row + origin.row0, col + origin.col0
    rows, cols = inside.slices(origin)
    cut = set(zip(row[rows, cols].ravel().tolist(), col[rows, cols].ravel().tolist(), strict=True))
    assert cut == pixels(inside)


def test_slices_of_an_empty_box_never_count_from_the_end():
    # rows 5:3 relative to row 4 would be 1:-1, most of the array
    rows, cols = Box(5, 3, 5, 9).slices(Box(4, 20, 4, 20))
    assert np.zeros((16, 16))[rows, cols].size == 0


def test_slices_refuse_a_box_that_starts_before_the_array():
    with pytest.raises(ValueError, match=r"rows 0:4, columns 2:4 starts before .* \(2, 2\): intersect"):
        Box(0, 4, 2, 4).slices(Box(2, 6, 2, 6))


@given(st.builds(Box, *[st.integers(0, 9)] * 4))
def test_slices_without_an_origin_index_an_array_that_starts_at_zero(box):
    cut = np.arange(100).reshape(10, 10)[box.slices()]
    assert set(cut.ravel().tolist()) == {10 * row + col for row, col in pixels(box)}


@given(boxes, boxes, grids)
def test_snap_out_is_the_cells_that_hold_a_pixel(box, within, grid):
    cells = {(row // grid[0], col // grid[1]) for row, col in pixels(box)}
    expected = {pixel for pixel in pixels(within) if (pixel[0] // grid[0], pixel[1] // grid[1]) in cells}
    assert pixels(box.snap_out(grid, within)) == expected


@given(boxes, grids)
def test_tiles_cut_the_box_into_disjoint_cells_in_row_major_order(box, grid):
    tiles = list(box.tiles(grid))
    assert sum(tile.n_pixels for tile in tiles) == box.n_pixels
    assert set().union(*map(pixels, tiles)) == pixels(box)
    cells = [{(row // grid[0], col // grid[1]) for row, col in pixels(tile)} for tile in tiles]
    assert all(len(cell) == 1 for cell in cells)
    order = [next(iter(cell)) for cell in cells]
    assert order == sorted(set(order))


def test_of_shape_and_str():
    assert Box.of_shape((3, 5)) == Box(0, 3, 0, 5)
    assert str(Box(1, 3, 2, 5)) == "rows 1:3, columns 2:5"
