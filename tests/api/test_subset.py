"""Bands and windows of a source."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import rasterio.windows
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.api.subset import box_of_bounds, box_within, pick_bands
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.rasterio_source import RasterioSource

UP = Affine(10, 0, 5000, 0, -10, 8000)
IMAGE = np.arange(4 * 20 * 30).reshape(4, 20, 30).astype("int16")


@pytest.fixture(params=["array", "file"])
def source(request, tmp_path):
    names, units = ("a", "b", "c", "d"), ("m", "", "K", "")
    if request.param == "array":
        return ArraySource.of(IMAGE, band_names=names, units=units)
    path = tmp_path / "x.tif"
    with rasterio.open(path, "w", "GTiff", 30, 20, 4, transform=UP, dtype="int16") as dataset:
        dataset.write(IMAGE)
        for band, (name, unit) in enumerate(zip(names, units, strict=True), start=1):
            dataset.set_band_description(band, name)
            dataset.set_band_unit(band, unit)
    return RasterioSource(str(path))


def test_bands_are_picked_in_their_order_and_again(source):
    picked = pick_bands(source, (4, 1, 3))
    box = Box(3, 9, 4, 20)
    np.testing.assert_array_equal(picked.read(box), IMAGE[[3, 0, 2], 3:9, 4:20])
    assert picked.domain.band_names == ("d", "a", "c")
    assert picked.domain.units == ("", "m", "K")
    assert picked.domain.shape == (3, 20, 30)
    np.testing.assert_array_equal(pick_bands(picked, [3]).read(box), IMAGE[[2], 3:9, 4:20])


@pytest.mark.parametrize(("bands", "complaint"), [((5, 1, 0), r"asked for \[5, 0\]"), ((), "asked for none")])
def test_bands_that_are_not_there_are_named(source, bands, complaint):
    with pytest.raises(ValueError, match=rf"has bands 1 to 4; {complaint}"):
        pick_bands(source, bands)


def test_only_the_bands_that_are_picked_are_read():
    class Counting:
        shape, dtype, asked = IMAGE.shape, IMAGE.dtype, []

        def __getitem__(self, index):
            self.asked.append(index[0])
            return IMAGE[index]

    pick_bands(ArraySource.of(Counting()), (3,)).read(Box(0, 5, 0, 5))
    assert Counting.asked == [slice(2, 3)]


@given(st.integers(0, 19), st.integers(0, 29), st.integers(1, 20), st.integers(1, 30))
def test_the_bounds_of_whole_pixels_are_those_pixels(row, col, height, width):
    domain = RasterDomain((4, 20, 30), Affine(0.1, 0, -60.3, 0, -0.1, 10.7))
    box = Box(row, min(20, row + height), col, min(30, col + width))
    assert box_of_bounds(domain, domain.cut(box).bounds) == box


@pytest.mark.parametrize("turn", [UP, Affine(10, 0, 5000, 0, 10, 8000), Affine(8, 6, 5000, 6, -8, 8000)])
def test_what_bounds_touch_is_what_they_hold(turn):
    domain = RasterDomain((20, 30), turn)
    x, y = turn @ (12.5, 7.5)
    assert box_of_bounds(domain, (x - 0.1, y - 0.1, x + 0.1, y + 0.1)) == Box(7, 8, 12, 13)
    assert box_of_bounds(domain, (-1e9, -1e9, 1e9, 1e9)) == Box(0, 20, 0, 30)


@pytest.mark.parametrize(
    ("bounds", "complaint"),
    [
        ((5000, 7000, 5000, 8000), "are empty: give left, bottom, right, top"),
        ((5000, 8000, 5100, 7900), "are empty"),
        ((0, 0, 100, 100), r"lie outside the raster, whose own are \(5000.0, 7800.0, 5300.0, 8000.0\)"),
        ((5300, 7800, 5400, 8000), "lie outside"),
        ((float("nan"), 0, 1, 1), "are empty"),
    ],
)
def test_bounds_that_hold_nothing_are_refused(bounds, complaint):
    with pytest.raises(ValueError, match=complaint):
        box_of_bounds(RasterDomain((20, 30), UP), bounds)


@pytest.mark.parametrize("box", [Box(0, 21, 0, 5), Box(-1, 5, 0, 5), Box(5, 5, 0, 5), Box(0, 5, 29, 40)])
def test_windows_that_reach_over_the_edge_are_refused(box):
    with pytest.raises(ValueError, match="is not inside the raster of 20 rows and 30 columns"):
        box_within(RasterDomain((20, 30)), box)
    assert gp.Box is Box


CUBE = np.random.default_rng(4).random((3, 2, 20, 30))


@pytest.mark.parametrize("masked", [False, True])
def test_bands_of_a_cube_are_those_along_its_last_leading_dimension(masked):
    held = CUBE > 0.3
    cube = np.ma.MaskedArray((CUBE * 100).astype("uint8"), ~held) if masked else CUBE
    result = gp.reconstruct(cube, np.copy, size=8, step=8, window="boxcar", bands=[2])
    assert [one.length for one in result.domain.leading] == [3, 1]
    np.testing.assert_array_equal(
        np.asarray(result.array)[held[:, 1:]] if masked else np.asarray(result.array),
        np.asarray(cube)[:, 1:][held[:, 1:]] if masked else cube[:, 1:],
    )
    if masked:
        np.testing.assert_array_equal(np.asarray(result.valid), held[:, 1:])


def test_bands_of_a_masked_array_keep_their_masks():
    held = np.random.default_rng(5).random((3, 20, 30)) > 0.4
    source = ArraySource.of(np.ma.MaskedArray(np.ones((3, 20, 30), "uint8"), ~held))
    picked, box = pick_bands(source, [3, 1]), Box(2, 9, 3, 30)
    np.testing.assert_array_equal(picked.valid(box, picked.read(box)), held[[2, 0]][:, *box.slices()])
