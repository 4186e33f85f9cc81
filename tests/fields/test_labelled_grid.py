from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from geopatcher.fields.labelled_grid import MAX_BANDS, grid_of

xarray = pytest.importorskip("xarray")


def named(*dims, shape=None, dtype="int16", **attributes):
    return xarray.DataArray(np.zeros(shape or (2, 3, 4)[-len(dims) :], dtype), dims=dims, attrs=attributes)


@pytest.mark.parametrize(
    ("dims", "wanted"),
    [
        (("band", "y", "x"), ("band", "y", "x")),
        (("x", "y", "time"), ("time", "y", "x")),
        (("lat", "lon"), ("lat", "lon")),
        (("a", "b", "c"), ("a", "b", "c")),
        (("northing", "b", "c"), ("b", "northing", "c")),
        (("Longitude", "Latitude"), ("Latitude", "Longitude")),
    ],
)
def test_which_dimension_is_which(dims, wanted):
    grid = grid_of(named(*dims))
    assert grid.dims == wanted
    lengths = dict(zip(dims, named(*dims).shape, strict=True))
    assert grid.domain.shape == tuple(lengths[dim] for dim in wanted)


def test_attributes_stand_above_names():
    array = named("x", "y").assign_coords(
        x=("x", [0.0, 1, 2], {"axis": "Y"}), y=("y", np.arange(4.0), {"axis": "X"})
    )
    assert grid_of(array).dims == ("x", "y")
    said = named("u", "v", "t", **{"spatial:dimensions": ["t", "v"]})
    assert grid_of(said).dims == ("u", "t", "v")


def test_leading_dimensions_stay_as_they_are():
    grid = grid_of(named("time", "level", "y", "x", shape=(1, 1, 3, 4)))
    assert (grid.leading, grid.domain.lengths, grid.domain.shape) == (("time", "level"), (1, 1), (1, 3, 4))
    grid = grid_of(named("time", "y", "band", "x", shape=(2, 3, 5, 4)))
    assert (grid.dims, grid.domain.array_shape) == (("time", "band", "y", "x"), (2, 5, 3, 4))
    assert grid.domain.band_names[:6] == (
        "time 1 b1",
        "time 1 b2",
        "time 1 b3",
        "time 1 b4",
        "time 1 b5",
        "time 2 b1",
    )
    assert grid.indexers(slice(0, 1), slice(2, 3)) == {"y": slice(0, 1), "x": slice(2, 3)}


@pytest.mark.parametrize(
    ("array", "error", "words"),
    [
        (lambda: named("x", "y", "u", **{"spatial:dimensions": ["y", "u"]}), ValueError, "those of rows and"),
        (lambda: named("y", shape=(3,)), ValueError, "has no rows and columns"),
        (lambda: named("y", "x", shape=(0, 4)), ValueError, r"the array has no pixels: .* are \(0, 4\) long"),
        (lambda: named("y", "x", dtype="U3"), TypeError, "a raster holds numbers, and this array holds <U3"),
        (
            lambda: named("b", "y", "x", shape=(MAX_BANDS + 1, 1, 1), dtype="bool"),
            ValueError,
            "1,048,577 bands along 'b'",
        ),
    ],
)
def test_what_makes_no_grid(array, error, words):
    with pytest.raises(error, match=words):
        grid_of(array())


def test_the_domain_is_what_coordinates_and_attributes_say():
    array = xarray.DataArray(
        np.zeros((2, 3, 4), ">i2"),
        {"band": ["red", "nir"], "y": [25.0, 15.0, 5.0], "x": [105.0, 115.0, 125.0, 135.0]},
        ("band", "y", "x"),
        attrs={"units": "m", "nodata": -9, "scale_factor": 0.5, "crs": "EPSG:32633"},
    )
    domain = grid_of(array).domain
    assert domain.transform == Affine(10, 0, 100, 0, -10, 30)
    assert (domain.dtype, domain.nodata, domain.crs) == (np.dtype("int16"), -9, "EPSG:32633")
    assert (domain.band_names, domain.units) == (("red", "nir"), ("m", "m"))
    assert [band.scale for band in domain.metadata.bands] == [0.5, 0.5]


def test_floats_that_were_decoded_are_missing_where_they_are_nan():
    array = named("y", "x", dtype="float32", nodata=7)
    array.encoding["_FillValue"] = -9999
    assert np.isnan(grid_of(array).domain.nodata)


def test_pixels_with_places_of_their_own_are_noted():
    curved = named("y", "x").assign_coords(
        lat=(("y", "x"), np.zeros((3, 4))), lon=(("y", "x"), np.zeros((3, 4)))
    )
    assert grid_of(curved).domain.metadata.ground.arrays
    assert not grid_of(named("y", "x")).domain.metadata.ground.arrays
