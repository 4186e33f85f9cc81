from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from geopatcher.fields.spacing import Centres, affine_of, along, centres_of

xarray = pytest.importorskip("xarray")


def centres(values, name="x", noise=0.0):
    return Centres(name, np.asarray(values, float), noise)


def test_centres_make_the_transform_of_corners():
    xs, ys = centres([105, 115, 125]), centres([895, 885], "y")
    assert affine_of(xs, ys, None) == Affine(10, 0, 100, 0, -10, 900)
    assert affine_of(centres([125, 115, 105]), ys, None) == Affine(-10, 0, 130, 0, -10, 900)


def test_a_stored_transform_is_kept_where_it_agrees_or_is_rotated():
    stored = Affine(0.1, 0, 100, 0, -0.1, 900)
    xs, ys = centres(100 + 0.1 * (np.arange(1000) + 0.5)), centres([899.95, 899.85], "y")
    assert affine_of(xs, ys, stored)[:6] == stored[:6]
    other = Affine(0.1, 0, 200, 0, -0.1, 900)
    assert affine_of(xs, ys, other).c == pytest.approx(100)
    rotated = Affine(8, 6, 100, 6, -8, 900)
    assert affine_of(xs, ys, rotated) == rotated


def test_one_row_has_the_height_that_is_stored_or_that_of_a_square():
    xs, ys = centres([105, 115]), centres([895], "y")
    assert affine_of(xs, ys, None) == Affine(10, 0, 100, 0, -10, 900)
    assert affine_of(xs, ys, Affine(10, 0, 0, 0, -30, 0)) == Affine(10, 0, 100, 0, -30, 910)
    with pytest.raises(
        ValueError, match="coordinates 'x' and 'y' of a single pixel do not tell how large it is"
    ):
        affine_of(centres([105]), ys, None)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0, 1, 2, 4], "is not evenly spaced: one of its 4 values is"),
        ([3, 3, 3], "is not evenly spaced"),
        ([0, np.nan, 2], "has values that are not finite"),
    ],
)
def test_what_is_not_even(values, words):
    with pytest.raises(ValueError, match=f"the coordinate 'x' {words}"):
        centres(values).step(None)


def test_single_precision_may_be_coarse():
    values = np.float32(4.5e6) + np.arange(200, dtype="float32") * np.float32(0.8)
    assert centres_of(xarray.DataArray(np.zeros(200), {"x": values}, ("x",)), "x", (), {}, None).step(
        None
    ) == pytest.approx(0.8, abs=0.01)
    with pytest.raises(ValueError, match="not evenly spaced"):
        centres(values).step(None)


def test_coordinates_are_found_along_a_dimension_and_unpacked():
    packed = xarray.DataArray(
        np.array([0, 10], "int16"), dims="x", attrs={"scale_factor": 0.5, "add_offset": 7}
    )
    array = xarray.DataArray(
        np.zeros((2, 2)), {"east": packed, "wide": (("y", "x"), np.zeros((2, 2)))}, ("y", "x")
    )
    assert [name for name, _ in along(array, "x")] == ["east"]
    assert centres_of(array, "x", ("lon",), {}, None) is None
    found = centres_of(array, "x", ("east",), {}, None)
    assert (found.name, found.values.tolist()) == ("east", [7.0, 12.0])


@pytest.mark.parametrize(
    ("start", "noise", "agrees"),
    [(0.009, 0, True), (0.011, 0, False), (0.011, 0.006, True), (0.011, 0.005, False)],
)
def test_a_stored_place_agrees_within_a_thousandth_of_a_pixel_or_what_the_dtype_can_say(start, noise, agrees):
    assert centres([5, 15, 25], noise=noise).agrees((10, start)) is agrees
