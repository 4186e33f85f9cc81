"""What was found in a patch is put onto the grid of the raster."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.features.detections import Detections
from geopatcher.features.finding import Placing
from geopatcher.planning.anchors import lattice_of

LATTICE = lattice_of((100, 70), (32, 32), (20, 20), "cover")
PLACING = Placing(LATTICE, (100, 70))


def patches():
    return [box for strip in LATTICE.strips(Box(0, 100, 0, 70)) for box in strip.boxes]


def test_it_is_moved_to_where_the_patch_lies():
    found = PLACING(Box(20, 52, 38, 70), Detections.of_boxes([[1, 2, 3, 5]], [0.9], [4]))
    assert found.bounds.tolist() == [[39, 22, 41, 25]]
    assert found.labels.tolist() == [4]


@pytest.mark.parametrize("inside", [True, False])
def test_what_lies_beyond_the_raster_is_left_out(inside):
    box = [0, 0, 4, 4] if inside else [30, 0, 36, 4]
    assert len(PLACING(Box(0, 32, 38, 70), Detections.of_boxes([box], [0.9], [0]))) == inside


def test_borders_of_the_raster_cut_nothing():
    whole = Detections.of_boxes([[0, 10, 32, 20], [10, 0, 20, 32], [5, 5, 9, 9]], [0.9] * 3, [0] * 3)
    assert PLACING(Box(0, 32, 0, 32), whole).cut.tolist() == [True, True, False]  # right and below
    assert PLACING(Box(20, 52, 20, 52), whole).cut.tolist() == [True, True, False]
    left = Detections.of_boxes([[0, 10, 8, 20]], [0.9], [0])
    assert PLACING(Box(0, 32, 0, 32), left).cut.tolist() == [False]
    assert PLACING(Box(0, 32, 20, 52), left).cut.tolist() == [True]


def test_each_place_is_in_the_core_of_one_patch_the_one_whose_middle_is_nearest():
    rng = np.random.default_rng(0)
    places = np.concatenate([rng.uniform(0, 1, (200, 2)) * (70, 100), [[26, 26], [35.0, 60.0]]])
    for x, y in places:
        owners = []
        for box in patches():
            if box.row0 <= y < box.row1 and box.col0 <= x < box.col1:
                here = [[x - box.col0 - 1e-3, y - box.row0 - 1e-3, x - box.col0 + 1e-3, y - box.row0 + 1e-3]]
                if PLACING(box, Detections.of_boxes(here, [1], [0])).core.all():
                    owners.append(box)
        assert len(owners) == 1
        far = [max(abs(y - (b.row0 + 16)), 0) for b in patches() if b.col0 == owners[0].col0]
        assert abs(y - (owners[0].row0 + 16)) <= min(far) + 1e-6
