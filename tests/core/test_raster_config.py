"""Configuration and equality of raster domains."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from geopatcher import RasterDomain, XarrayField
from geopatcher.core.config import made, part_of
from geopatcher.core.leading import Dimension

SIDES = st.integers(1, 10**6)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.none() | st.integers(-(2**63), 2**63) | st.floats()


@given(
    st.lists(SIDES, min_size=2, max_size=3).map(tuple),
    st.tuples(*[FINITE] * 6),
    st.none() | st.text(),
    NUMBERS,
    st.sampled_from(["u1", ">i2", "<f4", "f8", "c8", "?"]),
)
def test_any_domain_goes_through_json(shape, place, crs, nodata, dtype):
    domain = RasterDomain(shape, Affine(*place), crs, nodata, np.dtype(dtype))
    config = json.loads(json.dumps(domain.get_config(), allow_nan=False))
    back = RasterDomain.from_config(config)
    assert back == domain
    assert hash(back) == hash(domain)
    assert made(json.loads(json.dumps(part_of(domain)))) == domain


def test_the_domain_of_a_raster_with_dates_goes_through_json():
    xarray = pytest.importorskip("xarray")
    dates = np.array(["2024-01-03", "2024-01-08"], "M8[ns]")
    cube = xarray.DataArray(np.zeros((2, 4, 5)), dims=("time", "y", "x"), coords={"time": dates})
    domain = XarrayField(cube).domain
    assert isinstance(domain.leading[0], Dimension)
    assert RasterDomain.from_config(json.loads(json.dumps(domain.get_config()))) == domain


def test_nan_equals_nan_and_nothing_else():
    domain = RasterDomain((2, 3), nodata=math.nan)
    assert domain == RasterDomain((2, 3), nodata=float("nan")) == copy.deepcopy(domain)
    assert hash(domain) == hash(RasterDomain((2, 3), nodata=np.float32("nan")))
    assert domain != RasterDomain((2, 3))
    assert domain != RasterDomain((2, 3), nodata=0)
    assert domain != "domain"


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"shape": [2, 3], "size": 4}, TypeError, "RasterDomain has no parameter 'size': it has shape, tr"),
        ({}, TypeError, "shape"),
        ([2, 3], TypeError, "the configuration of a RasterDomain is a dict, not list"),
        ({"shape": [0, 3]}, ValueError, "is not a whole number of 1 or more"),
        ({"shape": [3, 3], "band_names": ["a", "b"]}, ValueError, "one for each of the 1 band"),
    ],
)
def test_what_is_no_configuration_is_refused(config, error, message):
    with pytest.raises(error, match=message):
        RasterDomain.from_config(config)


def test_what_is_left_out_is_as_in_a_call():
    assert RasterDomain.from_config({"shape": [2, 3]}) == RasterDomain((2, 3))
