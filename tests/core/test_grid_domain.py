import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher import Domain, GridDomain


def test_dimensions_keep_their_order_and_lengths():
    domain = GridDomain({"time": [1, 2, 3], "lat": [50.0, 40.0], "lon": [0, 10, 20, 30]}, crs="EPSG:4326")
    assert domain.dims == ("time", "lat", "lon")
    assert domain.shape == (3, 2, 4)
    assert domain.bounds == (0.0, 40.0, 30.0, 50.0)
    assert isinstance(domain, Domain)
    assert repr(domain) == "GridDomain(time: 3, lat: 2, lon: 4, EPSG:4326)"


@pytest.mark.parametrize(
    ("dims", "rows", "cols"),
    [
        (("y", "x"), "y", "x"),
        (("x", "y"), "y", "x"),
        (("a", "b"), "a", "b"),
        (("lon", "time"), "time", "lon"),
        (("time", "lat"), "lat", "time"),
        (("band", "northing", "easting"), "northing", "easting"),
        (("lat", "y", "x"), "y", "x"),
    ],
)
def test_rows_and_columns_are_found(dims, rows, cols):
    domain = GridDomain({dim: [0.0, 1.0] for dim in dims})
    assert (domain.rows, domain.cols) == (rows, cols)


def test_degrees_are_known_by_name():
    assert GridDomain({"lat": [0.0], "lon": [0.0]}).in_degrees
    assert not GridDomain({"y": [0.0], "x": [0.0]}).in_degrees


@pytest.mark.parametrize("coords", [{}, {"y": [[1, 2]], "x": [1]}, {"y": [], "x": [1]}])
def test_what_is_no_grid_is_refused(coords):
    with pytest.raises(ValueError, match=r"dimension|coordinates"):
        GridDomain(coords)


def test_it_pickles():
    domain = GridDomain({"y": np.arange(3), "x": np.arange(2)}, crs="EPSG:3035")
    other = pickle.loads(pickle.dumps(domain))  # noqa: S301
    assert (other.shape, other.crs) == (domain.shape, domain.crs)


NAMES = st.text(min_size=1, max_size=5)
COORDINATES = st.one_of(
    st.lists(st.floats(), min_size=1, max_size=4),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4),
    st.lists(st.datetimes(), min_size=1, max_size=4).map(lambda dates: np.array(dates, "M8[us]")),
)


@given(
    st.dictionaries(NAMES, COORDINATES, min_size=1, max_size=3), st.sampled_from([None, "EPSG:4326", 3035])
)
def test_any_grid_goes_through_json(coords, crs):
    domain = GridDomain(coords, crs)
    back = GridDomain.from_config(json.loads(json.dumps(domain.get_config(), allow_nan=False)))
    assert back == domain
    assert hash(back) == hash(domain)
    assert back.dims == domain.dims


def test_grids_differ_by_names_values_dtypes_and_crs():
    domain = GridDomain({"y": [1, 2], "x": [3, 4]})
    assert domain == GridDomain({"y": [1, 2], "x": [3, 4]}) == GridDomain(domain.coords)
    for other in (
        GridDomain({"x": [1, 2], "y": [3, 4]}),
        GridDomain({"x": [3, 4], "y": [1, 2]}),
        GridDomain({"y": [1, 2], "x": [3, 5]}),
        GridDomain({"y": [1, 2], "x": [3, 4, 5]}),
        GridDomain({"y": [1, 2], "x": [3.0, 4.0]}),
        GridDomain({"y": [1, 2]}),
        GridDomain({"y": [1, 2], "x": [3, 4]}, crs=3035),
        None,
    ):
        assert domain != other


def test_what_is_no_configuration_of_a_grid_is_refused():
    good = GridDomain({"y": [1, 2]}).get_config()
    with pytest.raises(TypeError, match=r"GridDomain has no parameter 'kordes': it has coords, crs"):
        GridDomain.from_config({**good, "kordes": {}})
    with pytest.raises(TypeError, match=r"has coords, a dict by dimension"):
        GridDomain.from_config({"crs": 4326})
    with pytest.raises(ValueError, match="is no coordinate"):
        GridDomain.from_config({"coords": {"y": {"values": [1, 2]}}})
    with pytest.raises(TypeError, match="the dimension 4 cannot be told in a configuration: give it a name"):
        GridDomain({4: [1, 2]}).get_config()
