import numpy as np
import pytest
from affine import Affine

from geopatcher import GridDomain, PointDomain, RasterDomain
from geopatcher.core.box import Box
from geopatcher.patching.cells import Cells

PLACES = [
    RasterDomain((6, 8), Affine(10, 0, 100, 0, -5, 50)),
    RasterDomain((2, 6, 8), Affine(10, 3, 100, 2, -5, 50)),
    GridDomain({"y": [9.0, 7, 6, 2, 1, 0], "x": [0.0, 1, 3, 4, 8, 9, 11, 20]}),
]


@pytest.mark.parametrize("domain", PLACES)
def test_positions_are_those_of_centres(domain):
    cells = Cells.of(domain)
    x, y = cells.centres(cells.box)
    rows, cols = cells.positions(x, y)
    assert np.allclose(rows, np.arange(6)[:, None] + np.zeros((6, 8)))
    assert np.allclose(cols, np.arange(8)[None] + np.zeros((6, 8)))
    part = Box(2, 4, 3, 8)
    assert np.array_equal(cells.centres(part)[0], x[part.slices()])


def test_named_grids_take_pairs_and_names():
    cells = Cells.of(PLACES[2])
    assert cells.place({"x": 3, "y": 5}) == cells.place((5, 3)) == (5, 3)
    with pytest.raises(TypeError, match="says nothing of 'y'"):
        cells.place({"x": 3})
    with pytest.raises(IndexError, match="outside the grid of 6x8"):
        cells.place((6, 0))
    with pytest.raises(TypeError, match="{dim: index}"):
        cells.place(4)


def test_points_have_no_cells():
    with pytest.raises(TypeError, match="PointDomain is no raster and no named grid"):
        Cells.of(PointDomain([(0, 0)]))


def test_a_transform_without_an_inverse_is_refused():
    cells = Cells.of(RasterDomain((2, 2), Affine(1, 1, 0, 1, 1, 0)))
    with pytest.raises(ValueError, match="all pixels on one line"):
        cells.positions(np.zeros(1), np.zeros(1))


@pytest.mark.parametrize("domain", PLACES)
def test_fractions_of_cells_are_no_anchor(domain):
    with pytest.raises(TypeError, match="in whole pixels, not"):
        Cells.of(domain).place((2.7, 1.0))
    with pytest.raises(TypeError, match="not None"):
        Cells.of(domain).place(None)
