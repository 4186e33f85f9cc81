import json
import pickle

import geopandas
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geopatcher import VectorDomain

SHAPES = [shapely.box(0, 0, 2, 2), shapely.LineString([(5, 5), (9, 9)]), shapely.Point(1, 1)]


@pytest.mark.parametrize("made", [list, geopandas.GeoSeries, lambda shapes: np.array(shapes, dtype=object)])
def test_features_are_found_by_place(made):
    domain = VectorDomain(made(SHAPES))
    assert domain.touching(shapely.box(1, 1, 6, 6)).tolist() == [0, 1, 2]
    assert domain.touching(shapely.box(3, 0, 4, 1)).tolist() == []
    assert domain.bounds == (0.0, 0.0, 9.0, 9.0)
    assert (len(domain), domain.shape, repr(domain)) == (3, (3,), "VectorDomain(3 features)")


def test_an_index_that_is_given_is_asked():
    tree = shapely.STRtree(SHAPES)
    series = geopandas.GeoSeries(SHAPES)
    assert VectorDomain(SHAPES, tree).sindex is tree
    assert VectorDomain(series, series.sindex, "EPSG:3035").touching(SHAPES[2]).tolist() == [0, 2]


def test_it_pickles():
    domain = VectorDomain(geopandas.GeoSeries(SHAPES), None, "EPSG:3035")
    other = pickle.loads(pickle.dumps(domain))  # noqa: S301
    assert (other.shapes == domain.shapes).all()
    assert other.crs == "EPSG:3035"


def test_what_are_no_features_is_refused():
    with pytest.raises(ValueError, match="there are no features"):
        VectorDomain([])
    with pytest.raises(TypeError, match="feature 1 is no geometry: 'POINT"):
        VectorDomain([SHAPES[0], "POINT (0 0)"])


FINITE = st.floats(allow_nan=False, allow_infinity=False)
PLACES = st.lists(st.tuples(FINITE, FINITE), min_size=3, max_size=6)
GEOMETRIES = st.one_of(
    st.tuples(FINITE, FINITE).map(shapely.Point),
    st.tuples(FINITE, FINITE, FINITE).map(shapely.Point),
    PLACES.map(shapely.LineString),
    PLACES.map(shapely.Polygon),
    PLACES.map(shapely.MultiPoint),
    st.sampled_from([None, shapely.Point(), shapely.MultiPolygon(), shapely.GeometryCollection(SHAPES)]),
)


@given(st.lists(GEOMETRIES, min_size=1, max_size=4), st.sampled_from([None, 3035, pyproj.CRS("EPSG:32633")]))
def test_any_features_go_through_json(shapes, crs):
    domain = VectorDomain(shapes, crs=crs)
    back = VectorDomain.from_config(json.loads(json.dumps(domain.get_config(), allow_nan=False)))
    assert back == domain
    assert hash(back) == hash(domain)
    assert domain != VectorDomain([*shapes, None], crs=crs)
    assert domain != VectorDomain(shapes, crs="EPSG:3857")
    assert domain != VectorDomain([shapely.Point(7, 1234)] * len(shapes), crs=crs)
    assert domain != "features"


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        (
            {"geometry": ["POINT (0 0)"], "sindex": None},
            TypeError,
            "has no parameter 'sindex': it has geometry",
        ),
        ({}, TypeError, "has geometry, a list of WKT"),
        ({"geometry": "POINT (0 0)"}, TypeError, "has geometry, a list of WKT"),
        ({"geometry": [4]}, TypeError, "has geometry, a list of WKT"),
        ({"geometry": ["POINT (0"]}, ValueError, "is no WKT"),
        ({"geometry": []}, ValueError, "there are no features"),
    ],
)
def test_what_is_no_configuration_of_features_is_refused(config, error, message):
    with pytest.raises(error, match=message):
        VectorDomain.from_config(config)
