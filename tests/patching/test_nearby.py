import numpy as np
import pytest

from geopatcher import PointDomain, RasterDomain
from geopatcher.core.sphere import great_circle_km
from geopatcher.patching.nearby import known_metric, nearest, points_of, positive, within


def test_distance_is_a_share_of_the_farthest():
    points = PointDomain([(0, 0), (0, 3), (4, 0)])
    found = nearest(points, 0, 3, "euclidean")
    assert found.indices.tolist() == [0, 1, 2]
    assert found.distance.tolist() == [0.0, 0.75, 1.0]
    assert within(points, 0, 8.0, "euclidean").distance.tolist() == [0.0, 0.375, 0.5]


def test_a_point_is_in_its_own_patch_though_others_lie_on_the_same_spot():
    points = PointDomain(np.zeros((50, 2)))
    for number in (0, 17, 49):
        found = nearest(points, number, 4, "euclidean")
        assert found.indices[0] == number
        assert len(set(found.indices.tolist())) == 4
        assert np.isfinite(found.distance).all()


def test_along_the_sphere_nearer_means_over_the_pole_and_the_antimeridian():
    points = PointDomain([(179, 0), (-179, 0), (170, 0), (0, 89), (180, 89), (90, 80)], crs="EPSG:4326")
    assert nearest(points, 0, 2, "haversine").indices.tolist() == [0, 1]
    assert nearest(points, 3, 2, "haversine").indices.tolist() == [3, 4]
    far = great_circle_km(179, 0, 170, 0)
    assert within(points, 0, float(far), "haversine").indices.tolist() == [0, 1, 2]


def test_projected_points_are_compared_on_the_sphere():
    points = PointDomain([(500_000, 0), (500_000, 100_000), (600_000, 5_000_000)], crs="EPSG:32633")
    assert within(points, 0, 101.0, "haversine").indices.tolist() == [0, 1]
    assert within(points, 0, 99.0, "haversine").indices.tolist() == [0]


def test_what_are_no_points_is_refused():
    with pytest.raises(TypeError, match="RasterDomain has none: take a PointDomain"):
        points_of(RasterDomain((2, 2)))
    points = PointDomain([(0, 0)])
    with pytest.raises(IndexError, match="there is no point 1: the domain has 1"):
        nearest(points, 1, 1, "euclidean")
    with pytest.raises(TypeError, match="is the number of a point"):
        nearest(points, (0, 0), 1, "euclidean")
    with pytest.raises(ValueError, match="metric 'taxi' is none of euclidean, haversine"):
        known_metric("taxi")
    with pytest.raises(ValueError, match="radius is a number of km, positive and finite, not nan"):
        positive(np.nan, "radius", "km")


def test_degrees_that_are_none_are_refused():
    points = PointDomain([(50.0, 100.0)])
    with pytest.raises(ValueError, match="have no longitude and latitude, the first"):
        nearest(points, 0, 1, "haversine")


@pytest.mark.parametrize("value", [None, "5km", [1, 2], float("nan"), -1])
def test_what_is_no_length_is_told(value):
    with pytest.raises(ValueError, match="radius is a number of metres, positive and finite, not"):
        positive(value, "radius", "metres")
