import numpy as np
import pytest
import shapely

from geopatcher import Domain, GridDomain, PointDomain, RasterDomain, VectorDomain
from geopatcher.core.places import FeatureSet, NamedGrid, PointSet, cell_at

DOMAINS = [
    RasterDomain((3, 4)),
    GridDomain({"y": [0, 1], "x": [0, 1]}),
    PointDomain([(0, 0)]),
    VectorDomain([shapely.box(0, 0, 1, 1)]),
]


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: type(domain).__name__)
def test_every_domain_says_its_bounds_and_crs(domain):
    assert isinstance(domain, Domain)
    assert len(domain.bounds) == 4
    assert domain.crs is None


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: type(domain).__name__)
def test_each_is_of_one_kind(domain):
    kinds = [isinstance(domain, kind) for kind in (NamedGrid, PointSet, FeatureSet)]
    assert sum(kinds) == (not isinstance(domain, RasterDomain))


def test_an_array_is_no_domain():
    assert not isinstance(np.zeros(3), Domain)


@pytest.mark.parametrize(
    "anchor", [(2, 1), [2, 1], np.array([2, 1]), (np.int8(2), np.uint64(1)), iter((2, 1))]
)
def test_a_cell_is_a_pair_of_whole_numbers(anchor):
    found = cell_at(anchor)
    assert found == (2, 1)
    assert [type(number) for number in found] == [int, int]


@pytest.mark.parametrize("anchor", [(2.7, 1), (2.0, 1.0), (2,), (1, 2, 3), 5, None, "ab", {"y": 1, "x": 2}])
def test_what_is_no_pair_of_whole_numbers_is_no_cell(anchor):
    with pytest.raises(TypeError, match=r"an anchor is \(row, col\) in whole pixels, not"):
        cell_at(anchor)
