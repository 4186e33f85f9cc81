"""Georeference in zarr: read back by pyproj and rioxarray, in words that conventions know."""

from __future__ import annotations

import json

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from geopatcher.core.domain import RasterDomain
from geopatcher.errors import TargetError
from geopatcher.targets.georef import (
    array_attributes,
    coordinates,
    fill_attribute,
    grid_mapping,
    group_attributes,
)

NORTH_UP = Affine(10, 0, 5e5, 0, -10, 4.6e6)
LOCAL = 'LOCAL_CS["site grid",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'


def domain(crs="EPSG:32633", transform=NORTH_UP, shape=(2, 40, 50)):
    return RasterDomain(shape, transform, crs)


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326", "OGC:CRS84", "EPSG:3857", LOCAL])
def test_the_grid_mapping_holds_the_whole_crs(crs):
    attributes = json.loads(json.dumps(grid_mapping(domain(crs))))
    wanted = CRS.from_user_input(crs)
    assert CRS.from_wkt(attributes["crs_wkt"]) == wanted
    assert CRS.from_wkt(attributes["spatial_ref"]) == wanted
    c, a, b, f, d, e = map(float, attributes["GeoTransform"].split())
    assert Affine(a, b, c, d, e, f) == NORTH_UP


def test_no_crs_is_no_crs():
    assert set(grid_mapping(domain(None))) == {"GeoTransform"}
    attributes = group_attributes(domain(None))
    assert not any(key.startswith("proj:") for key in attributes)
    assert [convention["name"] for convention in attributes["zarr_conventions"]] == ["spatial:"]


def test_numbers_keep_every_digit():
    transform = Affine(10 / 3, 0, 1 / 7, 0, -np.pi, 1e7 / 3)
    attributes = json.loads(
        json.dumps({**grid_mapping(domain(None, transform)), **group_attributes(domain(None, transform))})
    )
    c, a, b, f, d, e = map(float, attributes["GeoTransform"].split())
    assert Affine(a, b, c, d, e, f) == transform
    assert Affine(*attributes["spatial:transform"]) == transform


@pytest.mark.parametrize(
    ("crs", "key", "value"),
    [("EPSG:32633", "proj:code", "EPSG:32633"), (LOCAL, "proj:wkt2", None), ("OGC:CRS84", "proj:wkt2", None)],
)
def test_the_group_says_the_crs_by_code_or_in_full(crs, key, value):
    attributes = json.loads(json.dumps(group_attributes(domain(crs))))
    assert key in attributes
    assert value is None or attributes[key] == value
    if key == "proj:wkt2":
        assert CRS.from_wkt(attributes[key]) == CRS.from_user_input(crs)
    assert attributes["spatial:shape"] == [40, 50]
    assert attributes["spatial:bbox"] == [500000.0, 4599600.0, 500500.0, 4600000.0]
    assert {convention["uuid"] for convention in attributes["zarr_conventions"]} == {
        "f17cb550-5864-4468-aeb7-f3180cfb622f",
        "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
    }


@pytest.mark.parametrize(
    "transform", [NORTH_UP, Affine(-10, 0, 5e5, 0, 10, 4.6e6), Affine(8, 6, 5e5, 6, -8, 4.6e6)]
)
def test_the_extent_is_that_of_the_corners(transform):
    corners = [transform @ corner for corner in ((0, 0), (50, 0), (0, 40), (50, 40))]
    xs, ys = zip(*(point[:2] for point in corners), strict=True)
    got = group_attributes(domain(transform=transform))["spatial:bbox"]
    assert got == [min(xs), min(ys), max(xs), max(ys)]


@pytest.mark.parametrize(
    ("crs", "names", "units"),
    [
        ("EPSG:32633", ("projection_x_coordinate", "projection_y_coordinate"), "metre"),
        ("EPSG:4326", ("longitude", "latitude"), None),
        ("EPSG:2263", ("projection_x_coordinate", "projection_y_coordinate"), "0.304800609601219 metre"),
        (None, (None, None), None),
    ],
)
def test_coordinates_are_pixel_centres_and_say_what_they_are(crs, names, units):
    found = coordinates(domain(crs))
    xs, ys = found["x"], found["y"]
    np.testing.assert_array_equal(xs[0], 5e5 + 5 + 10 * np.arange(50))
    np.testing.assert_array_equal(ys[0], 4.6e6 - 5 - 10 * np.arange(40))
    assert (xs[1].get("standard_name"), ys[1].get("standard_name")) == names
    assert (xs[1]["axis"], ys[1]["axis"]) == ("X", "Y")
    if units:
        assert xs[1]["units"] == ys[1]["units"] == units
    if crs == "EPSG:4326":
        assert (xs[1]["units"], ys[1]["units"]) == ("degrees_east", "degrees_north")


def test_a_rotated_grid_has_no_coordinates():
    assert coordinates(domain(transform=Affine(8, 6, 0, 6, -8, 0))) == {}


@pytest.mark.parametrize("nodata", [np.nan, -9999.0, 0.1])
def test_fill_values_are_what_xarray_decodes(nodata):
    backends = pytest.importorskip("xarray.backends.zarr")
    text = fill_attribute(np.dtype("float32"), nodata)["_FillValue"]
    np.testing.assert_equal(float(backends.FillValueCoder.decode(text, np.dtype("float32"))), nodata)


def test_fill_values_of_integers_stay_integers():
    assert fill_attribute(np.dtype("int64"), 2**53 + 1) == {"_FillValue": 2**53 + 1}
    assert fill_attribute(np.dtype("uint8"), None) == {}


@pytest.mark.parametrize(
    ("names", "units", "wanted"),
    [
        ((), (), {}),
        (("a",), ("m",), {"long_name": "a", "band_names": ["a"], "units": "m"}),
        (("a", "b"), ("m", "m"), {"long_name": ["a", "b"], "band_names": ["a", "b"], "units": "m"}),
        ((), ("m", ""), {"band_units": ["m", ""]}),
        ((), ("", ""), {}),
    ],
)
def test_bands_are_named(names, units, wanted):
    attributes = array_attributes(names, units)
    assert attributes.pop("grid_mapping") == attributes.pop("coordinates") == "spatial_ref"
    assert attributes == wanted


def test_coordinates_that_memory_does_not_hold_are_refused():
    with pytest.raises(TargetError, match=r"the coordinates of 1,000,000,000,000,000 rows and 2 columns"):
        coordinates(RasterDomain((10**15, 2)))
