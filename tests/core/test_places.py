import numpy as np
import pytest
import shapely

from geopatcher import Domain, GridDomain, PointDomain, RasterDomain, VectorDomain
from geopatcher.core.places import FeatureSet, NamedGrid, PointSet

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
