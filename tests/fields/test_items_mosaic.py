"""Many items as one source, against NumPy, GDAL over whole rasters, and odc-stac."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import odc.stac
import pystac
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

import geopatcher as gp
import geostack
from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields.items_mosaic import mosaic_of_items
from geopatcher.fields.layered import Layered
from items import EAST, NORTH, asset, item

RNG = np.random.default_rng(8)


def scene(folder, name, at=(0, 0), *, crs="EPSG:32633", told=True, seed=0, **said):
    """Return an item of two bands and their classes, 60 x 40 pixels of 10 m, with holes of 0."""
    rng, place = np.random.default_rng([seed, *map(ord, name)]), folder / name
    place.mkdir()
    fine = rng.integers(0, 30, (60, 40), dtype=np.uint16)
    coarse = rng.integers(0, 30, (30, 20), dtype=np.uint16)
    classes = rng.integers(0, 11, (30, 20), dtype=np.uint8)
    common = {"at": at, "crs": crs, "told": told}
    assets = {
        "B04": asset(place, "B04", fine, **common),
        "B11": asset(place, "B11", coarse, side=20.0, **common),
        "SCL": asset(place, "SCL", classes, side=20.0, **common),
    }
    return item(place, name, assets, **said)


def read(source, box=None):
    """Return pixels as float, NaN where they are missing."""
    box = box or Box.of_shape(source.domain.grid_shape)
    pixels = source.read(box)
    held = source.valid(box, pixels)
    return pixels.astype(float) if held is None else np.where(held, pixels, np.nan)


def own(made, band):
    """Return all pixels of a file in pixels of 10 m, NaN for 0."""
    with rasterio.open(made["links"][0]["href"].rpartition("/")[0] + f"/{band}.tif") as file:
        pixels = file.read(1).astype(float)
        times = round(file.transform.a / 10)
    pixels[pixels == 0] = np.nan
    return pixels.repeat(times, 0).repeat(times, 1)


def mosaic(items, bands=("B04", "B11"), **options):
    return mosaic_of_items(geostack.from_stac(items, list(bands), **options))


class TestOrders:
    @pytest.fixture
    def stack(self, tmp_path):
        """Three items of one place, and what each of them has."""
        items = [
            scene(tmp_path, "a", day="2024-06-03", cloud=20),
            scene(tmp_path, "b", day="2024-06-09", cloud=9),
            scene(tmp_path, "c", day="2024-06-06", cloud=1),
        ]
        return items, np.stack([[own(one, "B04"), own(one, "B11")] for one in items])

    @pytest.mark.parametrize(
        ("order", "ranks"), [("first", [0, 1, 2]), ("newest", [1, 2, 0]), ("least-cloud", [2, 1, 0])]
    )
    def test_one_above_the_other(self, stack, order, ranks):
        items, truth = stack
        expected = np.full(truth.shape[1:], np.nan)
        for rank in reversed(ranks):
            expected = np.where(np.isnan(truth[rank]), expected, truth[rank])
        np.testing.assert_array_equal(read(mosaic(items, order=order)), expected)

    def test_the_median_of_what_is_clear(self, stack):
        items, truth = stack
        hidden = np.stack([np.isin(own(one, "SCL"), (3, 8)) | np.isnan(own(one, "SCL")) for one in items])
        truth = np.where(hidden[:, None], np.nan, truth)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of places where nothing is left
            expected = np.rint(np.nanmedian(truth, axis=0))
        source = mosaic(items, order="median", mask=geostack.Mask("SCL", (3, 8)))
        np.testing.assert_array_equal(read(source), expected)

    @pytest.mark.parametrize("box", [Box(0, 1, 0, 40), Box(13, 47, 5, 29), Box(59, 60, 39, 40)])
    def test_a_part_is_that_of_the_whole(self, stack, box):
        source = mosaic(stack[0], order="median")
        np.testing.assert_array_equal(read(source, box), read(source)[:, *box.slices()])

    def test_it_travels_and_gives_bands(self, stack):
        source = mosaic(stack[0], order="newest")
        twin = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own
        np.testing.assert_array_equal(read(twin), read(source))
        np.testing.assert_array_equal(read(source.select_bands([1])), read(source)[1:])


class TestGrids:
    def test_items_side_by_side_continue_the_first(self, tmp_path):
        items = [scene(tmp_path, "a"), scene(tmp_path, "b", at=(200, 300))]
        source = mosaic(items)
        assert source.domain.shape == (2, 90, 60)
        expected = np.full((90, 60), np.nan)
        expected[30:, 20:] = own(items[1], "B04")
        first = own(items[0], "B04")
        expected[:60, :40] = np.where(np.isnan(first), expected[:60, :40], first)
        np.testing.assert_array_equal(read(source)[0], expected)

    def test_bounds_and_resolution(self, tmp_path):
        grid = gp.Grid(resolution=20, bounds=(EAST + 100, NORTH - 300, EAST + 300, NORTH - 100))
        source = mosaic(scene(tmp_path, "a"), grid=grid)
        assert source.domain.shape == (2, 10, 10)
        with rasterio.open(tmp_path / "a" / "B11.tif") as file:
            expected = file.read(1)[5:15, 5:15].astype(float)
        np.testing.assert_array_equal(read(source)[1], np.where(expected == 0, np.nan, expected))

    @pytest.mark.parametrize("resampling", [None, "bilinear", "average"])
    def test_another_zone_is_warped_as_gdal_warps_the_whole(self, tmp_path, resampling):
        made = scene(tmp_path, "a", at=(300_000, 0))
        source = mosaic(made, ["B04"], grid=gp.Grid("EPSG:32634", 10), resampling=resampling)
        domain = source.domain
        with (
            rasterio.open(tmp_path / "a" / "B04.tif") as file,
            WarpedVRT(
                file,
                crs="EPSG:32634",
                transform=domain.transform,
                height=domain.height,
                width=domain.width,
                resampling=Resampling[resampling or "nearest"],
            ) as warped,
        ):
            expected = warped.read().astype(float)
        np.testing.assert_array_equal(read(source), np.where(expected == 0, np.nan, expected))

    def test_items_of_two_zones_are_one_map(self, tmp_path):
        west, east = (
            scene(tmp_path, "a", at=(250_000, 0)),
            scene(tmp_path, "b", at=(-250_000, 0), crs="EPSG:32634"),
        )
        source = mosaic([west, east])
        assert source.domain.crs == mosaic(west).domain.crs
        assert np.nanmax(read(source)) == 29

    def test_none_in_the_grid(self, tmp_path):
        with pytest.raises(
            SourceError, match=r"none of the 1 item\(s\) touches the grid, whose bounds are \(0\.0"
        ):
            mosaic(scene(tmp_path, "a"), grid=gp.Grid(bounds=(0, 0, 100, 100)))

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [({"grid": 10}, "a grid is a geopatcher.Grid"), ({"resampling": "cubist"}, "resampling")],
    )
    def test_arguments_that_cannot_be(self, tmp_path, wrong, message):
        with pytest.raises((TypeError, ValueError), match=message):
            mosaic(scene(tmp_path, "a"), **wrong)


class TestLooking:
    def test_no_file_is_opened_for_a_plan(self, tmp_path):
        items = [scene(tmp_path, "a"), scene(tmp_path, "b", at=(200, 300))]
        for file in tmp_path.glob("*/*.tif"):
            file.unlink()
        source = geostack.from_stac(items, ["B04", "B11"], mask=geostack.Mask("SCL", (3,)))
        assert gp.plan(source, size=16).shape == (90, 60)

    def test_what_is_not_told_is_the_same_in_the_end(self, tmp_path):
        told = [scene(tmp_path, "a"), scene(tmp_path, "b", at=(200, 300))]
        (tmp_path / "untold").mkdir()
        untold = [
            scene(tmp_path / "untold", "a", told=False),
            scene(tmp_path / "untold", "b", at=(200, 300), told=False),
        ]
        mask = geostack.Mask("SCL", (3, 8))
        np.testing.assert_array_equal(read(mosaic(told, mask=mask)), read(mosaic(untold, mask=mask)))

    def test_items_of_another_type_are_named(self, tmp_path):
        one, other = scene(tmp_path, "a"), scene(tmp_path, "b")
        other["assets"]["B04"]["raster:bands"] = [{"data_type": "int16"}]
        with pytest.raises(SourceError, match="item b and item a are not of one kind: one holds int"):
            mosaic([one, other])

    def test_a_mask_of_floats_is_none(self, tmp_path):
        made = scene(tmp_path, "a")
        made["assets"]["SCL"]["raster:bands"] = [{"data_type": "float32"}]
        with pytest.raises(
            SourceError, match="item a, asset SCL holds float32, and a mask holds whole numbers"
        ):
            mosaic(made, mask=geostack.Mask("SCL", (3,)))


class TestIdentity:
    def test_a_new_signature_is_the_same_source_and_a_new_file_is_not(self, tmp_path):
        made = scene(tmp_path, "a")
        before = mosaic(made).identity()
        assert "unknown" not in before
        assert mosaic(made).identity() == before
        assert mosaic(made, order="median").identity() != before
        asset(tmp_path / "a", "B11", np.ones((30, 20), np.uint16), side=20.0)
        assert mosaic(made).identity() != before


@pytest.mark.parametrize("resolution", [10, 20])
def test_odc_stac_reads_the_same(tmp_path, resolution):
    """Bands of 10 and 20 m of items that lie askew over each other, each of them by the nearest pixels."""
    items = [scene(tmp_path, "a"), scene(tmp_path, "b", at=(135, 205), day="2024-06-12")]
    west, south, east, north = EAST, NORTH - 800, EAST + 600, NORTH
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its libraries warn of each other
        loaded = odc.stac.load(
            [pystac.Item.from_dict(one) for one in items],
            bands=["B04", "B11"],
            crs="EPSG:32633",
            resolution=resolution,
            x=(west, east),
            y=(south, north),
            resampling="nearest",
            groupby="id",
        )
    grid = gp.Grid("EPSG:32633", resolution, (west, south, east, north))
    for number, made in enumerate(items):
        source = mosaic(made, grid=grid)
        assert isinstance(source, Layered)
        theirs = np.stack([loaded[band].values[number] for band in ("B04", "B11")]).astype(float)
        theirs[theirs == 0] = np.nan
        assert np.isfinite(theirs).sum() > 100
        np.testing.assert_array_equal(read(source), theirs)
