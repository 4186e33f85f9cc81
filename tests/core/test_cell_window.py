import copy
import pickle

import numpy as np
from rasterio.windows import Window

from geopatcher import CellWindow
from geopatcher.core.box import Box, box_of


def test_it_is_a_window_of_rasterio():
    window = CellWindow(Box(2, 5, 4, 8), np.ones((3, 4), bool))
    assert isinstance(window, Window)
    assert (window.row_off, window.col_off, window.height, window.width) == (2, 4, 3, 4)
    assert box_of(window) == window.box == Box(2, 5, 4, 8)
    assert np.zeros((9, 9))[window.toslices()].shape == (3, 4)


def test_columns_beyond_the_last_are_the_first_again():
    window = CellWindow(Box(0, 1, 8, 13), np.ones((1, 5), bool), around=10)
    assert window.columns().tolist() == [8, 9, 0, 1, 2]
    assert list(window.parts()) == [(Box(0, 1, 8, 10), slice(0, 2)), (Box(0, 1, 0, 3), slice(2, 5))]


def test_without_a_globe_it_is_one_part():
    window = CellWindow(Box(0, 1, 8, 13), np.ones((1, 5), bool))
    assert list(window.parts()) == [(Box(0, 1, 8, 13), slice(0, 5))]
    assert "around" not in repr(window)


def test_it_pickles_and_copies_whole():
    window = CellWindow(Box(0, 2, 8, 11), np.array([[1, 0, 1], [0, 1, 1]], bool), around=10)
    for other in (pickle.loads(pickle.dumps(window)), copy.deepcopy(window)):  # noqa: S301
        assert (other.box, other.around) == (window.box, 10)
        assert (other.inside == window.inside).all()
    assert (
        repr(window) == "CellWindow(rows 0:2, columns 8:11, 4 cells inside, around the globe of 10 columns)"
    )
