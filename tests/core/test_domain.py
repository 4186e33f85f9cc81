from __future__ import annotations

import math
import pickle
import warnings

import numpy as np
import pytest
import rasterio.transform
import rasterio.windows
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.core.leading import Dimension

settings.register_profile("untimed", deadline=None)  # the machine may be busy with other things
settings.load_profile("untimed")

NORTH_UP = Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 8_000_000.0)
COS, SIN = math.cos(math.radians(30)), math.sin(math.radians(30))
ROTATED = Affine(2 * COS, 5 * SIN, 7.0, 2 * SIN, -5 * COS, -3.0)  # 2 x 5 pixels, turned by 30 degrees


@pytest.mark.parametrize("transform", [NORTH_UP, Affine(0.5, 0, -3, 0, 0.25, 9), Affine.identity()])
def test_bounds_are_those_of_rasterio_for_upright_grids(transform):
    domain = RasterDomain((3, 20, 30), transform)
    assert domain.bounds == pytest.approx(rasterio.transform.array_bounds(20, 30, transform))


def test_bounds_of_a_rotated_grid_enclose_its_corners_tightly():
    left, bottom, right, top = RasterDomain((20, 30), ROTATED).bounds
    corners = [
        (7 + 2 * col * COS + 5 * row * SIN, -3 + 2 * col * SIN - 5 * row * COS)
        for row in (0, 20)
        for col in (0, 30)
    ]
    assert (left, right) == pytest.approx((min(x for x, _ in corners), max(x for x, _ in corners)))
    assert (bottom, top) == pytest.approx((min(y for _, y in corners), max(y for _, y in corners)))


@pytest.mark.filterwarnings("ignore:Use `@`:PendingDeprecationWarning")  # rasterio's own, with affine 3
@given(st.integers(0, 19), st.integers(0, 29), st.integers(1, 20), st.integers(1, 30))
@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED])
def test_cut_has_the_transform_rasterio_gives_the_window(transform, row, col, height, width):
    domain = RasterDomain((4, 20, 30), transform, "EPSG:32725", nodata=0, band_names=("a", "b", "c", "d"))
    cut = domain.cut(Box(row, row + height, col, col + width))
    window = rasterio.windows.Window(col, row, width, height)
    assert tuple(cut.transform) == pytest.approx(tuple(rasterio.windows.transform(window, transform)))
    assert cut.shape == (4, height, width)
    assert (cut.crs, cut.nodata, cut.band_names) == (domain.crs, domain.nodata, domain.band_names)


def test_cut_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"no pixels: its shape is \(0, 5\)"):
        RasterDomain((20, 30)).cut(Box(3, 3, 0, 5))


def test_two_dimensions_are_one_band():
    flat, deep = RasterDomain((20, 30)), RasterDomain((1, 20, 30))
    assert (flat.n_bands, flat.height, flat.width, flat.grid_shape) == (1, 20, 30, (20, 30))
    assert (deep.n_bands, deep.height, deep.width, deep.grid_shape) == (1, 20, 30, (20, 30))
    assert flat != deep


def test_with_bands_changes_the_bands_and_keeps_the_grid():
    domain = RasterDomain((3, 20, 30), NORTH_UP, "EPSG:32725", units=("m", "m", "m"))
    other = domain.with_bands(["ndvi"], n_bands=1, dtype=np.dtype("int16"))
    assert other.shape == (1, 20, 30)
    assert (other.band_names, other.units, other.dtype) == (("ndvi",), (), np.dtype("int16"))
    assert (other.transform, other.crs) == (domain.transform, domain.crs)
    assert domain.with_bands([], n_bands=None, dtype=np.dtype("u1")).shape == (20, 30)


@pytest.mark.parametrize("shape", [(), (5,), (1, 2, 3, 4)])
def test_other_numbers_of_dimensions_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(height, width\) or \(bands, height, width\), not"):
        RasterDomain(shape)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 5, 5)])
def test_rasters_without_pixels_are_refused(shape):
    with pytest.raises(ValueError, match="the raster has no pixels"):
        RasterDomain(shape)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_transforms_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="the transform has values that are not finite"):
        RasterDomain((5, 5), Affine(1, 0, bad, 0, 1, 0))


def test_a_domain_pickles_hashes_and_computes_without_warnings():
    domain = RasterDomain((3, 20, 30), NORTH_UP, "EPSG:32725", nodata=math.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = pickle.loads(pickle.dumps(domain))  # noqa: S301 - our own bytes
        assert again == domain
        assert hash(again) == hash(domain)
        assert again.bounds == domain.bounds
        assert again.cut(Box(1, 2, 3, 4)) == domain.cut(Box(1, 2, 3, 4))


@pytest.mark.parametrize("record", [{"band_names": ("a", "b")}, {"units": ("m",)}])
def test_names_and_units_are_one_for_each_band(record):
    with pytest.raises(ValueError, match=r"give one for each of the 3 band\(s\), or none"):
        RasterDomain((3, 4, 5), **record)


def test_lengths_are_those_of_all_dimensions_before_rows_and_columns():
    assert RasterDomain((40, 50)).lengths == ()
    assert RasterDomain((3, 40, 50)).lengths == (3,)
    both = (Dimension("time", 2), Dimension("band", 3))
    domain = RasterDomain((6, 40, 50), leading=both)
    assert (domain.lengths, domain.n_bands, domain.grid_shape) == ((2, 3), 6, (40, 50))
