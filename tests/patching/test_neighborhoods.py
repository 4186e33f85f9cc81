import numpy as np
import pytest

from geopatcher import (
    PointDomain,
    SpatialBoxcar,
    SpatialCustom,
    SpatialGaussian,
    SpatialHann,
    SpatialKNNGraph,
    SpatialTukey,
    SpatialWindow,
)
from geopatcher.patching.neighborhoods import LEAST_WEIGHT, Neighborhood, weights_of

FAR = np.array([0.0, 0.5, 1.0])
GRAPH = SpatialKNNGraph(3)
LINE = Neighborhood(None, (3,), None, FAR)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (SpatialBoxcar(), [1, 1, 1]),
        (SpatialHann(), [1, 0.5, LEAST_WEIGHT]),
        (SpatialTukey(0.5), [1, 1, LEAST_WEIGHT]),
        (SpatialTukey(0.0), [1, 1, 1]),
        (SpatialGaussian(0.5), [1, np.exp(-0.5), np.exp(-2)]),
    ],
)
def test_weights_fall_with_the_distance_and_none_is_lost(window, expected):
    assert np.allclose(weights_of(window, LINE, GRAPH), expected)


@pytest.mark.parametrize("window", [SpatialHann(), SpatialTukey(0.3), SpatialGaussian(0.4), SpatialBoxcar()])
def test_a_profile_is_the_falloff_along_an_axis(window):
    away = np.abs(2 * (np.arange(9) + 0.5) / 9 - 1)
    assert np.allclose(window.profile(9), window.falloff(away))


def test_outside_there_is_no_weight():
    inside = np.array([[True, False], [True, True]])
    found = Neighborhood(None, (2, 2), inside)
    assert (weights_of(SpatialHann(), found, GRAPH) > 0).tolist() == inside.tolist()


@pytest.mark.parametrize(
    "function",
    [
        lambda geometry: np.arange(1.0, 1 + np.prod(geometry.size)).reshape(geometry.size),
        lambda geometry: np.arange(1.0, 1 + geometry.k),
        lambda geometry: np.arange(1.0, 4.0)[np.newaxis] if type(geometry) is SpatialKNNGraph else None,
    ],
)
def test_functions_of_ones_own_are_given_the_geometry_and_the_size_of_the_patch(function):
    assert weights_of(SpatialCustom(function), LINE, GRAPH).tolist() == [1, 2, 3]
    assert not hasattr(GRAPH, "size")


def test_windows_of_ones_own_are_given_the_geometry():
    class PerNeighbor(SpatialWindow):
        def weights(self, geometry):
            return np.full(geometry.k, 2.0)

    assert weights_of(PerNeighbor(), LINE, GRAPH).tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match=r"gave weights shaped \(5,\) for .*k=5.* patch is shaped \(3,\)"):
        weights_of(PerNeighbor(), LINE, SpatialKNNGraph(5))


def test_the_neighborhood_is_what_was_found():
    points = PointDomain([(0, 0), (1, 1)])
    graph = SpatialKNNGraph(2)
    assert np.array_equal(graph.neighborhood(points, 1), graph.find(points, 1).indices)
