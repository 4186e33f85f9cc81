"""Where one raster lies on another: ratios of pixels, and whole reads against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.core.metadata import Ground, Metadata
from geopatcher.errors import SourceError
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.placing import aligned, placed_on

RNG = np.random.default_rng(2)


def raster(shape, side=10.0, corner=(0.0, 0.0), **more):
    """Return a raster of whole numbers that begins at a place counted in meters."""
    transform = Affine(side, 0, 500 + corner[0], 0, -side, 900 - corner[1])
    return ArraySource.of(
        RNG.integers(0, 99, shape).astype("int32"), **{"transform": transform, "crs": "EPSG:32633"} | more
    )


FIRST = raster((1, 24, 36))


@given(st.sampled_from([1, 2, 3, 4, 6]), st.integers(0, 12), st.integers(0, 20))
def test_a_coarser_one_has_each_pixel_over_those_it_covers(ratio, row, col):
    source = raster((2, 24 // ratio, 36 // ratio), side=10.0 * ratio)
    placed = placed_on("dem", source, FIRST.domain, "s2", native=True)
    assert placed.member.coarser == (ratio, ratio)
    box = Box(row, row + 11, col, col + 16)
    whole = source.array.repeat(ratio, 1).repeat(ratio, 2)
    assert np.array_equal(placed.read(box)[0], whole[:, row : row + 11, col : col + 16])


@given(st.sampled_from([2, 3, 5]), st.integers(0, 12), st.integers(0, 20))
def test_a_finer_one_has_all_its_pixels(ratio, row, col):
    source = raster((1, 24 * ratio, 36 * ratio), side=10.0 / ratio)
    placed = placed_on("dem", source, FIRST.domain, "s2", native=True)
    assert placed.member.finer == (ratio, ratio)
    pixels, _ = placed.read(Box(row, row + 9, col, col + 5))
    part = source.array[:, row * ratio : (row + 9) * ratio, col * ratio : (col + 5) * ratio]
    assert np.array_equal(pixels, part)


def test_one_that_covers_a_part_is_missing_elsewhere():
    source = raster((1, 10, 12), corner=(40.0, 30.0))
    placed = placed_on("dem", source, FIRST.domain, "s2")
    pixels, known = placed.read(Box(0, 24, 0, 36))
    wanted = np.zeros((1, 24, 36), bool)
    wanted[:, 3:13, 4:16] = True
    assert np.array_equal(known, wanted)
    assert np.array_equal(pixels[known].reshape(source.array.shape), source.array)
    assert placed.member.marked


def test_a_native_one_may_begin_elsewhere_by_whole_pixels():
    source = raster((1, 20, 20), side=5.0, corner=(-15.0, 5.0))
    placed = placed_on("dem", source, FIRST.domain, "s2", native=True)
    pixels, known = placed.read(Box(0, 24, 0, 36))
    assert known[:, 1:21, :17].all()
    assert known.sum() == 20 * 17
    assert np.array_equal(pixels[0, 1:21, :17], source.array[0, :, 3:])


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (raster((1, 9, 9), side=25.0), "a pixel of dem .* is 2.5x2.5 of s2"),
        (raster((1, 9, 9), crs="EPSG:32634"), "is in another CRS than s2"),
        (raster((1, 9, 9), side=5.0, corner=(2.0, 0.0)), "begin within pixels of s2"),
        (raster((1, 9, 9), side=30.0, corner=(10.0, 0.0)), "begin within pixels of s2"),
        (
            raster((1, 9, 9), transform=Affine(10, 1, 500, 0, -10, 900)),
            "native needs a whole number",
        ),
        (ArraySource.of(np.zeros((1, 25, 36))), "a pixel of dem"),
    ],
)
def test_what_cannot_keep_its_pixels_is_refused(source, text):
    with pytest.raises(SourceError, match=text):
        placed_on("dem", source, FIRST.domain, "s2", native=True)


def test_arrays_without_a_place_lie_over_all_of_the_first():
    mask = ArraySource.of(RNG.random((2, 24, 36)))
    assert np.array_equal(placed_on("mask", mask, FIRST.domain, "s2").read(Box(0, 24, 0, 36))[0], mask.array)
    fine = ArraySource.of(RNG.random((1, 48, 108)))
    assert placed_on("fine", fine, FIRST.domain, "s2", native=True).member.finer == (2, 3)
    with pytest.raises(SourceError, match="mask .* has 24x35 pixels and s2 24x36, and not both say"):
        placed_on("mask", ArraySource.of(RNG.random((2, 24, 35))), FIRST.domain, "s2")


def test_rasters_tied_to_the_ground_by_something_else_are_refused():
    def tied(height):
        ground = Metadata(ground=Ground(rpcs=(("HEIGHT_OFF", height),)))
        return ArraySource.of(np.zeros((1, 4, 4)), metadata=ground)

    assert placed_on("b", tied("1"), tied("1").domain, "a").read(Box(0, 4, 0, 4))[0].shape == (1, 4, 4)
    with pytest.raises(SourceError, match="b .* not both say where they lie"):
        placed_on("b", tied("2"), tied("1").domain, "a")


def test_rasters_in_memory_are_warped():
    placed = placed_on("dem", raster((1, 9, 9), side=25.0), FIRST.domain, "s2")
    assert placed.source.domain.grid_shape == FIRST.domain.grid_shape
    with pytest.raises(SourceError, match="dem .* cannot be put on the grid of s2: .* CRS"):
        placed_on("dem", raster((1, 9, 9), side=25.0, crs=None), FIRST.domain, "s2")


def test_names_are_needed():
    with pytest.raises(ValueError, match="by their names, one at least, not by \\['', 'b'\\]"):
        aligned({"": FIRST, "b": FIRST})
    assert gp.plan({"only": FIRST}, size=8).n_patches > 1
