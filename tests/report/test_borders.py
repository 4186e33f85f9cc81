"""Where borders of patches fall, against patches counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.axis import Axis
from geopatcher.planning.anchors import Listed, lattice_of
from geopatcher.report.borders import LatticeBorders, Segment, border_positions, borders_of


@given(
    length=st.integers(1, 200),
    size=st.integers(1, 80),
    step=st.integers(1, 90),
    boundary=st.sampled_from(["cover", "drop", "pad", "reflect", "shrink"]),
)
def test_positions_are_the_ends_of_every_patch(length, size, step, boundary):
    axis = Axis(length, size, step, boundary)
    ends = {
        edge
        for index in range(axis.count)
        for edge in (axis.anchor(index), axis.anchor(index) + size)
        if 0 < edge < length
    }
    assert border_positions(axis).tolist() == sorted(ends)


def test_an_axis_without_patches_has_no_borders():
    assert border_positions(Axis(5, size=8, step=4, boundary="drop")).size == 0


def test_segments_cover_every_line_once():
    borders = LatticeBorders.of(Axis(300, 64, 32), Axis(500, 100, 50))
    for axis, (across, along) in enumerate([(300, 500), (500, 300)]):
        seen = np.zeros((across, along), int)
        for segment in borders.segments(axis, 10_000, seed=0):
            seen[segment.position, segment.lo : segment.hi] += 1
        assert set(np.flatnonzero(seen.all(axis=1))) == set(borders.lines(axis).tolist())
        assert seen.max() == 1


def test_a_limit_chooses_segments_by_a_fixed_seed_and_in_order():
    borders = LatticeBorders.of(Axis(3000, 64, 32), Axis(3000, 64, 32))
    first = borders.segments(0, 50, seed=3)
    assert len(set(first)) == 50
    assert first == sorted(first)
    assert first == borders.segments(0, 50, seed=3)
    assert first != borders.segments(0, 50, seed=4)


def test_listed_anchors_have_the_borders_of_the_lattice_they_came_from():
    lattice = lattice_of((90, 120), (32, 40), (20, 25), "cover")
    anchors = [(box.row0, box.col0) for row in lattice.strips(_whole(90, 120)) for box in row.boxes]
    listed = borders_of(Listed.of(anchors, (32, 40), (90, 120)), (90, 120))
    lines = borders_of(lattice, (90, 120))
    for axis in (0, 1):
        assert listed.lines(axis).tolist() == lines.lines(axis).tolist()
        segment = Segment(axis, int(lines.lines(axis)[0]), 0, 30)
        positions = np.arange(1, 60)  # the edge of the raster is no border
        assert listed.hit(segment, positions).tolist() == lines.hit(segment, positions).tolist()


def test_a_side_of_a_listed_patch_is_as_long_as_the_patch():
    borders = borders_of(Listed.of([(10, 20)], (30, 40), (100, 100)), (100, 100))
    assert borders.segments(0, 9, seed=0) == [Segment(0, 10, 20, 60), Segment(0, 40, 20, 60)]
    assert borders.segments(1, 9, seed=0) == [Segment(1, 20, 10, 40), Segment(1, 60, 10, 40)]
    assert borders.count(0) == 2
    # A border matters only to what lies beside it.
    assert not borders.hit(Segment(0, 50, 70, 90), np.array([10, 40])).any()


def test_anchors_of_another_kind_are_refused():
    with pytest.raises(TypeError, match="borders of object are not known"):
        borders_of(object(), (1, 1))


def _whole(height, width):
    from geopatcher.core.box import Box

    return Box.of_shape((height, width))
