import numpy as np
import pytest
import shapely
import xarray
import xvec  # noqa: F401 - registers the accessor

from geopatcher import (
    PointDomain,
    SpatialBoxcar,
    SpatialKNNGraph,
    SpatialMean,
    SpatialPatcher,
    SpatialRegularStride,
    VectorDomain,
    XvecField,
    _optional,
)


def cube(shapes=None, n=6):
    shapes = shapely.points(np.random.default_rng(0).uniform(0, 9, (n, 2))) if shapes is None else shapes
    array = xarray.DataArray(
        np.random.default_rng(1).random((4, len(shapes))),
        {"place": shapes, "time": range(4)},
        ("time", "place"),
        name="q",
    )
    return array.xvec.set_geom_indexes("place", crs=3035)


def test_points_and_polygons():
    field = XvecField(cube())
    assert isinstance(field.domain, PointDomain)
    assert str(field.domain.crs) == "EPSG:3035"
    boxes = XvecField(cube([shapely.box(0, 0, 1, 1), shapely.box(4, 4, 5, 5)]))
    assert isinstance(boxes.domain, VectorDomain)
    assert boxes.select(shapely.Point(4.5, 4.5)).sizes["place"] == 1
    assert repr(boxes) == "XvecField(time: 4, place: 2; places along 'place')"


def test_parts_keep_all_else():
    field = XvecField(cube())
    part = field.select([4, 1])
    assert np.array_equal(part.values, cube().values[:, [4, 1]])
    whole = XvecField(cube().to_dataset())
    assert whole.select(slice(0, 2))["q"].shape == (4, 2)


def test_graphs_over_a_cube():
    field = XvecField(cube(n=12))
    patcher = SpatialPatcher(SpatialKNNGraph(3), SpatialRegularStride(1), SpatialBoxcar(), SpatialMean())
    merged = patcher.merge(patcher.split(field), field)
    assert np.allclose(merged, field.ds.values)


def test_other_values():
    field = XvecField(cube())
    assert np.array_equal(field.with_data(np.ones((4, 6))).ds.values, np.ones((4, 6)))
    assert field.with_data(np.ones((4, 6))).ds.dims == ("time", "place")
    assert field.with_data(np.arange(6)).select([5]).values.tolist() == [5]
    assert field.with_data(np.ones((2, 6))).ds.dims == ("band", "place")
    assert field.with_data(cube()).domain.shape == (6,)
    with pytest.raises(ValueError, match="not one value for each of 6 geometries"):
        field.with_data(np.ones(5))


def test_what_is_no_cube_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="there are 0 coordinates of geometries"):
        XvecField(xarray.DataArray(np.zeros(3)))
    with pytest.raises(TypeError, match="made of a Dataset or DataArray, not list"):
        XvecField([1])

    def missing(module):
        raise ImportError(module)

    monkeypatch.setattr(_optional, "import_quickly", missing)
    with pytest.raises(ImportError, match=r"pip install 'geopatcher\[features\]'"):
        XvecField(cube())
