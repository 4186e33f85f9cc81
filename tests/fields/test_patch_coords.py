import numpy as np
import pytest
import xarray

from geopatcher import (
    Patch,
    SpatialHann,
    SpatialOverlapAdd,
    SpatialPatcher,
    SpatialRectangular,
    SpatialRegularStride,
)
from geopatcher.fields import XarrayField


def cube():
    coords = {
        "time": np.array(["2024-01-01", "2024-01-02", "2024-01-03"], "datetime64[ns]"),
        "lat": np.linspace(60, 51, 10),
        "lon": np.linspace(0, 11, 12),
    }
    return xarray.DataArray(np.random.default_rng(0).random((3, 10, 12)), coords, ("time", "lat", "lon"))


def patcher(boundary="cover"):
    return SpatialPatcher(
        SpatialRectangular(4, boundary), SpatialRegularStride(3), SpatialHann(), SpatialOverlapAdd()
    )


def test_times():
    field = XarrayField(cube())
    assert np.array_equal(field.time_coord(), cube()["time"].values)
    assert np.array_equal(field.time_coord("lat"), cube()["lat"].values)
    with pytest.raises(KeyError, match="there is no coordinate 'when': the array has 'time', 'lat', 'lon'"):
        field.time_coord("when")


def test_coordinates_of_patches_are_those_of_their_data():
    field = XarrayField(cube())
    patches = list(patcher().split(field))
    coords = field.coords_per_patch(patches)
    assert len(coords) == len(patches)
    for patch, found in zip(patches, coords, strict=True):
        for dim in ("time", "lat", "lon"):
            assert np.array_equal(found[dim], patch.data[dim].values)


def test_beyond_the_edge_they_go_on():
    field = XarrayField(cube())
    (last,) = field.coords_per_patch([list(patcher("pad").split(field))[-1]])
    assert np.allclose(last["lat"], [54, 53, 52, 51])
    assert np.allclose(last["lon"], [9, 10, 11, 12])


def test_by_name_and_without_coordinates():
    field = XarrayField(cube().drop_vars("lon"))
    patch = Patch(None, {"lat": 1}, {"lat": slice(1, 3), "lon": np.array([11, 0])})
    (found,) = field.coords_per_patch([patch])
    assert found["lat"].tolist() == [59, 58]
    assert found["lon"].tolist() == [11, 0]
    with pytest.raises(TypeError, match="does not say where it is"):
        field.coords_per_patch([Patch(None, (0, 0), None)])
