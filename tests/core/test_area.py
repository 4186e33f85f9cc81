"""Cells, patches and pixels of a polygon, against GDAL over the whole grid and shapely cell by cell."""

from __future__ import annotations

import pickle
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.features import rasterize

import racing
from geopatcher.core.area import MANY, SQUARE, Area, exact_wkt
from geopatcher.core.box import Box

GRID = (700, 900)
STAR = shapely.Polygon([(100.3, 50.2), (800, 300), (420, 330.5), (500, 690), (300, 400), (20, 380)])
HOLE = shapely.box(0, 0, 900, 700).difference(shapely.box(200, 100, 640, 650))
APART = shapely.union_all([shapely.box(5, 5, 9, 9), shapely.box(880, 690, 899, 700)])
ROUND = shapely.Point(450, 350).buffer(300, quad_segs=400)


def oracle(shape):
    return rasterize([shape], GRID, transform=Affine.identity()).astype(bool)


@pytest.mark.parametrize("shape", [STAR, HOLE, APART, ROUND])
def test_cells_are_those_of_gdal_whatever_rectangle_is_asked_for(shape):
    area, whole = Area(shape), oracle(shape)
    rng = np.random.default_rng(0)
    for _ in range(60):
        row, col = rng.integers(0, GRID[0] - 1), rng.integers(0, GRID[1] - 1)
        box = Box(
            row, min(GRID[0], row + rng.integers(1, 300)), col, min(GRID[1], col + rng.integers(1, 300))
        )
        expected = whole[box.slices()]
        cells = area.cells(box)
        if isinstance(cells, bool):
            assert expected.all() if cells else not expected.any()
        else:
            assert expected.any()
            assert not expected.all()
            np.testing.assert_array_equal(cells, expected)


@pytest.mark.parametrize("shape", [STAR, HOLE, APART])
def test_cells_that_are_touched_share_some_of_themselves(shape):
    box = Box(200, 460, 150, 420)
    found = Area(shape, all_touched=True).cells(box)
    expected = np.zeros(box.shape, bool)
    for row, col in np.ndindex(*box.shape):
        cell = shapely.box(col + 150, row + 200, col + 151, row + 201)
        expected[row, col] = shape.intersection(cell).area > 0
    np.testing.assert_array_equal(np.broadcast_to(found, box.shape), expected)


def test_an_outline_of_many_corners_is_cut_to_squares_and_gives_the_same():
    assert shapely.get_num_coordinates(ROUND) > MANY
    cells = Area(ROUND).cells(Box(0, 700, 0, 900))
    row, col = np.mgrid[:700, :900] + 0.5
    np.testing.assert_array_equal(cells, shapely.contains_xy(ROUND, col, row))


@given(st.integers(-5, 12), st.integers(-5, 12), st.integers(1, 9), st.integers(1, 9))
def test_a_rectangle_touches_where_it_shares_more_than_an_edge(row, col, height, width):
    box = Box(row, row + height, col, col + width)
    inside = box.intersect(Box(2, 6, 3, 8)).n_pixels > 0
    assert Area(shapely.box(3, 2, 8, 6)).touches(box) == inside


@pytest.mark.parametrize("width", [1, 7, 64, 5000])
@pytest.mark.parametrize("first", [0, -3, 11])
def test_what_is_near_is_found_in_pieces_that_do_not_meet(width, first):
    area = Area(shapely.union_all([shapely.box(10, 40, 30, 50), shapely.box(200, 40, 220, 60)]))
    box, around = Box(0, 35, 0, 300), (8, 5)
    pieces = list(area.columns(box, around, width, first))
    cols = np.arange(300)
    near = ((cols >= 5) & (cols < 35)) | ((cols >= 195) & (cols < 225))
    got = np.zeros(300, bool)
    for piece in pieces:
        assert (piece.row0, piece.row1) == (0, 35)
        assert not got[piece.col0 : piece.col1].any()
        got[piece.col0 : piece.col1] = True
    assert got[near].all()
    assert got.sum() <= near.sum() + 4 * width + 4
    assert not list(area.columns(Box(0, 30, 0, 300), around, width, first))
    assert all(a.col1 < b.col0 for a, b in pairwise(pieces))


def test_it_travels_without_what_it_remembers_and_is_known_by_its_outline():
    area = Area(STAR)
    area.cells(Box(0, 2 * SQUARE, 0, SQUARE))
    again = pickle.loads(pickle.dumps(area))  # noqa: S301 - our own
    assert len(pickle.dumps(area)) < 2000
    assert again == area
    np.testing.assert_array_equal(again.cells(Box(0, 300, 0, 300)), area.cells(Box(0, 300, 0, 300)))
    assert area.fingerprint() == again.fingerprint() != Area(STAR, all_touched=True).fingerprint()
    assert area.fingerprint() != Area(ROUND).fingerprint()


def test_bounds_are_the_cells_around_it():
    assert Area(shapely.box(2.5, 3, 7 + 1e-9, 9)).bounds == Box(3, 9, 2, 7)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=3))
def test_text_of_a_geometry_has_all_digits(place):
    point = shapely.Point(place)
    assert shapely.equals_identical(shapely.from_wkt(exact_wkt([point])[0]), point)


@pytest.mark.parametrize("whose", ["of_area", "of_patches", "of_points"])
def test_threads_that_ask_one_polygon_at_once_get_one_answer(whose):
    """What GEOS keeps beside a geometry is for one thread: others end the process."""
    done = subprocess.run(
        [sys.executable, racing.__file__, whose], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
