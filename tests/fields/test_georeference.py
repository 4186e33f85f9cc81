from __future__ import annotations

import base64
import struct

import numpy as np
import pyproj
import pytest
from affine import Affine

from geopatcher.fields.georeference import crs_of, missing_of, transform_of

GRID = (6, 8)
NORTH_UP = Affine(10, 0, 100, 0, -10, 900)


def placed(mapping=None, attributes=None, *, alone=True):
    return transform_of(mapping or {}, attributes or {}, GRID, alone=alone)


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        ({"GeoTransform": "100 10 0 900 0 -10"}, NORTH_UP),
        ({"GeoTransform": "100, 10, 0, 900, 0, -10"}, NORTH_UP),
        ({"transform": np.array([10, 0, 100, 0, -10, 900])}, NORTH_UP),
        ({"spatial:transform": [10, 0, 105, 0, -10, 895], "spatial:registration": "node"}, NORTH_UP),
        ({"spatial:bbox": [100, 840, 180, 900]}, NORTH_UP),
        ({"spatial:bbox": [105, 845, 175, 895], "spatial:registration": "node"}, NORTH_UP),
        ({}, None),
    ],
)
def test_a_transform_in_whatever_words(attributes, wanted):
    assert placed(attributes=attributes) == wanted


def test_the_grid_mapping_stands_above_the_array_and_coordinates_above_a_box():
    other = {"GeoTransform": "1 2 0 3 0 -4"}
    assert placed({"GeoTransform": "100 10 0 900 0 -10"}, other) == NORTH_UP
    assert placed(attributes={"spatial:bbox": [100, 840, 180, 900]}, alone=False) is None


def test_the_place_of_another_array_is_refused():
    said = {"spatial:transform": list(NORTH_UP[:6]), "spatial:shape": [60, 80]}
    with pytest.raises(ValueError, match=r"spatial:transform is said of 60x80 pixels .* the array has 6x8"):
        placed(attributes=said)
    assert placed(attributes={**said, "spatial:shape": (3, *GRID)[-2:]}) == NORTH_UP
    assert placed(attributes=said, alone=False) == NORTH_UP


@pytest.mark.parametrize("given", ["1 2 3", "a b c d e f", [1, 2, 3, 4, 5], 7, [1, {}, 3, 4, 5, 6]])
def test_what_is_no_transform(given):
    with pytest.raises(ValueError, match="it must be 6 numbers"):
        placed(attributes={"transform": given})


def test_a_crs_by_its_text_its_code_or_its_parameters():
    pyproj = pytest.importorskip("pyproj")
    crs = pyproj.CRS.from_epsg(32633)
    assert crs_of({"spatial_ref": crs.to_wkt()}, {"crs": "EPSG:4326"}) == crs.to_wkt()
    assert crs_of({}, {"proj:epsg": np.int64(32633)}) == "EPSG:32633"
    assert crs_of({}, {"_CRS": {"wkt": crs.to_wkt()}}) == crs.to_wkt()
    assert crs_of({}, {"proj:projjson": crs.to_json_dict()}) == "EPSG:32633"
    parameters = {key: value for key, value in crs.to_cf().items() if key != "crs_wkt"}
    assert pyproj.CRS(crs_of(parameters, {})).to_cf()["false_easting"] == 500_000
    assert crs_of({"crs_wkt": " "}, {}) is None
    with pytest.raises(ValueError, match="the CRS in crs is not understood: .*; write the code of one"):
        crs_of({}, {"crs": "moon"})
    with pytest.raises(ValueError, match="the grid mapping 'moon' makes no CRS"):
        crs_of({"grid_mapping_name": "moon"}, {})


@pytest.mark.parametrize(
    ("attributes", "dtype", "wanted"),
    [
        ({"_FillValue": 0, "missing_value": [255, 0]}, "uint8", [0, 255]),
        ({"_FillValue": "nan", "missing_value": float("nan")}, "float32", [float("nan")]),
        ({"_FillValue": base64.b64encode(struct.pack("<d", -9.5)).decode()}, "float64", [-9.5]),
        ({"nodata": -9999.0, "nodatavals": (1,)}, "int16", [-9999]),
        ({"_FillValue": 3, "nodata": 4}, "int16", [3]),
        ({"_FillValue": None, "fill_value": "5"}, "int16", [5]),
        ({"nodata": True, "missing_value": "none"}, "int16", []),
    ],
)
def test_values_that_stand_for_missing(attributes, dtype, wanted):
    found = missing_of(attributes, np.dtype(dtype))
    np.testing.assert_equal(found, wanted)
    assert [type(value) for value in found] == [type(value) for value in wanted]


@pytest.mark.parametrize("blank", ["", "  ", None, np.str_("")])
@pytest.mark.parametrize("key", ["crs_wkt", "spatial_ref"])
def test_a_blank_text_of_a_crs_says_nothing_beside_the_parameters_of_cf(key, blank):
    said = pyproj.CRS("EPSG:32633").to_cf()
    del said["crs_wkt"]
    assert crs_of({**said, key: blank}, {}) == "EPSG:32633"
    assert crs_of({key: blank}, {"proj:code": "", "proj:epsg": 32633}) == "EPSG:32633"
    assert crs_of({key: blank}, {"proj:code": " ", "crs": ""}) is None
