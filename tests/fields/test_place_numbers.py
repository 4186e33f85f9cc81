import numpy as np
import pytest
import shapely

from geopatcher import PointDomain, VectorDomain
from geopatcher.fields.place_numbers import numbers_of

POINTS = PointDomain([(0, 0), (1, 1), (5, 5)])
FEATURES = VectorDomain([shapely.box(0, 0, 1, 1), shapely.box(4, 4, 6, 6)])


@pytest.mark.parametrize(
    ("indexer", "expected"),
    [
        (1, [1]),
        ([2, 0, 2], [2, 0, 2]),
        ([-1], [2]),
        (slice(1, None), [1, 2]),
        (np.array([True, False, True]), [0, 2]),
        (np.array([], dtype=int), []),
        ([], []),
        (shapely.box(0, 0, 1, 1), [0, 1]),
    ],
)
def test_what_selects_places(indexer, expected):
    assert numbers_of(indexer, POINTS).tolist() == expected


def test_shapes_select_features():
    assert numbers_of(shapely.Point(5, 5), FEATURES).tolist() == [1]
    with pytest.raises(TypeError, match="does not say where its places are"):
        numbers_of(shapely.Point(5, 5), np.zeros(3))


@pytest.mark.parametrize("indexer", [[3], [-4], [True, False]])
def test_places_that_are_not_there(indexer):
    with pytest.raises(IndexError):
        numbers_of(indexer, POINTS)


@pytest.mark.parametrize("indexer", ["a", 1.5, [[0, 1]], {"x": 1}])
def test_what_selects_nothing(indexer):
    with pytest.raises(TypeError, match="places are selected by their numbers"):
        numbers_of(indexer, POINTS)
