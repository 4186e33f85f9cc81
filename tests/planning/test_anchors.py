"""Anchors by rectangle: a lattice computes what a list looks up, and both agree with counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracle
from geopatcher.core.axis import Axis
from geopatcher.core.box import Box
from geopatcher.planning.anchors import UNKNOWN_DEPTH, Lattice, Listed, straddling

lengths = st.integers(1, 40)


@st.composite
def lattices(draw):
    shape = (draw(lengths), draw(lengths))
    size = (draw(st.integers(1, 16)), draw(st.integers(1, 16)))
    step = (draw(st.integers(1, 20)), draw(st.integers(1, 20)))
    boundary = draw(st.sampled_from(["cover", "drop", "pad", "reflect", "shrink"]))
    axes = [Axis(shape[i], size[i], step[i], boundary) for i in range(2)]
    return shape, Lattice(*axes)


@st.composite
def regions(draw, shape):
    row, col = draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))
    return Box(row, draw(st.integers(row + 1, shape[0])), col, draw(st.integers(col + 1, shape[1])))


def listed(shape, lattice):
    size = lattice.patch_shape
    rows = oracle.starts(shape[0], size[0], lattice.rows.step, lattice.rows.boundary)
    cols = oracle.starts(shape[1], size[1], lattice.cols.step, lattice.cols.boundary)
    return [Box(r, r + size[0], c, c + size[1]) for r in rows for c in cols]


def count_map(shape, boxes):
    depth = np.zeros(shape, int)
    for box in boxes:
        depth[box.intersect(Box.of_shape(shape)).slices()] += 1
    return depth


@given(st.data())
def test_a_lattice_agrees_with_counting(data):
    shape, lattice = data.draw(lattices())
    region = data.draw(regions(shape))
    boxes = listed(shape, lattice)
    touching = [box for box in boxes if box.intersect(region).n_pixels]
    depth = count_map(shape, boxes)
    assert lattice.count == len(boxes)
    assert lattice.depth == depth.max()
    assert lattice.count_in(region) == len(touching)
    assert [box for strip in lattice.strips(region) for box in strip.boxes] == touching
    assert lattice.uncovered(region) == np.count_nonzero(depth[region.slices()] == 0)


@given(st.data())
def test_a_list_gives_what_the_lattice_gives(data):
    shape, lattice = data.draw(lattices())
    region = data.draw(regions(shape))
    boxes = listed(shape, lattice)
    order = data.draw(st.permutations(boxes))
    other = Listed.of([(box.row0, box.col0) for box in order], lattice.patch_shape, shape)
    assert other.count == lattice.count
    assert other.count_in(region) == lattice.count_in(region)
    assert other.uncovered(region) == lattice.uncovered(region)
    assert [b for s in other.strips(region) for b in s.boxes] == [
        b for s in lattice.strips(region) for b in s.boxes
    ]
    if boxes:
        assert other.patch_shape == lattice.patch_shape
        assert other.depth == lattice.depth
    if lattice.count_in(region):
        assert other.extent(region) == lattice.extent(region)


anchors = st.lists(st.tuples(st.integers(-5, 30), st.integers(-5, 30)), max_size=30)


@given(anchors, st.integers(1, 9), st.integers(1, 9))
def test_strips_hold_every_patch_once_and_never_go_back(places, height, width):
    listed = Listed.of(places, (height, width), (30, 30))
    whole = Box(-5, 40, -5, 40)
    strips = list(listed.strips(whole))
    seen = [(box.row0, box.col0) for strip in strips for box in strip.boxes]
    assert seen == sorted(places)
    for strip in strips:
        assert strip.rows[0] == min(box.row0 for box in strip.boxes)
        assert strip.rows[1] == max(box.row1 for box in strip.boxes)
    tops = [strip.rows[0] for strip in strips]
    assert tops == sorted(tops)


@given(anchors, st.integers(1, 9))
def test_the_depth_of_a_list_is_right_or_unknown(places, size):
    listed = Listed.of(places, (size, size), (30, 30))
    depth = np.zeros((60, 60), int)
    for row, col in places:
        depth[row + 10 : row + 10 + size, col + 10 : col + 10 + size] += 1
    assert listed.depth in (depth.max(), UNKNOWN_DEPTH)


def test_a_list_without_anchors_covers_nothing():
    listed = Listed.of([], (8, 8), (20, 20))
    region = Box(0, 20, 0, 20)
    assert (listed.count, listed.depth, listed.uncovered(region)) == (0, 0, 400)
    assert list(listed.strips(region)) == []
    assert listed.extent(region).n_pixels == 0


def test_a_lattice_of_a_billion_patches_answers_at_once():
    lattice = Lattice(Axis(4_000_000, 256, 128), Axis(2_000_000, 256, 128))
    region = Box(1_000_000, 1_000_512, 999_000, 999_512)
    assert lattice.count == 31249 * 15624
    assert lattice.depth == 4
    assert lattice.uncovered(Box(0, 4_000_000, 0, 2_000_000)) == 0
    strips = list(lattice.strips(region))
    assert sum(len(strip.boxes) for strip in strips) == lattice.count_in(region)
    assert all(box.intersect(region).n_pixels for strip in strips for box in strip.boxes)


def test_boxes_of_a_lattice_row_are_counted_and_indexed_like_a_list():
    strip = next(Lattice(Axis(8, 4, 2), Axis(9, 4, 3)).strips(Box(0, 8, 0, 9)))
    assert len(strip.boxes) == 3
    assert strip.boxes[2] == list(strip.boxes)[2] == Box(0, 4, 5, 9)
    with pytest.raises(IndexError):
        strip.boxes[3]


def test_patches_that_straddle_a_column_are_those_on_both_sides_of_it():
    lattice = Lattice(Axis(100, 10, 4, "cover"), Axis(100, 10, 4, "cover"))
    rows = Box(0, 30, 0, 100)
    for col in (4, 8, 50, 96):
        wanted = sum(
            box.col0 < col < box.col1 and box.row0 < 30
            for strip in lattice.strips(Box(0, 100, 0, 100))
            for box in strip.boxes
        )
        assert straddling(lattice, rows, col) == wanted
