import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from geopatcher.core.sphere import EARTH_KM, FARTHEST_KM, chord_of_km, circle, great_circle_km, km_of_chord

SPHERE = Geod(a=EARTH_KM * 1000, b=EARTH_KM * 1000)
LON, LAT = st.floats(-180, 180), st.floats(-90, 90)


@given(LON, LAT, LON, LAT)
def test_distances_are_those_of_pyproj_on_a_sphere(lon0, lat0, lon, lat):
    expected = SPHERE.inv(lon0, lat0, lon, lat)[2] / 1000
    assert abs(great_circle_km(lon0, lat0, lon, lat) - expected) < 1e-3


def test_on_the_ellipsoid_they_are_less_than_six_in_a_thousand_off():
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-180, 180, 500), rng.uniform(-89, 89, 500)
    for lon0, lat0 in [(0.0, 0.0), (179.0, 60.0), (10.0, -89.0)]:
        there = Geod(ellps="WGS84").inv(np.full(500, lon0), np.full(500, lat0), lon, lat)[2] / 1000
        assert np.abs(great_circle_km(lon0, lat0, lon, lat) / there - 1).max() < 0.006


@given(st.floats(1e-6, FARTHEST_KM))
def test_a_chord_is_that_of_its_distance(km):
    assert abs(float(km_of_chord(chord_of_km(km))) - km) <= 1e-9 * km + 2e-4 * (km > 20000)


def test_beyond_half_way_around_there_is_nothing_farther():
    assert chord_of_km(1e9) == 2.0


@given(LON, LAT, st.floats(0.01, 20000))
def test_a_circle_is_at_one_distance(lon0, lat0, radius):
    lon, lat = circle(lon0, lat0, radius)
    assert np.allclose(great_circle_km(lon0, lat0, lon, lat), radius, rtol=1e-6, atol=1e-3)
    assert (np.abs(lon) <= 180).all()
