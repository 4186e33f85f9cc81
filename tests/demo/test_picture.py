from __future__ import annotations

import numpy as np
import pytest
import rasterio

from geopatcher.cli.demo import LOOK
from geopatcher.demo.picture import INDEX_COLOURS, Panels, draw, natural
from geopatcher.inspect.png import ramp_colours


def test_colours_are_between_black_and_white():
    shown = natural(np.array([[[0.0, 0.05, 0.2], [2.0, np.nan, np.nan]]]))
    assert shown[0, 0, 0] == 0
    assert (np.diff(shown[0, 0]) > 0).all()
    assert 0.99 < shown[0, 1, 0] <= 1
    assert (shown[0, 1, 1:] == 0.92).all()


def test_the_picture_shows_the_index_in_its_colours(tmp_path):
    pytest.importorskip("matplotlib")
    side = 64
    grey = np.full((side, side, 3), 0.1)
    vegetation = Panels(grey, np.full((side, side), 0.9), np.zeros((side, side)))
    water = Panels(grey, np.full((side, side), -0.5), np.zeros((side, side)))
    draw(
        tmp_path / "x.png",
        vegetation,
        water,
        square=(0.25, 0.25, 0.5),
        corner=(0, 0),
        patch=(32, 16),
        expression="b1 * 2",
        error=1e-8,
    )
    with rasterio.open(tmp_path / "x.png") as dataset:
        pixels = dataset.read()[:3].reshape(3, -1).T
    seen = {tuple(colour) for colour in pixels.tolist()}
    assert (0x0E, 0x4A, 0x2B) in seen  # thick vegetation, above
    assert (0x2B, 0x4A, 0x6F) in seen  # water, below
    assert (0xFF, 0xD3, 0x4D) in seen  # the frame of a patch


def test_the_result_looks_elsewhere_as_in_the_picture():
    low, high = INDEX_COLOURS[0][0], INDEX_COLOURS[-1][0]
    ramp = ramp_colours("index").astype(int)
    for value, colour in INDEX_COLOURS:
        wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
        found = ramp[round(255 * (value - low) / (high - low))]
        assert np.abs(found - wanted).max() <= 3
    assert (LOOK.ramp, LOOK.range) == ("index", (low, high))
