"""Stitching into DataArrays."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

import geopatcher as gp

xarray = pytest.importorskip("xarray")
pytest.importorskip("rioxarray")
# rioxarray multiplies affines
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

IMAGE = np.random.default_rng(2).random((2, 20, 30))
NORTH_UP = Affine(10, 0, 5e5, 0, -10, 4.6e6)


def patcher(aggregation=None):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(8),
        gp.SpatialRegularStride(4),
        gp.SpatialHann(),
        aggregation or gp.SpatialOverlapAdd(),
    )


def test_a_raster_becomes_an_array_with_its_georeference():
    field = gp.RasterField.from_array(IMAGE, transform=NORTH_UP, crs="EPSG:32633")
    for given in (field, field.domain):
        found = patcher().merge_to_xarray(patcher().split(field), given)
        np.testing.assert_allclose(found, IMAGE)
        assert found.dims == ("band", "y", "x")
        assert (found.rio.transform(), found.rio.crs.to_epsg()) == (NORTH_UP, 32633)
        np.testing.assert_allclose(found.x, 5e5 + 10 * (np.arange(30) + 0.5))


def test_a_data_array_keeps_its_names_and_coordinates():
    lat, lon = np.linspace(45, 44, 20), np.linspace(7, 9, 30)
    scene = xarray.DataArray(IMAGE[0], {"lat": lat, "lon": lon}, ("lat", "lon"), attrs={"of": "snow"})
    told = []

    class Hook:
        def on_merge_end(self, nbytes):
            told.append(nbytes)

    doubled = [patch.with_data(2 * patch.data.values) for patch in patcher().split(scene)]
    found = patcher().merge_to_xarray(doubled, scene, Hook())
    assert (found.dims, found.attrs["of"]) == (("lat", "lon"), "snow")
    np.testing.assert_allclose(found.lat, lat)
    np.testing.assert_allclose(found.lon, lon)
    np.testing.assert_allclose(found, 2 * IMAGE[0])
    assert told == [found.nbytes]


def test_several_arrays_are_a_dataset():
    pairs = [patch.with_data((patch.data, np.ones_like(patch.data))) for patch in patcher().split(IMAGE[0])]
    found = patcher(gp.SpatialInvVarWeightedMean()).merge_to_xarray(pairs, IMAGE[0])
    assert set(found) == {"mu", "var", "mean"}
    np.testing.assert_allclose(found["mu"], IMAGE[0])


def test_what_was_streamed_is_opened_lazily(tmp_path):
    made = patcher(gp.SpatialOverlapAdd(streaming=True, target_path=tmp_path / "out", dtype="float64"))
    found = made.merge_to_xarray(made.split(IMAGE), IMAGE)
    assert not isinstance(found.variable._data, np.ndarray)
    np.testing.assert_allclose(found, IMAGE)


def test_what_is_no_raster_is_refused():
    with pytest.raises(TypeError, match=r"does not lie on the grid of \(20, 30\): use merge"):
        patcher(gp.SpatialApproxQuantile()).merge_to_xarray(patcher().split(IMAGE[0]), IMAGE[0])
