"""Places on grids whose dimensions have names, and what samplers call them."""

import numpy as np
import pytest
import xarray

from geopatcher import (
    GeoPandasField,
    GridDomain,
    SpatialHann,
    SpatialKNNGraph,
    SpatialMean,
    SpatialOverlapAdd,
    SpatialPatcher,
    SpatialRectangular,
    SpatialRegularStride,
    SpatialSphericalCap,
)
from geopatcher.samplers import SpatialExplicit, SpatialPoissonDisk, SpatialRandom
from geopatcher.samplers.coords import SpatialExplicitCoords
from globes import globe, stations


class Named:
    """A field over a grid whose dimensions have names."""

    def __init__(self, array):
        self.array = array
        self.domain = GridDomain({dim: array[dim].values for dim in array.dims})

    def select(self, indexer):
        return self.array.isel(indexer)


def grid(dims=("lat", "lon"), shape=(12, 20)):
    values = np.random.default_rng(0).random(shape)
    coords = {"lat": np.linspace(60, 38, 12), "lon": np.linspace(-10, 28, 20), "time": [1, 2]}
    return xarray.DataArray(values, {dim: coords[dim] for dim in dims}, dims)


def test_rectangles_on_a_named_grid():
    array = grid()
    patcher = SpatialPatcher(
        SpatialRectangular(4), SpatialRegularStride(2), SpatialHann(), SpatialOverlapAdd()
    )
    field = Named(array)
    patches = list(patcher.split(field))
    assert patches[1].anchor == {"lat": 0, "lon": 2}
    assert patches[1].indices == {"lat": slice(0, 4), "lon": slice(2, 6)}
    assert np.array_equal(patches[1].data, array[0:4, 2:6])
    assert np.allclose(patcher.merge(patches, field), array)
    assert len(patcher.anchors(field) if hasattr(patcher.anchors(field), "__len__") else patches) == len(
        patches
    )


def test_rectangles_and_caps_on_a_named_grid_with_time():
    array = grid(("time", "lat", "lon"), (2, 12, 20))
    for geometry in (SpatialRectangular(4), SpatialSphericalCap(700)):
        patcher = SpatialPatcher(geometry, SpatialRegularStride(2), SpatialHann(), SpatialOverlapAdd())
        merged = patcher.merge(patcher.split(Named(array)), Named(array))
        assert np.allclose(merged, array)


def test_a_rectangle_that_overhangs_a_named_grid_is_refused_or_cut_off():
    sampler = SpatialExplicit([{"lat": 10, "lon": 0}])
    with pytest.raises(ValueError, match="where nothing fills it"):
        SpatialRectangular(4).neighborhood(Named(grid()).domain, {"lat": 10, "lon": 0})
    patcher = SpatialPatcher(SpatialRectangular(4, boundary="shrink"), sampler, SpatialHann(), SpatialMean())
    (patch,) = patcher.split(Named(grid()))
    assert patch.data.shape == patch.weights.shape == (2, 4)


def test_samplers_call_places_what_the_domain_calls_them():
    field, points = globe(), GeoPandasField(stations(), as_points=True)
    cap, graph = SpatialSphericalCap(500), SpatialKNNGraph(3)
    named = Named(grid()).domain
    assert list(SpatialRegularStride(10).anchors(points.domain, graph)) == [0, 10, 20, 30]
    assert list(SpatialExplicit([3, 5]).anchors(points.domain, graph)) == [3, 5]
    assert list(SpatialExplicit([(3, 5)]).anchors(field.domain, cap)) == [(3, 5)]
    assert list(SpatialExplicit([{"lat": 1, "lon": 2}]).anchors(named, cap)) == [{"lat": 1, "lon": 2}]
    assert list(SpatialExplicitCoords([(0.1, 0.1)]).anchors(field.domain, cap)) == [(8, 18)]
    drawn = list(SpatialRandom(200, seed=1).anchors(points.domain, graph))
    assert set(drawn) == set(range(40))
    assert set(next(SpatialRandom(9, seed=1).anchors(named, cap))) == {"lat", "lon"}
    assert len(list(SpatialPoissonDisk(4, seed=0).anchors(field.domain, cap))) > 10
    with pytest.raises(TypeError, match="numbered: take SpatialRandom"):
        SpatialPoissonDisk(4).anchors(points.domain, graph)
    with pytest.raises(ValueError, match="1 of 2 anchors are no places, the first is 40"):
        SpatialExplicit([0, 40]).anchors(points.domain, graph)
    with pytest.raises(TypeError, match="numbers"):
        SpatialExplicit([0, 40]).anchors(field.domain, cap)
    with pytest.raises(TypeError, match="numbered"):
        SpatialExplicit([(0, 1)]).anchors(points.domain, graph)
    with pytest.raises(TypeError, match="no named dimensions"):
        SpatialExplicit([{"lat": 0, "lon": 1}]).anchors(field.domain, cap)
