from __future__ import annotations

import json
import math
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio.windows
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from geopatcher.core.axis import BOUNDARIES, Axis
from geopatcher.core.domain import RasterDomain
from geopatcher.core.protocols import RectGeometry
from geopatcher.patching.geometry import SpatialGeometry, SpatialRectangular

settings.register_profile("untimed", deadline=None)  # the machine may be busy with other things
settings.load_profile("untimed")

DOMAIN = RasterDomain((3, 20, 30))


def test_one_number_is_both_sides():
    assert SpatialRectangular(8) == SpatialRectangular((8, 8)) == SpatialRectangular(np.array([8, 8]))
    assert SpatialRectangular([8, 16]).size == (8, 16)
    assert all(type(side) is int for side in SpatialRectangular(np.int32(8)).size)


def test_it_is_what_the_layers_ask_for():
    geometry = SpatialRectangular(8)
    assert isinstance(geometry, RectGeometry)
    assert isinstance(geometry, SpatialGeometry)
    assert (geometry.boundary, geometry.pad_value) == ("cover", None)


def test_a_window_prints_plain_integers():
    window = SpatialRectangular(64).neighborhood(
        SimpleNamespace(shape=(256, 256)), (np.int64(0), np.int64(0))
    )
    assert repr(window) == "Window(col_off=0, row_off=0, width=64, height=64)"


@given(st.integers(-10, 40), st.integers(-10, 40), st.sampled_from([b for b in BOUNDARIES if b != "shrink"]))
def test_a_neighbourhood_is_the_patch_at_its_anchor_even_where_it_overhangs(row, col, boundary):
    window = SpatialRectangular((8, 12), boundary).neighborhood(DOMAIN, (row, col))
    assert window == Window(col_off=col, row_off=row, width=12, height=8)


@given(st.integers(-7, 19), st.integers(-11, 29))
def test_shrink_cuts_it_off_at_the_raster(row, col):
    window = SpatialRectangular((8, 12), "shrink").neighborhood(DOMAIN, (row, col))
    whole = Window(0, 0, 30, 20)
    assert window == rasterio.windows.intersection(whole, Window(col, row, 12, 8))


@pytest.mark.parametrize("anchor", [(20, 0), (0, 30), (-8, 0), (0, -12)])
def test_shrink_refuses_a_patch_outside_the_raster(anchor):
    with pytest.raises(ValueError, match=r"8x12 at anchor \(.*\) has no pixel in the raster of 20x30"):
        SpatialRectangular((8, 12), "shrink").neighborhood(DOMAIN, anchor)


def test_extent_is_the_size_unless_patches_shrink():
    assert SpatialRectangular((25, 12)).extent(DOMAIN) == (25, 12)
    assert SpatialRectangular((25, 12), "shrink").extent(DOMAIN) == (20, 12)
    assert SpatialRectangular((5, 99), "shrink").extent(DOMAIN) == (5, 30)


def test_axes_carry_size_step_and_boundary():
    rows, cols = SpatialRectangular((8, 12), "drop").axes(DOMAIN.shape, (4, 6))
    assert (rows, cols) == (Axis(20, 8, 4, "drop"), Axis(30, 12, 6, "drop"))


@pytest.mark.parametrize("size", [0, -1, (8, 0), 8.0, (1, 2, 3), "big", None])
def test_sizes_that_are_none_are_refused(size):
    with pytest.raises(ValueError, match=r"^size is a whole number of pixels, at least 1, or a pair"):
        SpatialRectangular(size)


def test_an_unknown_boundary_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="'mirror' is none of cover, drop, pad, reflect, shrink, raise"):
        SpatialRectangular(8, "mirror")


@given(
    st.tuples(st.integers(1, 99), st.integers(1, 99)),
    st.sampled_from(BOUNDARIES),
    st.sampled_from([None, 0.0, -9999.0, math.inf]),
)
def test_a_configuration_is_json_and_makes_the_same_geometry(size, boundary, pad_value):
    geometry = SpatialRectangular(size, boundary, pad_value)
    config = json.loads(json.dumps(geometry.get_config()))
    assert SpatialRectangular(**config) == SpatialRectangular.from_config(config) == geometry
    assert pickle.loads(pickle.dumps(geometry)) == geometry  # noqa: S301 - our own bytes
