"""The domain of a raster through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from geopatcher import RasterDomain
from geopatcher.core.domain_json import PARAMETERS, crs_to_json, domain_arguments, domain_to_json
from ledgers import SPEC


def test_everything_is_told_and_comes_back():
    told = json.loads(json.dumps(domain_to_json(SPEC.domain), allow_nan=False))
    assert tuple(told) == PARAMETERS
    assert RasterDomain(**domain_arguments(told)) == SPEC.domain


def test_a_part_is_read_as_a_part():
    assert domain_arguments({"shape": [2, 3], "dtype": "<u2"}) == {"shape": (2, 3), "dtype": np.dtype("u2")}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shape", [2, 0]),
        ("shape", 3),
        ("transform", [1, 0, 0, 0, 1]),
        ("transform", [1, 0, 0, 0, 1, None]),
        ("crs", 5),
        ("nodata", "many"),
        ("dtype", "object"),
        ("units", "m"),
        ("band_names", [1]),
    ],
)
def test_what_is_of_another_kind_is_refused(name, value):
    with pytest.raises(ValueError, match="."):
        domain_arguments({name: value})


def test_a_crs_is_told_as_it_was_given_or_as_wkt():
    pyproj = pytest.importorskip("pyproj")
    rasterio_crs = pytest.importorskip("rasterio.crs")
    for crs in (pyproj.CRS("EPSG:32633"), rasterio_crs.CRS.from_epsg(32633)):
        told = crs_to_json(crs)
        assert isinstance(told, str)
        assert pyproj.CRS(told) == pyproj.CRS(32633)
    assert crs_to_json({"proj": "utm", "zone": 33}) == {"proj": "utm", "zone": 33}
    with pytest.raises(TypeError, match="cannot be told in a configuration"):
        crs_to_json(object())
