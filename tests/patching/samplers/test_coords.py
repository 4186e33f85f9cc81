from __future__ import annotations

import json
import math
import pickle
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio.crs
import rasterio.transform
import rasterio.warp
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString

from geopatcher.core.domain import RasterDomain
from geopatcher.errors import IncompleteScanConfiguration
from geopatcher.patching.geometry import SpatialRectangular
from geopatcher.patching.samplers import coords as coords_module
from geopatcher.patching.samplers.base import SpatialSampler
from geopatcher.patching.samplers.coords import SpatialAlongTrack, SpatialExplicitCoords

settings.register_profile("untimed", deadline=None)  # the machine may be busy with other things
settings.load_profile("untimed")

UTM = RasterDomain((3, 400, 600), Affine(10.0, 0.0, 290_000.0, 0.0, -10.0, 9_120_000.0), "EPSG:31985")
ROTATED = RasterDomain((400, 600), Affine(8.0, 3.0, 290_000.0, 3.0, -8.0, 9_120_000.0), "EPSG:31985")
POLAR_LONLAT = RasterDomain((100, 3600), Affine(0.1, 0.0, -180.0, 0.0, -0.1, 90.0), "EPSG:4326")
ONE = SpatialRectangular(1)


def centre_of(domain, row, col):
    a, b, c, d, e, f = domain.transform[:6]
    return (a * (col + 0.5) + b * (row + 0.5) + c, d * (col + 0.5) + e * (row + 0.5) + f)


@pytest.mark.parametrize("domain", [UTM, ROTATED])
@given(st.integers(0, 399), st.integers(0, 599), st.floats(-0.49, 0.49), st.floats(-0.49, 0.49))
def test_the_pixel_under_a_coordinate_is_found_on_any_grid(domain, row, col, down, right):
    point = centre_of(domain, row + down, col + right)
    assert list(SpatialExplicitCoords([point]).anchors(domain, ONE)) == [(row, col)]


@given(st.integers(20, 379), st.integers(20, 579), st.integers(1, 20), st.integers(1, 20))
def test_the_pixel_is_the_centre_of_its_patch(row, col, height, width):
    sampler = SpatialExplicitCoords([centre_of(UTM, row, col)])
    [(top, left)] = sampler.anchors(UTM, SpatialRectangular((height, width)))
    assert row - top == height // 2
    assert col - left == width // 2


def test_coordinates_of_another_crs_fall_where_rasterio_puts_them():
    lon, lat = np.array([-34.90, -34.885, -34.87]), np.array([-7.97, -7.975, -7.98])
    x, y = rasterio.warp.transform("EPSG:4326", "EPSG:31985", lon, lat)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # rasterio's own, with affine 3
        rows, cols = rasterio.transform.rowcol(UTM.transform, x, y)
    expected = list(zip(map(int, rows), map(int, cols), strict=True))
    for crs in ("EPSG:4326", 4326, rasterio.crs.CRS.from_epsg(4326)):
        sampler = SpatialExplicitCoords(np.stack([lon, lat], axis=1), crs)
        assert list(sampler.anchors(UTM, ONE)) == expected


@given(st.integers(0, 99), st.integers(0, 99))
def test_a_coordinate_on_an_edge_belongs_to_the_pixel_that_starts_there(row, col):
    domain = RasterDomain((100, 100), Affine(0.1, 0.0, -5.0, 0.0, -0.1, 10.0))
    sampler = SpatialExplicitCoords([((col - 50) / 10, (100 - row) / 10)])
    assert list(sampler.anchors(domain, ONE)) == [(row, col)]


def test_the_rasters_crs_may_be_an_object():
    domain = SimpleNamespace(shape=UTM.shape, transform=UTM.transform, crs=rasterio.crs.CRS.from_epsg(31985))
    sampler = SpatialExplicitCoords([(-34.885, -7.975)], "EPSG:4326")
    assert list(sampler.anchors(domain, ONE)) == list(sampler.anchors(UTM, ONE))


def test_coordinates_outside_are_left_out_and_counted():
    inside = centre_of(UTM, 5, 6)
    points = [centre_of(UTM, -1, 6), inside, centre_of(UTM, 5, 600), centre_of(UTM, 400, 0)]
    with pytest.warns(UserWarning, match="3 of 4 coordinates lie outside the raster and are left out"):
        anchors = list(SpatialExplicitCoords(points).anchors(UTM, ONE))
    assert anchors == [(5, 6)]


def test_coordinates_that_are_all_outside_are_an_error():
    with pytest.raises(
        ValueError, match=r"none of the 1 .* raster of 400x600; .* \(9.12e\+06, 290000\), falls on row"
    ):
        SpatialExplicitCoords([(9_120_000, 290_000)]).anchors(UTM, ONE)


def test_coordinates_the_projection_cannot_take_are_outside():
    points = [(-34.885, -7.975), (145.0, 0.0)]  # the other side of the globe has no place in this UTM zone
    with pytest.warns(UserWarning, match="1 of 2 coordinates lie outside"):
        assert len(list(SpatialExplicitCoords(points, "EPSG:4326").anchors(UTM, ONE))) == 1


@pytest.mark.parametrize(
    ("boundary", "expected"),
    [("cover", [(0, 0)]), ("pad", [(-3, -2)]), ("reflect", [(-3, -2)]), ("shrink", [(-3, -2)]), ("drop", [])],
)
def test_patches_over_the_edge_follow_the_boundary(boundary, expected):
    sampler = SpatialExplicitCoords([centre_of(UTM, 1, 2)])
    assert list(sampler.anchors(UTM, SpatialRectangular(8, boundary))) == expected


def test_patches_over_the_edge_are_refused_when_asked_for():
    sampler = SpatialExplicitCoords([centre_of(UTM, 1, 2)])
    with pytest.raises(
        IncompleteScanConfiguration, match=r"1 of 1 patches of 8x8 reach .* anchor \(-3, -2\)"
    ):
        sampler.anchors(UTM, SpatialRectangular(8, "raise"))


def test_a_raster_without_a_crs_takes_coordinates_of_its_own_grid_only():
    domain = RasterDomain((50, 50))
    assert list(SpatialExplicitCoords([(7.5, 3.2)]).anchors(domain, ONE)) == [(3, 7)]
    with pytest.raises(
        ValueError, match="the raster has no CRS, so coordinates in EPSG:4326 cannot be placed"
    ):
        SpatialExplicitCoords([(7.5, 3.2)], "EPSG:4326").anchors(domain, ONE)


def test_a_stand_in_without_a_transform_is_refused():
    with pytest.raises(
        TypeError, match="need a domain with a transform and a crs, and SimpleNamespace has not"
    ):
        SpatialExplicitCoords([(7.5, 3.2)]).anchors(SimpleNamespace(shape=(5, 5)), ONE)


def test_a_transform_without_an_inverse_is_refused():
    flat = RasterDomain((5, 5), Affine(1, 2, 0, 2, 4, 0))
    with pytest.raises(ValueError, match="puts all pixels on one line"):
        SpatialExplicitCoords([(1, 1)]).anchors(flat, ONE)


@pytest.mark.parametrize("make", [SpatialExplicitCoords, SpatialAlongTrack])
def test_arguments_that_are_none_are_named(make):
    with pytest.raises(ValueError, match=r"pairs \(x, y\), an array \(n, 2\), not shaped \(3,\)"):
        make([1.0, 2.0, 3.0])
    with pytest.raises(
        ValueError, match=r"1 points that are not finite, the first is number 1: \(nan, 0.0\)"
    ):
        make([(0, 0), (math.nan, 0)])
    with pytest.raises(ValueError, match="polar_guard 'shout' is none of warn, raise, ignore"):
        make([(0, 0)], polar_guard="shout")
    with pytest.raises(ValueError, match=r"crs is no coordinate reference system .* EPSG code"):
        make([(0, 0)], crs="EPSG:nonsense")


def test_a_crs_of_the_raster_that_is_none_is_named():
    domain = RasterDomain((5, 5), crs="not a crs")
    with pytest.raises(ValueError, match="the CRS of the raster is no coordinate reference system"):
        SpatialExplicitCoords([(1, 1)], "EPSG:4326").anchors(domain, ONE)


# --- poles


def test_the_polar_guard_warns_of_points_near_a_pole():
    sampler = SpatialExplicitCoords([(0.0, 88.0), (10.0, 86.5), (10.0, 84.0)])
    with pytest.warns(UserWarning, match=r"2 of 3 coordinates lie beyond 85° of latitude \(up to 88.00°\)"):
        assert len(list(sampler.anchors(POLAR_LONLAT, ONE))) == 3


def test_the_polar_guard_can_refuse_or_be_silent():
    with pytest.raises(ValueError, match=r'on WGS 84 are badly distorted: .* polar_guard="ignore"'):
        SpatialExplicitCoords([(0.0, 88.0)], polar_guard="raise").anchors(POLAR_LONLAT, ONE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings(
            "ignore", "Conversion of an array", DeprecationWarning
        )  # pyproj, of one point
        SpatialExplicitCoords([(0.0, 88.0)], polar_guard="ignore").anchors(POLAR_LONLAT, ONE)
        SpatialExplicitCoords([(0.0, 85.0)], polar_guard="raise").anchors(POLAR_LONLAT, ONE)


def grid_around(crs, lon, lat):
    [x], [y] = rasterio.warp.transform("EPSG:4326", crs, [lon], [lat])
    return RasterDomain((10, 10), Affine(100.0, 0.0, x - 500, 0.0, -100.0, y + 500), crs)


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:3857"])
def test_transverse_and_other_mercator_grids_are_guarded(crs):
    with pytest.raises(ValueError, match="1 of 1 coordinates lie beyond 85°"):
        SpatialExplicitCoords([(15.0, 87.0)], "EPSG:4326", "raise").anchors(grid_around(crs, 15.0, 87.0), ONE)


def test_polar_grids_are_not_guarded():
    domain = grid_around("EPSG:3413", 15.0, 87.0)
    sampler = SpatialExplicitCoords([(15.0, 87.0)], "EPSG:4326", "raise")
    assert list(sampler.anchors(domain, ONE)) == [(5, 5)]


def test_polar_points_outside_the_raster_do_not_matter():
    south = RasterDomain((100, 100), Affine(0.1, 0, 0, 0, -0.1, 10.0), "EPSG:4326")
    sampler = SpatialExplicitCoords([(5.0, 5.0), (5.0, 89.0)], polar_guard="raise")
    with pytest.warns(UserWarning, match="1 of 2 coordinates lie outside"):
        assert list(sampler.anchors(south, ONE)) == [(50, 50)]


# --- tracks


points = st.tuples(st.floats(-100, 100), st.floats(-100, 100))


@given(st.lists(points, min_size=2, max_size=6), st.floats(0.5, 300))
def test_points_lie_at_equal_distances_along_the_line_and_at_its_end(vertices, spacing):
    line = LineString(vertices)
    *regular, end = SpatialAlongTrack(line, spacing).points()
    np.testing.assert_allclose(end, vertices[-1], atol=1e-9)
    expected = [line.interpolate(number * spacing).coords[0] for number in range(len(regular))]
    np.testing.assert_allclose(np.reshape(regular, (-1, 2)), np.reshape(expected, (-1, 2)), atol=1e-6)
    last_stretch = line.length - (len(regular) - 1) * spacing if regular else line.length
    assert last_stretch <= spacing * (1 + 1e-6)
    assert last_stretch > 0 or line.length == 0


def test_without_a_spacing_the_vertices_are_taken():
    track = [(5.5, 5.5), (20.5, 9.5), (40.5, 5.5)]
    anchors = list(SpatialAlongTrack(track).anchors(RasterDomain((50, 50)), ONE))
    assert anchors == [(5, 5), (9, 20), (5, 40)]


def test_a_third_coordinate_is_ignored():
    assert SpatialAlongTrack(LineString([(1, 2, 3), (4, 5, 6)])).track == ((1.0, 2.0), (4.0, 5.0))


def test_a_line_of_any_library_is_a_track_and_another_shape_is_none():
    class Line:
        __geo_interface__ = {"type": "LineString", "coordinates": ((1, 2), (4, 5))}  # noqa: RUF012 - as they do

    assert SpatialAlongTrack(Line()) == SpatialAlongTrack(LineString([(1, 2), (4, 5)]))
    with pytest.raises(ValueError, match="a track is a line, and not a Polygon"):
        SpatialAlongTrack(LineString([(0, 0), (2, 0)]).buffer(1))


def test_the_parts_outside_are_left_out_silently_and_repeats_too():
    sampler = SpatialAlongTrack([(-10, 2.5), (30, 2.5)], spacing=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        anchors = list(sampler.anchors(RasterDomain((10, 20)), ONE))
    assert anchors == [(2, col) for col in range(20)]


def test_a_track_that_misses_the_raster_is_an_error():
    with pytest.raises(ValueError, match="none of the 11 coordinates lies in the raster of 10x20"):
        SpatialAlongTrack([(30, 0), (40, 0)], spacing=1).anchors(RasterDomain((10, 20)), ONE)


def test_a_track_of_one_place_is_one_patch():
    sampler = SpatialAlongTrack([(3.5, 4.5), (3.5, 4.5)], spacing=1)
    assert list(sampler.anchors(RasterDomain((10, 20)), ONE)) == [(4, 3)]


@pytest.mark.parametrize("spacing", [0.0, -1.0, math.inf, math.nan])
def test_a_spacing_that_is_no_distance_is_refused(spacing):
    with pytest.raises(ValueError, match=f"positive and finite, not {spacing}"):
        SpatialAlongTrack([(0, 0), (1, 1)], spacing)


def test_a_spacing_in_the_wrong_unit_is_refused_before_it_fills_the_memory():
    sampler = SpatialAlongTrack([(0, 0), (1e6, 0)], spacing=1e-5)
    with pytest.raises(
        ValueError, match=r"spacing of 1e-05 on a track 1e\+06 long gives 1e\+11 points: is it in"
    ):
        sampler.points()


def test_an_empty_track_is_refused_and_no_coordinates_are_no_patches():
    with pytest.raises(ValueError, match="the track has no points"):
        SpatialAlongTrack(LineString())
    assert list(SpatialExplicitCoords([]).anchors(UTM, ONE)) == []


def test_tracks_follow_the_polar_guard():
    sampler = SpatialAlongTrack([(0.0, 80.5), (0.0, 89.5)], spacing=1.0)
    with pytest.warns(UserWarning, match="5 of 10 coordinates lie beyond 85°"):
        sampler.anchors(POLAR_LONLAT, ONE)


@pytest.mark.parametrize(
    "sampler",
    [
        SpatialExplicitCoords(np.array([[290_005.0, 9_119_995.0], [291_000, 9_119_000]])),
        SpatialExplicitCoords([(-34.885, -7.975)], rasterio.crs.CRS.from_epsg(4326), "ignore"),
        SpatialAlongTrack(LineString([(-34.89, -7.97), (-34.88, -7.98)]), 0.001, "EPSG:4326", "raise"),
        SpatialAlongTrack([(290_005.0, 9_119_995.0), (291_000, 9_119_000)]),
    ],
)
def test_they_keep_the_contract_of_samplers(sampler):
    assert isinstance(sampler, SpatialSampler)
    first = list(sampler.anchors(UTM, SpatialRectangular(16)))
    assert first == list(sampler.anchors(UTM, SpatialRectangular(16)))
    assert all(type(number) is int for anchor in first for number in anchor)
    again = pickle.loads(pickle.dumps(sampler))  # noqa: S301 - our own bytes
    assert (again, hash(again)) == (sampler, hash(sampler))
    config = json.loads(json.dumps(sampler.get_config()))
    assert type(sampler)(**config) == type(sampler).from_config(config) == sampler


def test_the_guards_are_those_documented():
    assert coords_module.POLAR_GUARDS == ("warn", "raise", "ignore")


@pytest.mark.parametrize("left", [-180, 0, 180])
def test_longitudes_may_be_counted_otherwise(left):
    globe = RasterDomain((180, 360), Affine(1, 0, left, 0, -1, 90), "EPSG:4326")
    points = [(-89.5, 10.5), (270.5, 10.5), (-169.5, 0.5), (190.5, 0.5)]
    found = list(SpatialExplicitCoords(points, crs="EPSG:4326").anchors(globe, SpatialRectangular(1)))
    assert found == [(79, (270 - left) % 360)] * 2 + [(89, (190 - left) % 360)] * 2
    utm = SpatialExplicitCoords([(455_000, 4e6)], crs="EPSG:32617")  # 81.5 degrees west
    assert list(utm.anchors(globe, SpatialRectangular(1))) == [(53, (278 - left) % 360)]
