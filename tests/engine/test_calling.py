from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.engine.calling import Calls
from geopatcher.engine.cuts import Cut
from geopatcher.errors import OperatorError


class Given:
    """Notes what it is given."""

    def __init__(self):
        self.seen = []

    def __call__(self, *given):
        self.seen.append(given)
        return given[0]


def cut(value=1.0, row=0, valid=None, bands=2):
    return Cut(Box(row, row + 3, 4, 8), np.full((bands, 3, 4), value), valid)


def calls(operator, **how):
    return Calls(operator, "op", "a.tif", **how)


def test_one_patch_is_given_as_it_is_and_a_batch_as_a_stack():
    given = Given()
    one = cut()
    assert calls(given).call([one]) is one.pixels
    assert calls(given, batched=True).call([cut(1.0), cut(2.0, 3)]).shape == (2, 2, 3, 4)
    assert given.seen[1][0][:, 0, 0, 0].tolist() == [1.0, 2.0]
    assert calls(given, batched=True).call([one]).shape == (1, 2, 3, 4)


def test_what_may_be_tried_again_is_a_copy():
    given, one = Given(), cut()
    found = calls(given, again=True).call([one])
    found[...] = 9
    assert one.pixels.max() == 1.0


def test_flat_patches_lose_their_band_and_masks_say_what_does_not_count():
    given = Given()
    assert calls(given, lengths=()).call([cut(bands=1)]).shape == (3, 4)
    valid = np.ones((2, 3, 4), bool)
    valid[1, 2, 3] = False
    masked = calls(given, masked=True, batched=True).call([cut(), cut(valid=valid)])
    assert np.argwhere(np.ma.getmaskarray(masked)).tolist() == [[1, 1, 2, 3]]


def test_it_is_told_where_on_the_grid_patches_lie():
    given, grid = Given(), RasterDomain((2, 20, 30))
    calls(given, grid=grid).call([cut(row=5)])
    calls(given, grid=grid, batched=True).call([cut(row=5), cut(row=8)])
    assert given.seen[0][1].anchor == (5, 4)
    assert [position.anchor for position in given.seen[1][1]] == [(5, 4), (8, 4)]


def test_a_limit_is_told_of_the_patches():
    told = []

    @contextmanager
    def limit(anchors):
        told.append(("in", anchors))
        yield
        told.append(("out", anchors))

    calls(Given(), limit=limit, batched=True).call([cut(), cut(row=3)])
    assert told == [("in", [(0, 4), (3, 4)]), ("out", [(0, 4), (3, 4)])]


@pytest.mark.parametrize("shape", [(3, 4), (1, 3, 4), (5, 3, 4), (2, 5, 3, 4)])
def test_any_number_of_bands_may_come_back(shape):
    (found,) = calls(Given()).results([cut()], np.zeros(shape))
    assert found.shape == shape
    both = calls(Given(), batched=True).results(
        [cut(), cut()], np.arange(2 * np.prod(shape)).reshape(2, *shape)
    )
    assert [each.shape for each in both] == [shape, shape]
    assert both[1].flat[0] == np.prod(shape)


@pytest.mark.parametrize(
    ("batched", "returned", "words"),
    [
        (
            False,
            np.zeros((4, 3)),
            "for the patch of 3x4 pixels at rows 0:3, columns 4:8 of a.tif: it must return",
        ),
        (False, np.zeros(4), r"it must return \(h, w\) or \(bands, h, w\) of the same height and width$"),
        (False, None, "op returned None for the patch at rows 0:3, columns 4:8 of a.tif"),
        (True, np.zeros((3, 2, 3, 4)), "for a batch of 2 patches .*its first axis must be the batch"),
        (True, np.zeros(()), "its first axis must be the batch"),
        (True, np.zeros((2, 3, 5)), "for the patch of 3x4 pixels"),
        (False, np.zeros((6, 8)), "of the same height and width, or have output_scale=2$"),
    ],
)
def test_what_cannot_be_placed_is_refused_by_name(batched, returned, words):
    with pytest.raises(OperatorError, match=words):
        calls(Given(), batched=batched).results([cut(), cut(row=3)] if batched else [cut()], returned)
