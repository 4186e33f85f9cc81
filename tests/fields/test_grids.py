"""The pixels of a map, against pyproj, rasterio and arithmetic by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.warp import calculate_default_transform

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.core.metadata import Ground, Metadata
from geopatcher.errors import SourceError
from geopatcher.fields.grids import Grid, crs_of, grid_for, outline, same_crs, whole_shift

PLACE = Affine(10, 0, 500_000, 0, -10, 4_600_000)
ZONE33 = CRS.from_epsg(32633).to_wkt()


def domain(row=0.0, col=0.0, shape=(30, 40), crs=ZONE33, side=10.0):
    return RasterDomain(shape, Affine(side, 0, 500_000 + 10 * col, 0, -side, 4_600_000 - 10 * row), crs)


corners = st.integers(-50, 50)
sizes = st.integers(1, 40)


@given(st.lists(st.tuples(corners, corners, sizes, sizes), min_size=1, max_size=5))
def test_the_first_lattice_is_continued_over_all(boxes):
    domains = [domain(row, col, (height, width)) for row, col, height, width in boxes]
    grid = grid_for(Grid(), domains, ["x"] * len(domains))
    rows = [row for row, _, height, _ in boxes for row in (row, row + height)]
    cols = [col for _, col, _, width in boxes for col in (col, col + width)]
    assert grid.grid_shape == (max(rows) - min(rows), max(cols) - min(cols))
    assert grid.transform == domain(min(rows), min(cols)).transform
    for (row, col, _, _), one in zip(boxes, domains, strict=True):
        assert whole_shift(one, grid) == (row - min(rows), col - min(cols))


@given(st.floats(-0.5, 0.5), st.floats(0.5, 2))
def test_pixels_that_are_shifted_or_of_another_size_are_not_shared(shift, side):
    shifted, sized = domain(3 + shift, 4), domain(3, 4, side=10 * side)
    assert (whole_shift(shifted, domain()) is None) is (abs(shift) > 1e-3)
    assert (whole_shift(sized, domain()) is None) is (abs(side - 1) * 40 > 1e-3)


def test_turned_pixels_are_not_shared():
    turned = RasterDomain((4, 4), PLACE @ Affine.rotation(90), ZONE33)
    assert whole_shift(turned, domain()) is None
    assert whole_shift(turned, RasterDomain((9, 9), PLACE @ Affine.rotation(90), ZONE33)) == (0, 0)
    assert whole_shift(domain(), domain(crs="EPSG:32634")) is None
    assert whole_shift(domain(crs=None), domain(crs=None)) == (0, 0)


@pytest.mark.parametrize("angle", [0, 30])
def test_the_outline_holds_every_pixel_and_no_row_or_column_more(angle):
    """Each cell of another zone is looked up by pyproj: those found lie within, and touch all four sides."""
    grid = RasterDomain((1, 1), PLACE @ Affine.rotation(angle), "EPSG:32633")
    other = RasterDomain((50, 60), Affine(30, 0, 990_000, 0, -30, 4_610_000), "EPSG:32632")
    rows, cols = (axis.ravel() for axis in np.mgrid[0:50.01:0.25, 0:60.01:0.25])
    x, y = Transformer.from_crs(32632, 32633, always_xy=True).transform(
        990_000 + 30 * cols, 4_610_000 - 30 * rows
    )
    a, b, c, d, e, f = (~grid.transform)[:6]
    found_cols, found_rows = a * x + b * y + c, d * x + e * y + f
    box = outline(other, grid, "other")
    assert box.row0 == math.floor(found_rows.min())
    assert box.row1 == math.ceil(found_rows.max())
    assert box.col0 == math.floor(found_cols.min())
    assert box.col1 == math.ceil(found_cols.max())


def test_the_outline_of_a_raster_that_is_turned_itself():
    turned = RasterDomain((4, 6), PLACE @ Affine.translation(20, 10) @ Affine.rotation(90), "EPSG:32633")
    # Its columns go down along the rows of the grid, and its rows to the left.
    assert outline(turned, RasterDomain((1, 1), PLACE, "EPSG:32633"), "turned") == Box(10, 16, 16, 20)


@pytest.mark.parametrize("resolution", [None, 20, (15, 30)])
def test_another_crs_is_gdals_proposal_for_the_first(resolution):
    first = domain(shape=(300, 400))
    place, width, height = calculate_default_transform(
        ZONE33, "EPSG:3857", 400, 300, *first.bounds, resolution=resolution
    )
    grid = grid_for(Grid("EPSG:3857", resolution), [first], ["a"])
    assert (grid.transform, grid.grid_shape) == (place, (height, width))
    assert same_crs(grid.crs, "EPSG:3857")
    wider = grid_for(Grid("EPSG:3857", resolution), [first, domain(col=500)], ["a", "b"])
    assert whole_shift(grid, wider) is not None
    assert wider.width > grid.width


def test_bounds_choose_pixels_of_the_first_or_begin_at_their_corner():
    bounds = (500_103, 4_599_500, 500_208, 4_599_801)
    kept = grid_for(Grid(bounds=bounds), [domain()], ["a"])
    assert kept == RasterDomain((31, 11), Affine(10, 0, 500_100, 0, -10, 4_599_810), ZONE33)
    anew = grid_for(Grid(resolution=7, bounds=bounds), [domain()], ["a"])
    assert anew.transform == Affine(7, 0, 500_103, 0, -7, 4_599_801)
    assert anew.grid_shape == (43, 15)
    other = grid_for(Grid("EPSG:4326", 0.001, (14.9, 41.4, 15.1, 41.6)), [domain()], ["a"])
    assert other.grid_shape == (200, 200)
    assert other.bounds == pytest.approx((14.9, 41.4, 15.1, 41.6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("EPSG:0",), "the CRS 'EPSG:0' is not understood: .*; give one that is, such as"),
        ((None, 0), "a resolution is the side of a pixel"),
        ((None, (1, 2, 3)), "a resolution is the side of a pixel"),
        ((None, float("nan")), "a resolution is the side of a pixel"),
        ((None, None, (5, 0, 5, 1)), "bounds are left, bottom, right and top"),
        ((None, None, (5, 0, 6)), "bounds are left, bottom, right and top"),
    ],
)
def test_wishes_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Grid(*arguments)


def test_rasters_that_have_no_place_are_named():
    with pytest.raises(
        SourceError, match=r"b\.tif and the rasters before it .* b\.tif does not say in which"
    ):
        grid_for(Grid(), [domain(), domain(crs=None)], ["a.tif", "b.tif"])
    with pytest.raises(SourceError, match=r"a\.tif does not say in which CRS it lies"):
        grid_for(Grid("EPSG:4326"), [domain(crs=None)], ["a.tif"])
    tied = RasterDomain((4, 4), metadata=Metadata(ground=Ground(rpcs=(("LINE_OFF", "3"),))))
    with pytest.raises(SourceError, match=r"a\.tif has rational .* and no transform, .*: warp it first"):
        grid_for(Grid("EPSG:4326"), [tied], ["a.tif"])
    turned = RasterDomain((4, 4), PLACE @ Affine.rotation(10), ZONE33)
    with pytest.raises(SourceError, match=r"a\.tif is rotated, and GDAL proposes no grid"):
        grid_for(Grid("EPSG:4326"), [turned], ["a.tif"])
    world = RasterDomain((10, 10), Affine(36, 0, -180, 0, -18, 90), "EPSG:4326")
    arctic = domain(crs="+proj=gnom +lat_0=90 +lon_0=0")
    with pytest.raises(SourceError, match=r"b\.tif.* (lie nowhere|cannot be placed) in the CRS of the map"):
        outline(world, arctic, "b.tif")
    pacific = RasterDomain((100, 100), Affine(10_000, 0, 100_000, 0, -10_000, 500_000), "EPSG:32601")
    degrees = RasterDomain((10, 10), Affine(1, 0, 0, 0, -1, 0), "EPSG:4326")
    with pytest.raises(SourceError, match=r"b\.tif lies across the date line"):
        outline(pacific, degrees, "b.tif")


def test_crs_of_many_kinds_are_understood():
    assert crs_of(32633) == crs_of("EPSG:32633") == crs_of(ZONE33) == crs_of(CRS.from_epsg(32633))
    assert same_crs(None, None)
    assert not same_crs(ZONE33, "EPSG:32634")
    assert outline(domain(2, 3), domain(), "a") == Box(2, 32, 3, 43)


@pytest.mark.parametrize("n", [36, 100, 361])
def test_a_globe_reaches_to_both_ends_of_a_map_that_is_torn_under_it(n):
    globe = RasterDomain((n // 2, n), Affine(360 / n, 0, -180, 0, -120 / (n // 2), 60), "EPSG:4326")
    ends = Transformer.from_crs("EPSG:4326", "EPSG:3832", always_xy=True).transform(
        [-29.999999, -30.000001], [0, 0]
    )[0]
    west, east = min(ends), max(ends)
    side = (east - west) / 700
    onto = RasterDomain((10, 700), Affine(side, 0, west, 0, -side, 0), "EPSG:3832")
    box = outline(globe, onto, "globe.tif")
    assert box.col0 <= 0
    assert box.col1 >= 700
    assert box.width < 800
