from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.engine.rows import Loss, Unit
from geopatcher.engine.single import cut_one

IMAGE = np.arange(2 * 20 * 30, dtype="float32").reshape(2, 20, 30)


def plan_of(boundary):
    return gp.plan(IMAGE, size=8, step=8, boundary=boundary)


class Reads:
    def __init__(self, losses=()):
        self.boxes, self.losses = [], list(losses)

    def __call__(self, box):
        self.boxes.append(box)
        valid = np.ones((2, *box.shape), bool)
        return Unit(IMAGE[:, *box.slices()], valid, self.losses)


def test_no_more_is_read_than_the_patch_is_made_of():
    reads = Reads()
    cut = cut_one(plan_of("cover"), reads, Box(4, 12, 8, 16))
    np.testing.assert_array_equal(cut.pixels, IMAGE[:, 4:12, 8:16])
    assert reads.boxes == [Box(4, 12, 8, 16)]
    assert cut.valid is None
    assert not np.shares_memory(cut.pixels, IMAGE)


@pytest.mark.parametrize(("boundary", "mode"), [("pad", "constant"), ("reflect", "reflect")])
def test_a_patch_that_overhangs_is_filled_as_numpy_fills_it(boundary, mode):
    cut = cut_one(plan_of(boundary), Reads(), Box(16, 24, 24, 32))
    np.testing.assert_array_equal(cut.pixels, np.pad(IMAGE, ((0, 0), (0, 4), (0, 2)), mode)[:, 16:24, 24:32])


def test_pixels_that_could_not_be_read_are_told():
    loss = Loss(Box(0, 8, 0, 30), OSError("gone"), 1)
    assert cut_one(plan_of("cover"), Reads([loss]), Box(0, 8, 0, 8)).loss is loss
