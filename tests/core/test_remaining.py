from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.box import Box
from geopatcher.core.remaining import Finished

boxes = st.builds(
    lambda r, h, c, w: Box(r * 4, (r + h) * 4, c, c + w),
    st.integers(0, 5),
    st.integers(1, 3),
    st.integers(0, 20),
    st.integers(1, 20),
)


@given(done=st.lists(boxes, max_size=8), undone=st.lists(boxes, max_size=3), region=boxes)
def test_missing_is_what_a_map_of_the_pixels_says(done, undone, region):
    pixels = np.zeros((40, 50), bool)
    finished = Finished(4)
    for box in done:
        finished.add(box)
        pixels[box.slices()] = True
    for box in undone:
        finished.remove(box)
        pixels[box.slices()] = False
    seen = np.zeros((40, 50), int)
    for box in finished.missing(region):
        assert box.n_pixels > 0
        assert box.row0 % 4 == 0
        seen[box.slices()] += 1
    wanted = np.zeros((40, 50), int)
    wanted[region.slices()] = ~pixels[region.slices()]
    assert np.array_equal(seen, wanted)  # each missing pixel once, no finished one
    assert finished.holds(region) == pixels[region.slices()].all()


def test_rows_that_miss_the_same_come_as_one_rectangle():
    finished = Finished(10, [Box(0, 10, 0, 100), Box(30, 40, 0, 50)])
    assert list(finished.missing(Box(0, 75, 0, 100))) == [
        Box(10, 30, 0, 100),
        Box(30, 40, 50, 100),
        Box(40, 75, 0, 100),
    ]
    assert list(Finished(10).missing(Box(0, 75, 0, 100))) == [Box(0, 75, 0, 100)]


def test_a_rectangle_costs_the_same_however_tall_it_is():
    finished = Finished(16, [Box(0, 16 << 60, 0, 50), Box(16, 32, 50, 70)])
    assert finished.holds(Box(0, 16 << 60, 0, 50))
    assert list(finished.missing(Box(0, 48, 0, 70))) == [Box(0, 16, 50, 70), Box(32, 48, 50, 70)]
    finished.remove(Box(16, 32, 0, 20))
    assert list(finished.missing(Box(0, 48, 0, 50))) == [Box(16, 32, 0, 20)]


@pytest.mark.parametrize("box", [Box(0, 0, 0, 5), Box(8, 8, 0, 5)])
def test_nothing_is_always_finished(box):
    assert Finished(8).holds(box)
