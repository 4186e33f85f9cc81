"""Where a tile of a map lies on a raster."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.fields.under_tile import by_turns, even_scale, under

PLACE = Affine(30, 0, 500_000, 0, -30, 4_500_000)
RASTER = RasterDomain((400, 500), PLACE, "EPSG:32633")


@pytest.mark.parametrize("angle", [0, 30, 45, 90])
def test_the_scale_of_a_turned_map_is_that_of_its_pixels(angle):
    turned = RasterDomain(
        (200, 200),
        PLACE @ Affine.translation(200, 200) @ Affine.rotation(angle) @ Affine.scale(2),
        RASTER.crs,
    )
    assert even_scale(turned, Box(0, 200, 0, 200), RASTER) == pytest.approx((0.5, 0.5))


def test_the_scale_is_told_along_the_axes_of_the_raster():
    turned = RasterDomain(
        (90, 90), PLACE @ Affine.translation(200, 200) @ Affine.rotation(90) @ Affine.scale(4, 1), RASTER.crs
    )
    assert even_scale(turned, Box(0, 90, 0, 90), RASTER) == pytest.approx((1, 0.25))


def test_a_world_has_no_one_scale_and_each_tile_its_own():
    world = RasterDomain((180, 360), Affine(1, 0, -180, 0, -1, 90), "EPSG:4326")
    side = 40_000
    mercator = RasterDomain((1000, 1000), Affine(side, 0, -2e7, 0, -side, 2e7), "EPSG:3857")
    assert even_scale(mercator, Box(0, 1000, 0, 1000), world) is None
    at_equator = under(Box(490, 510, 490, 510), mercator, world, None).scale
    assert at_equator == pytest.approx((111_319 / side, 111_319 / side), rel=0.01)
    far_north = under(Box(10, 12, 490, 510), mercator, world, None).scale
    assert far_north[1] > 4 * far_north[0]


@pytest.mark.parametrize("box", [Box(0, 64, 0, 64), Box(100, 164, 50, 114), Box(40, 41, 3, 90)])
def test_all_pixels_of_a_tile_lie_on_what_is_under_it(box):
    x, y = Transformer.from_crs(RASTER.crs, "EPSG:3035", always_xy=True).transform(503_000, 4_497_000)
    onto = RasterDomain((200, 200), Affine(30, 0, x, 0, -30, y), "EPSG:3035")
    own = under(box, onto, RASTER, None).own
    rows, cols = np.mgrid[box.row0 : box.row1 + 1, box.col0 : box.col1 + 1]
    back = Transformer.from_crs(onto.crs, RASTER.crs, always_xy=True)
    there = back.transform(*(onto.transform @ (cols, rows)))
    at_cols, at_rows = ~PLACE @ there
    assert own.row0 <= at_rows.min() - 3
    assert own.row1 >= at_rows.max() + 3
    assert own.col0 <= at_cols.min() - 3
    assert own.col1 >= at_cols.max() + 3
    assert own.n_pixels < 4 * (box.height + 12) * (box.width + 12)
    assert under(box, onto, RASTER, (1.0, 1.0)).scale == (1.0, 1.0)


def test_a_pole_between_the_places_looked_at_is_under_its_tile():
    world = RasterDomain((1800, 3600), Affine(0.1, 0, -180, 0, -0.1, 90), "EPSG:4326")
    side = 2_000  # a tile of 512 is looked at every 16 pixels: 32 km, which are three rows of the raster
    for shift in (0.0, 3.3, 8.0):
        north = Affine(side, 0, -side * (256 + shift), 0, -side, side * (256 + shift))
        polar = RasterDomain((512, 512), north, "EPSG:3995")
        assert under(Box(0, 512, 0, 512), polar, world, None).own.row0 == 0


def test_beside_the_raster_there_is_nothing():
    far = RasterDomain((64, 64), PLACE @ Affine.translation(9000, 0), RASTER.crs)
    assert under(Box(0, 64, 0, 64), far, RASTER, None).own.empty


@pytest.mark.parametrize(
    ("left", "width", "lefts"),
    [
        (0, 360, [0, -360]),
        (-180, 360, [-180]),
        (250, 40, [-110]),
        (170, 20, [170, -190]),
        (-190, 20, [170, -190]),
        (-10, 30, [-10]),
        (180, 10, [-180]),
        (170, 10, [170]),
        (530, 20, [170, -190]),
        (-180.0000001, 360.0000002, [-180.0000001]),
    ],
)
def test_a_raster_in_degrees_lies_where_gdal_looks_for_it(left, width, lefts):
    raster = RasterDomain((10, 100), Affine(width / 100, 0, left, 0, -1, 5), "EPSG:4326")
    onto = RasterDomain((10, 100), crs="EPSG:3857")
    assert [one.transform.c for one in by_turns(raster, onto)] == pytest.approx(lefts)
    assert by_turns(raster, RasterDomain((10, 100), crs="EPSG:4326")) == [raster]


def test_a_raster_in_metres_lies_where_it_says():
    assert by_turns(RASTER, RasterDomain((10, 100), crs="EPSG:3857")) == [RASTER]


@pytest.mark.parametrize("left", [250, -110, 610])
def test_a_tile_is_found_however_longitudes_are_counted(left):
    raster = RasterDomain((80, 80), Affine(0.5, 0, left, 0, -0.5, 45), "EPSG:4326")
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True).transform(-90, 25)  # in its middle
    onto = RasterDomain((4, 4), Affine(1000, 0, x - 2000, 0, -1000, y + 2000), "EPSG:3857")
    own = under(Box(0, 4, 0, 4), onto, raster, None).own
    assert (own.row0 <= 39, own.row1 >= 41, own.col0 <= 39, own.col1 >= 41) == (True,) * 4
    assert own.n_pixels < 1000
