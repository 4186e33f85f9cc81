import pickle

import numpy as np
import pytest

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
