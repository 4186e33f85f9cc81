"""Parts of a lattice, against a list of all its patches."""

from __future__ import annotations

import itertools
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.box import Box
from geopatcher.planning.anchors import lattice_of
from geopatcher.planning.part_lattice import PartLattice

ALL = Box(0, 90, 0, 110)
LATTICE = lattice_of((90, 110), (32, 24), (20, 10), "cover")


def boxes(anchors, region=ALL):
    return [box for strip in anchors.strips(region) for box in strip.boxes]


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 10), st.integers(0, 10))
def test_parts_have_each_patch_once(row, other, col, last):
    rows = sorted({0, *(min(one, LATTICE.rows.count) for one in (row, other)), LATTICE.rows.count})
    cols = sorted({0, *(min(one, LATTICE.cols.count) for one in (col, last)), LATTICE.cols.count})
    parts = [
        PartLattice(LATTICE, range(*some), range(*others))
        for some in itertools.pairwise(rows)
        for others in itertools.pairwise(cols)
    ]
    assert sorted(box for part in parts for box in boxes(part)) == sorted(boxes(LATTICE))
    assert sum(part.count for part in parts) == sum(part.count_in(ALL) for part in parts) == LATTICE.count


def test_it_has_the_patches_of_its_rows_that_touch_a_region():
    part = PartLattice(LATTICE, range(1, 3), range(2, 5))
    region = Box(0, 30, 0, 25)
    rows = {LATTICE.rows.anchor(1), LATTICE.rows.anchor(2)}
    wanted = [box for box in boxes(LATTICE, region) if box.row0 in rows and 20 <= box.col0 <= 40]
    assert boxes(part, region) == wanted
    assert part.count_in(region) == len(wanted) == 1
    assert [strip.rows for strip in part.strips(region)] == [(20, 52)]
    assert part.extent(region) == wanted[0]
    assert part.uncovered(region) == region.n_pixels - 10 * 5
    assert part.depth == LATTICE.depth
    assert part.patch_shape == (32, 24)


def test_where_none_touches_it_is_empty():
    part = PartLattice(LATTICE, range(1), range(1))
    region = Box(80, 90, 0, 10)
    assert boxes(part, region) == []
    assert part.extent(region).n_pixels == 0
    assert list(PartLattice(LATTICE, range(1), range(0)).strips(ALL)) == []


def test_it_is_rescaled_and_moved_as_the_lattice_is():
    part = PartLattice(LATTICE, range(1, 2), range(2))
    twice = part.rescaled(Fraction(2))
    assert boxes(twice, Box(0, 180, 0, 220))[0] == Box(40, 104, 0, 48)
    assert boxes(part.seen_from(5, 0), Box(-5, 85, 0, 110))[0] == Box(15, 47, 0, 24)
