"""What a raster has for a map, against GDAL's warper over all of it: rasters as large as the world."""

from __future__ import annotations

import math

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.errors import SourceError
from geopatcher.fields.touching import require_one_turn, touched
from geotiffs import write_geotiff

RNG = np.random.default_rng(4)
WORLD = RNG.integers(1, 250, (1, 90, 180), dtype=np.uint8)
#: Maps whose CRS has no place, or an odd one, for the edges of a raster of all the world.
MAPS = {
    "EPSG:32610": (3e5, 5.0e6, 7e5, 5.4e6),
    "EPSG:32633": (3e5, 5.0e6, 7e5, 5.4e6),
    "EPSG:32660": (3e5, 5.0e6, 9e5, 5.4e6),  # over the antimeridian
    "EPSG:3035": (2e6, 1.0e6, 6e6, 5.0e6),
    "EPSG:2193": (0, 4.0e6, 4e6, 7.0e6),
    "EPSG:3413": (-2e6, -2.0e6, 2e6, 2.0e6),
    "EPSG:3031": (-3e6, -3.0e6, 3e6, 3.0e6),
    "EPSG:3857": (-9e6, 3.0e6, -1e6, 8.0e6),
    "EPSG:3832": (-1e7, -5.0e6, 1e7, 5.0e6),
}


def world(folder, west=-180):
    path = folder / f"{west}.tif"
    write_geotiff(path, WORLD, transform=Affine(2, 0, west, 0, -2, 90), crs="EPSG:4326", nodata=0)
    return path


def grid(crs):
    bounds = MAPS[crs]
    return gp.Grid(crs, (bounds[2] - bounds[0]) / 40, bounds)


def warped(path, domain):
    with (
        rasterio.open(path) as file,
        WarpedVRT(
            file,
            crs=domain.crs,
            transform=domain.transform,
            width=domain.width,
            height=domain.height,
            resampling=Resampling.nearest,
            nodata=0,
            tolerance=1e-4,
        ) as found,
    ):
        return found.read()


def pixels(result):
    return np.where(result.valid[:], result.array[:], 0)


@pytest.mark.parametrize("crs", MAPS)
def test_a_raster_of_all_the_world_covers_every_map(tmp_path, crs):
    """Its edges lie around a few places there, or nowhere: half of the map and more was missing."""
    path = world(tmp_path)
    result = gp.reconstruct(gp.Mosaic([path], grid(crs)), np.copy, size=16)
    np.testing.assert_array_equal(pixels(result), warped(path, result.domain))
    assert result.valid[:].all()


def test_a_scene_takes_its_heights_from_all_the_world(tmp_path):
    """Of several rasters by name the others are put on the pixels of the first."""
    path = world(tmp_path)
    scene = RNG.integers(1, 250, (1, 60, 80), dtype=np.uint8)
    place = {"transform": Affine(5000, 0, 3e5, 0, -5000, 5.3e6), "crs": "EPSG:32610"}
    write_geotiff(tmp_path / "scene.tif", scene, nodata=0, **place)
    both = {"scene": tmp_path / "scene.tif", "heights": path}
    result = gp.reconstruct(both, lambda patch: patch["heights"], size=16)
    np.testing.assert_array_equal(pixels(result), warped(path, result.domain))
    assert result.valid[:].all()


def test_one_over_the_date_line_on_a_map_with_bounds(tmp_path):
    path = tmp_path / "a.tif"
    place = {"transform": Affine(5000, 0, 2e5, 0, -5000, 6e6), "crs": "EPSG:32660"}
    write_geotiff(path, RNG.integers(1, 250, (1, 100, 180), dtype=np.uint8), nodata=0, **place)
    for bounds in ((174, 50, 180, 54), (-180, 50, -174, 54), (-180, 50, 180, 54)):
        result = gp.reconstruct(
            gp.Mosaic([path], gp.Grid("EPSG:4326", 0.25, bounds), resampling="nearest"), np.copy, size=16
        )
        wanted = warped(path, result.domain)
        np.testing.assert_array_equal(pixels(result), wanted)
        assert wanted.any()
    for crs in ("EPSG:4326", "EPSG:3857"):  # of which GDAL proposes a map as wide as the world
        with pytest.raises(
            SourceError, match=r"a.tif lies across the date line or around a pole, at both ends"
        ):
            gp.reconstruct(path, np.copy, size=16, dst_crs=crs)


@pytest.mark.parametrize("crs", MAPS)
def test_longitudes_beyond_180_are_not_lost(tmp_path, crs):
    """The same cells, told from 0 to 360 degrees."""
    turned = tmp_path / "turned.tif"
    place = {"transform": Affine(2, 0, 0, 0, -2, 90), "crs": "EPSG:4326", "nodata": 0}
    write_geotiff(turned, np.roll(WORLD, 90, axis=2), **place)
    of_turned, plain = (
        gp.reconstruct(gp.Mosaic([path], grid(crs)), np.copy, size=16) for path in (turned, world(tmp_path))
    )
    np.testing.assert_array_equal(pixels(of_turned), pixels(plain))
    assert of_turned.valid[:].all()


def test_on_a_map_of_the_same_crs_they_are_refused(tmp_path):
    with pytest.raises(
        SourceError, match=r"0.tif goes from 0 to 360 degrees, and the map has places that lie"
    ):
        gp.Mosaic([world(tmp_path, 0)], world(tmp_path))


@pytest.mark.parametrize("n", [36, 100, 361])
def test_a_globe_reaches_to_both_ends_of_a_map_that_is_torn_under_it(n):
    globe = RasterDomain((n // 2, n), Affine(360 / n, 0, -180, 0, -120 / (n // 2), 60), "EPSG:4326")
    ends = Transformer.from_crs("EPSG:4326", "EPSG:3832", always_xy=True).transform(
        [-29.999999, -30.000001], [0, 0]
    )[0]
    side = (max(ends) - min(ends)) / 700
    onto = RasterDomain((10, 700), Affine(side, 0, min(ends), 0, -side, 0), "EPSG:3832")
    assert touched(globe, onto, "globe.tif").box == Box(0, 10, 0, 700)


def test_where_no_place_is_a_turn_off_nothing_is_refused(tmp_path):
    result = gp.reconstruct(gp.Mosaic([world(tmp_path, 0)], grid("EPSG:32633")), np.copy, size=16)
    np.testing.assert_array_equal(pixels(result), warped(tmp_path / "0.tif", result.domain))
    with pytest.raises(SourceError, match=r"-180.tif goes from -180 to 180 degrees"):
        gp.Mosaic([world(tmp_path)], tmp_path / "0.tif")


def test_a_part_is_found_by_its_edges():
    map_ = RasterDomain((100, 100), Affine(100, 0, 5e5, 0, -100, 5e6), "EPSG:32633")
    part = RasterDomain((40, 60), Affine(50, 0, 501_000, 0, -50, 4_999_000), "EPSG:32633")
    require_one_turn(part, map_, "a")
    box, density = touched(part, map_, "a")
    assert (box, density) == (Box(10, 30, 10, 40), pytest.approx(4))
    everything, density = touched(
        RasterDomain((90, 180), Affine(2, 0, -180, 0, -2, 90), "EPSG:4326"), map_, "world"
    )
    assert (everything, density) == (Box(0, 100, 0, 100), 1)
    fine = RasterDomain((90_000, 180_000), Affine(0.002, 0, -180, 0, -0.002, 90), "EPSG:4326")
    coarse = RasterDomain((10, 10), Affine(1000, 0, 5e5, 0, -1000, 5e6), "EPSG:32633")
    across = 1000 / (111_320 * math.cos(math.radians(45.1)) * 0.002)
    assert touched(fine, coarse, "world").density == pytest.approx(across * 1000 / 222.3, rel=0.02)


def test_one_that_is_nowhere_near_is_refused():
    map_ = RasterDomain((100, 100), Affine(0.1, 0, 10, 0, -0.1, 50), "EPSG:4326")
    torn = RasterDomain((100, 180), Affine(5000, 0, 2e5, 0, -5000, 6e6), "EPSG:32660")
    with pytest.raises(SourceError, match="a lies across the date line"):
        touched(torn, map_, "a")
