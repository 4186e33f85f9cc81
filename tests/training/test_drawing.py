from __future__ import annotations

import numpy as np
import pytest

from geopatcher.training.drawing import draw_parts

pyplot = pytest.importorskip("matplotlib.pyplot", reason="pictures are drawn with matplotlib")


def picture_of(ax):
    (image,) = ax.get_images()
    return np.asarray(image.get_array())


def test_blocks_are_pale_and_patches_strong():
    blocks = np.array([[0, 1]])
    members = {"train": np.array([[2, 3]]), "test": np.array([[-1, 16], [7, 17]])}
    ax = draw_parts((10, 20), (10, 10), blocks, (4, 4), members, 5, None)
    picture = picture_of(ax)
    assert picture.shape == (10, 20, 3)
    pale = {"train": picture[0, 0], "test": picture[0, 10]}
    strong = {"train": picture[2, 3], "test": picture[9, 19]}
    wanted = np.empty_like(picture)
    wanted[:, :10], wanted[:, 10:] = pale["train"], pale["test"]
    wanted[2:6, 3:7] = strong["train"]
    wanted[0:3, 16:20] = wanted[7:10, 17:20] = strong["test"]
    np.testing.assert_array_equal(picture, wanted)
    colors = np.array([*pale.values(), *strong.values()])
    assert len(np.unique(colors, axis=0)) == 4
    assert (np.array(list(pale.values())) >= np.array(list(strong.values()))).all()
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["train: 1 patches", "test: 2 patches"]
    assert "5 left out" in ax.get_title(loc="left")
    pyplot.close("all")


def test_a_large_raster_is_drawn_small_and_into_given_axes():
    _, ax = pyplot.subplots()
    members = {"a": np.array([[3000, 0]]), "b": np.array([[0, 3000]])}
    found = draw_parts(
        (6000, 4000), (2000, 2000), np.array([[0, 1], [1, 0], [0, 1]]), (500, 500), members, 0, ax
    )
    assert found is ax
    assert max(picture_of(ax).shape) <= 900
    pyplot.close("all")
