"""Several sources at once."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from rasterio.windows import Window

import geopatcher as gp
from geopatcher.matched import MatchedField
from geopatcher.patchers.matched_field import known_cells, on_one_grid

RANDOM = np.random.default_rng(5)
IMAGE, HEIGHT = RANDOM.normal(size=(3, 20, 30)), RANDOM.normal(size=(20, 30))


def raster(cells, pixel, left=0.0, top=200.0, crs="EPSG:32725", **more):
    return gp.RasterField.from_array(cells, transform=Affine(pixel, 0, left, 0, -pixel, top), crs=crs, **more)


def test_a_window_has_data_of_every_source():
    field = MatchedField(IMAGE, {"dem": HEIGHT, "again": IMAGE})
    found = field.select(Window(3, 2, 8, 4))
    assert list(found) == ["primary", "dem", "again"]
    assert np.array_equal(found["primary"], IMAGE[:, 2:6, 3:11])
    assert np.array_equal(found["dem"], HEIGHT[2:6, 3:11])
    assert field.domain.shape == (3, 20, 30)
    assert list(MatchedField(IMAGE).select(Window(0, 0, 2, 2))) == ["primary"]


def test_coreg_is_given_both_patches():
    seen = []

    def shift(raw, primary):
        seen.append((raw.shape, primary.shape))
        return raw + primary[0]

    found = MatchedField(IMAGE, {"dem": HEIGHT}, coreg={"dem": shift}).select(Window(3, 2, 8, 4))
    assert seen == [((4, 8), (3, 4, 8))]
    assert np.allclose(found["dem"], (HEIGHT + IMAGE[0])[2:6, 3:11])


def test_a_coarser_source_gives_the_pixels_that_a_patch_touches():
    coarse = np.arange(10 * 15.0).reshape(10, 15)
    field = MatchedField(
        raster(IMAGE, 10.0),
        {"coarse": raster(coarse, 20.0)},
        coreg={"coarse": lambda raw, primary: np.kron(raw, np.ones((2, 2)))},
    )
    found = field.select(Window(4, 6, 8, 4))
    assert np.array_equal(found["coarse"], np.kron(coarse, np.ones((2, 2)))[6:10, 4:12])
    window = field.window_of("coarse", Window(5, 7, 2, 2))  # half a coarse pixel on each side
    assert (window.col_off, window.row_off, window.width, window.height) == (2, 3, 2, 2)


@pytest.mark.parametrize("shape", [(10, 15), (40, 60), (20, 10), (7, 30), (33, 13), (1, 1)])
def test_without_a_place_on_the_ground_rasters_of_other_sizes_cover_the_same(shape):
    numbers = np.arange(float(np.prod(shape))).reshape(shape)
    # A raster of 20 * height by 30 * width tiny pixels holds whole ones of both.
    tiny = numbers.repeat(20, axis=0).repeat(30, axis=1)
    seen = []

    def keep(raw, primary):
        seen.append(raw)
        return primary

    field = MatchedField(HEIGHT, {"other": numbers}, coreg={"other": keep})
    for row, col, height, width in ((0, 0, 8, 8), (3, 5, 4, 9), (19, 29, 1, 1), (0, 0, 20, 30)):
        field.select(Window(col, row, width, height))
        under = tiny[row * shape[0] : (row + height) * shape[0], col * shape[1] : (col + width) * shape[1]]
        assert np.array_equal(np.unique(seen[-1]), np.unique(under))


def test_one_place_on_the_ground_is_not_enough():
    for mine, its in ((IMAGE, raster(np.zeros((10, 15)), 20.0)), (raster(IMAGE, 10.0), np.zeros((10, 15)))):
        field = MatchedField(mine, {"other": its}, coreg={"other": lambda raw, primary: raw})
        with pytest.raises(ValueError, match="which of its pixels belong to a patch cannot be known"):
            field.select(Window(0, 0, 8, 8))


def test_another_crs_is_another_place():
    import pyproj

    there = pyproj.Transformer.from_crs("EPSG:32725", "EPSG:4326", always_xy=True)
    mine = raster(np.zeros((20, 30)), 10.0, left=500_000.0, top=9_100_000.0)
    lon, lat = there.transform(500_000.0, 9_100_000.0)
    degrees = gp.RasterField.from_array(
        np.zeros((100, 100)), transform=Affine(1e-4, 0, lon - 1e-3, 0, -1e-4, lat + 1e-3), crs="EPSG:4326"
    )
    field = MatchedField(mine, {"deg": degrees}, coreg={"deg": lambda raw, primary: raw})
    window = field.window_of("deg", Window(3, 5, 4, 4))
    xs, ys = there.transform([500_030.0, 500_070.0], [9_099_950.0, 9_099_910.0])
    col0, col1 = (np.array(xs) - (lon - 1e-3)) / 1e-4
    row0, row1 = ((lat + 1e-3) - np.array(ys)) / 1e-4
    assert window.col_off <= col0 < window.col_off + 1
    assert window.row_off <= row0 < window.row_off + 1
    assert window.col_off + window.width - 1.5 < col1 <= window.col_off + window.width
    assert window.row_off + window.height - 1.5 < row1 <= window.row_off + window.height


def test_another_grid_without_coreg_is_refused():
    for secondary in (raster(np.zeros((10, 15)), 20.0), raster(HEIGHT, 10.0, left=5.0), np.zeros((10, 15))):
        with pytest.raises(ValueError, match="'dem' is on another grid than the primary source"):
            MatchedField(raster(IMAGE, 10.0), {"dem": secondary}).select(Window(0, 0, 2, 2))
    assert MatchedField(raster(IMAGE, 10.0), {"dem": HEIGHT}).is_aligned("dem")


def test_names_are_checked_when_it_is_made():
    with pytest.raises(ValueError, match="cannot be called 'primary'"):
        MatchedField(IMAGE, {"primary": HEIGHT})
    with pytest.raises(ValueError, match="has no source 'demm': it has dem"):
        MatchedField(IMAGE, {"dem": HEIGHT}, coreg={"demm": np.add})
    with pytest.raises(TypeError, match="cannot be"):
        MatchedField(IMAGE, {"dem": HEIGHT}, coreg={"dem": 3})


def test_resampling_is_checked_when_it_is_made():
    with pytest.raises(ValueError, match="has no source 'demm': it has dem"):
        MatchedField(IMAGE, {"dem": HEIGHT}, resampling={"demm": "nearest"})
    with pytest.raises(ValueError, match="resampling is one of nearest, .*, not 'nearby'"):
        MatchedField(IMAGE, {"dem": HEIGHT}, resampling="nearby")
    with pytest.raises(ValueError, match="'dem' is in resampling and in coreg"):
        MatchedField(IMAGE, {"dem": HEIGHT}, coreg={"dem": np.add}, resampling={"dem": "nearest"})
    both = MatchedField(IMAGE, {"dem": HEIGHT, "raw": HEIGHT}, coreg={"raw": np.add}, resampling="nearest")
    assert both.methods == {"dem": "nearest"}
    assert both.fields["dem"].source.name == MatchedField(IMAGE, {"dem": HEIGHT}).fields["dem"].source.name


def test_ways_to_choose_steps_are_checked_when_it_is_made():
    for more, message in [
        ({"reindex": {"demm": "nearest"}}, "reindex=, of the secondaries, has no source 'demm': it has dem"),
        ({"reindex": {"dem": "linear"}}, "is one of exact, nearest, ffill, bfill, not 'linear'"),
        ({"tolerance": {"dem": 3}}, "tolerance=, of those in reindex=, has no source 'dem': it has none"),
    ]:
        with pytest.raises(ValueError, match=message):
            MatchedField(IMAGE, {"dem": HEIGHT}, **more)


def test_grids_are_one_if_the_georeference_is():
    domain = gp.RasterDomain((4, 5), Affine(10, 0, 5, 0, -10, 7), "EPSG:32725")
    assert on_one_grid(domain, gp.RasterDomain((4, 5), Affine(10, 0, 5 + 1e-9, 0, -10, 7), "EPSG:32725"))
    assert not on_one_grid(domain, gp.RasterDomain((4, 5), Affine(10, 0, 5 + 1e-3, 0, -10, 7), "EPSG:32725"))
    assert not on_one_grid(domain, gp.RasterDomain((4, 5), domain.transform, "EPSG:32724"))
    assert not on_one_grid(domain, gp.RasterDomain((5, 4), domain.transform, domain.crs))
    assert on_one_grid(domain, gp.RasterDomain((3, 4, 5)))


def test_known_cells_are_neither_nan_nor_masked_nor_nodata():
    assert known_cells(np.array([1.0, np.nan])).tolist() == [True, False]
    assert known_cells(np.array([1, 0, 7]), 0).tolist() == [True, False, True]
    assert known_cells(np.ma.array([1, 2], mask=[True, False])).tolist() == [False, True]
    assert known_cells(np.array([1, 2])).tolist() == [True, True]


def test_coreg_is_given_what_lies_below_on_a_globe_from_0_to_360():
    globe = np.tile(np.arange(360.0), (180, 1))
    place = Affine(1, 0, 0, 0, -1, 90)
    rain = gp.RasterField.from_array(globe, transform=place, crs="EPSG:4326")
    image = gp.RasterField.from_array(
        np.zeros((4, 4)), transform=Affine(1000, 0, 453_000, 0, -1000, 4e6), crs="EPSG:32617"
    )
    seen = []
    field = MatchedField(image, {"rain": rain}, coreg={"rain": lambda raw, own: seen.append(raw) or own})
    field.select(Window(0, 0, 4, 4))
    assert np.unique(seen[0]).tolist() == [278.0]  # 81.5 degrees west
