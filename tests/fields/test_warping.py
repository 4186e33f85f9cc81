"""Tiles of a map, and GDAL's warper."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.fields.warping import IN_MEMORY, INTERPOLATING, METHODS, opened, warped, whole_tiles
from geopatcher.formats.gdal_environment import environment

PLACE = Affine(30, 0, 500_000, 0, -30, 4_500_000)
RASTER = RasterDomain((40, 50), PLACE, "EPSG:32633")


@pytest.mark.parametrize("box", [Box(0, 50, 0, 60), Box(7, 33, 15, 59), Box(49, 50, 0, 1)])
def test_a_rectangle_is_put_together_of_whole_tiles(box):
    tiles = list(whole_tiles(box, (16, 32), (50, 60)))
    covered = np.zeros((50, 60), int)
    for whole in tiles:
        covered[whole.slices(Box(0, 0, 0, 0))] += 1
    assert covered.max() == 1
    assert covered[box.slices(Box(0, 0, 0, 0))].all()
    assert all((whole.row0 % 16, whole.col0 % 32) == (0, 0) for whole in tiles)
    assert all(whole.shape == (min(16, 50 - whole.row0), min(32, 60 - whole.col0)) for whole in tiles)
    assert not any(whole.intersect(box).empty for whole in tiles)


def on_half_a_pixel(cells, missing, held=None):
    """Return pixels warped to between those of each row."""
    part = RasterDomain((40, 49), PLACE @ Affine.translation(0.5, 0), RASTER.crs)
    with environment(**IN_MEMORY), opened(cells, RASTER, missing, held) as dataset:
        return warped(dataset, part, "bilinear", (1.0, 1.0), missing)


def test_a_pixel_between_two_is_their_mean():
    cells = np.random.default_rng(1).random((2, 40, 50))
    found = on_half_a_pixel(cells, np.nan)
    np.testing.assert_allclose(found, (cells[:, :, :-1] + cells[:, :, 1:]) / 2, atol=1e-6)


def test_a_mask_is_warped_along_as_the_last_band():
    cells = np.full((2, 40, 50), 7, "uint16")
    held = np.ones((40, 50), bool)
    held[:20] = False
    cells[:, :20] = 9
    found = on_half_a_pixel(cells, None, held)
    assert found.shape == (3, 40, 49)
    assert (found[2, :20] == 0).all()
    assert (found[2, 20:] > 0).all()
    assert (found[:2, 20:] == 7).all()


def test_a_band_lacks_no_pixel_of_another():
    cells = np.full((2, 40, 50), 7.0)
    cells[0, 5:9, 5:9] = np.nan
    assert not np.isnan(on_half_a_pixel(cells, np.nan)[1]).any()
    assert np.isnan(on_half_a_pixel(cells[:1], np.nan)).sum() == 16


def test_methods_have_names():
    assert {"nearest", "bilinear", "average"} <= set(METHODS)
    assert set(INTERPOLATING) < set(METHODS)
