import pickle

import geopandas
import numpy as np
import pytest
import shapely

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
