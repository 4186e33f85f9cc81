"""The picture of a run: coarse, of finished blocks, of a size of its own."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from encoded import decoded
from geopatcher.core.box import Box
from geopatcher.engine.previews import Preview
from geopatcher.report.live_picture import Picture


@pytest.mark.parametrize("shape", [(90, 70), (1500, 1100), (1025, 40)])
def test_it_is_the_result_thinned(shape):
    image = np.random.default_rng(0).random(shape, dtype="float32")
    picture = Picture()
    gp.reconstruct(image, np.copy, size=64, step=64, chunks=128, hooks=picture)
    step = -(-max(shape) // 512)
    np.testing.assert_array_equal(picture.cells, image[step // 2 :: step, step // 2 :: step])


def test_what_is_not_finished_is_transparent():
    picture = Picture()
    assert picture.png() is None
    ramp = np.linspace(0, 1, 200, dtype="float32").reshape(1, 10, 20)
    picture.on_block_done(Preview(Box(0, 10, 0, 20), ramp, 1, (20, 20)))
    shown = decoded(picture.png())
    assert (shown[3, :10] == 255).all()
    assert (shown[3, 10:] == 0).all()


def test_it_looks_as_the_result_will():
    cells = np.full((1, 4, 4), 10, "float32")
    classes = Picture(gp.Style(classes={10: ("Tree", "#006400")}))
    classes.on_block_done(Preview(Box(0, 4, 0, 4), cells, 1, (4, 4)))
    assert decoded(classes.png())[:, 0, 0].tolist() == [0, 100, 0, 255]
    ramp = Picture(gp.Style(range=(0, 20), ramp="grey"))
    ramp.on_block_done(Preview(Box(0, 4, 0, 4), cells, 1, (4, 4)))
    assert decoded(ramp.png())[:, 0, 0].tolist() == [128, 128, 128, 255]
