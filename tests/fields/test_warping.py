"""Tiles of a map."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.fields.warping import METHODS, Warping, by_tiles


@pytest.mark.parametrize("box", [Box(0, 50, 0, 60), Box(7, 33, 15, 59), Box(49, 50, 0, 1)])
def test_a_rectangle_is_put_together_of_whole_tiles(box):
    numbers = np.arange(3000).reshape(1, 50, 60)
    asked = []

    def warped(whole):
        asked.append(whole)
        return numbers[:, *whole.slices(Box(0, 0, 0, 0))]

    pixels = by_tiles(box, (16, 32), (50, 60), np.zeros((1, *box.shape), int), warped)
    assert np.array_equal(pixels, numbers[:, box.row0 : box.row1, box.col0 : box.col1])
    assert all((whole.row0 % 16, whole.col0 % 32) == (0, 0) for whole in asked)
    assert all(whole.shape == (min(16, 50 - whole.row0), min(32, 60 - whole.col0)) for whole in asked)


def test_what_is_missing_is_said_by_a_value_or_a_band():
    onto = RasterDomain((2, 2))
    cells = np.array([[[1, 0]], [[3, 4]], [[255, 0]]], "uint8")
    pixels, held = Warping(onto, "nearest", None, None, 3).held(cells)
    assert pixels.shape == (2, 1, 2)
    assert held.tolist() == [[[True, False]]] * 2
    pixels, held = Warping(onto, "nearest", 0, 0, 0).held(cells)
    assert pixels is cells
    assert np.array_equal(held, cells != 0)
    assert Warping(onto, "nearest", np.nan, np.nan, 0).held(cells.astype("float32"))[1] is None
    assert {"nearest", "bilinear", "average"} <= set(METHODS)
