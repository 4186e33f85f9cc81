"""`geopatcher.plan`: what a run would do, without reading a pixel."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp


def test_a_source_that_cannot_be_read_is_planned():
    class Unreadable(gp.RasterField):
        def select(self, window):
            raise AssertionError("no pixel is read")

    image = Unreadable.from_array(np.zeros((3, 300, 400), "uint16"))
    made = gp.plan(image, size=100, step=50)
    assert (made.n_patches, made.shape[-2:]) == (5 * 7, (300, 400))


def test_it_is_the_plan_of_the_run():
    image = np.random.default_rng(0).random((2, 60, 90)).astype("float32")
    wanted = gp.plan(image, size=32, step=16, chunks=32, margin=4)
    made = gp.reconstruct(image, lambda x: x, size=32, step=16, chunks=32, margin=4).plan
    assert (made.n_patches, made.chunks, made.shape) == (wanted.n_patches, wanted.chunks, wanted.shape)


def test_an_unknown_keyword_is_named_with_those_there_are():
    with pytest.raises(
        TypeError, match=r"plan\(\) got .* 'tile': it takes aggregation, all_touched, batch_size"
    ):
        gp.plan(np.zeros((8, 8)), tile=3)
