import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from geopatcher import PointDomain, SpatialKNNGraph, SpatialRadiusGraph
from geopatcher.core.sphere import great_circle_km

SEEDS = st.integers(0, 2**32 - 1)


def spread(seed, n):
    rng = np.random.default_rng(seed)
    return np.stack([rng.uniform(-180, 180, n), rng.uniform(-90, 90, n)], axis=1)


def distances(coords, number, metric):
    if metric == "haversine":
        return great_circle_km(*coords[number], coords[:, 0], coords[:, 1])
    return np.sqrt(((coords - coords[number]) ** 2).sum(axis=1))


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.integers(1, 60), st.integers(1, 70), st.sampled_from(["euclidean", "haversine"]))
def test_the_nearest_are_those_of_brute_force(seed, n, k, metric):
    coords = spread(seed, n)
    number = seed % n
    found = SpatialKNNGraph(k, metric).neighborhood(PointDomain(coords, crs="EPSG:4326"), number)
    far = distances(coords, number, metric)
    assert found.dtype == np.int64
    assert found[0] == number
    assert np.allclose(far[found], np.sort(far)[: min(k, n)], rtol=1e-6, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.integers(1, 60), st.floats(0.01, 0.99), st.sampled_from(["euclidean", "haversine"]))
def test_those_within_a_radius_are_those_of_brute_force(seed, n, share, metric):
    coords = spread(seed, n)
    number = seed % n
    far = distances(coords, number, metric)
    radius = float(share * max(far.max(), 1.0))
    found = SpatialRadiusGraph(radius, metric).neighborhood(PointDomain(coords, crs="EPSG:4326"), number)
    assert found[0] == number
    assert sorted(found.tolist()) == np.flatnonzero(far <= radius).tolist()


def test_a_tree_that_is_given_is_asked():
    coords = spread(0, 100)

    class Counting(cKDTree):
        asked = 0

        def query(self, x, k):
            Counting.asked += 1
            return super().query(x, k)

    domain = PointDomain(coords, Counting(coords))
    for number in range(10):
        SpatialKNNGraph(4).neighborhood(domain, number)
    assert Counting.asked == 10


def test_a_tree_is_built_once_and_no_anchor_looks_at_all_points(monkeypatch):
    domain = PointDomain(spread(1, 5000), crs="EPSG:4326")
    for metric in ("euclidean", "haversine"):
        graph = SpatialKNNGraph(3, metric)
        graph.neighborhood(domain, 0)
        trees = (domain.plane_tree, domain.sphere_tree)
        graph.neighborhood(domain, 1)
        assert (domain.plane_tree, domain.sphere_tree) == trees


def test_extents():
    domain = PointDomain([(0, 0), (0, 1), (0, 2), (9, 9)])
    assert SpatialKNNGraph(3).extent(domain) == (3,)
    assert SpatialKNNGraph(9).extent(domain) == (4,)
    assert SpatialRadiusGraph(1).extent(domain) == (3,)


def test_configurations_are_plain():
    assert SpatialKNNGraph(np.int64(3)).get_config() == {
        "k": 3,
        "metric": "euclidean",
    }
    config = SpatialRadiusGraph(2, metric="haversine").get_config()
    assert config == {"radius": 2.0, "metric": "haversine"}
    assert pickle.loads(pickle.dumps(SpatialKNNGraph(3))) == SpatialKNNGraph(3)  # noqa: S301


@pytest.mark.parametrize("k", [0, -1])
def test_k_is_at_least_one(k):
    with pytest.raises(ValueError, match="at least 1"):
        SpatialKNNGraph(k)
    with pytest.raises(TypeError):
        SpatialKNNGraph(2.5)


def test_a_radius_and_a_metric_are_checked():
    with pytest.raises(ValueError, match="units of the coordinates"):
        SpatialRadiusGraph(0)
    with pytest.raises(ValueError, match="kilometres"):
        SpatialRadiusGraph(-2, "haversine")
    with pytest.raises(ValueError, match="metric"):
        SpatialKNNGraph(2, "cosine")


@pytest.mark.parametrize("tenths", [1, 3, 6, 7, 19])
def test_a_point_at_the_radius_is_within_however_tenths_are_rounded(tenths):
    for first in range(-40, 40):
        points = PointDomain([(first * 0.1, 0.0), ((first + tenths) * 0.1, 0.0), (first * 0.1, 9.0)])
        assert SpatialRadiusGraph(tenths * 0.1).neighborhood(points, 0).tolist() == [0, 1]
