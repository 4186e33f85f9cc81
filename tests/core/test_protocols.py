from __future__ import annotations

from types import SimpleNamespace

import pytest

import geopatcher as gp
from geopatcher.core import arrays, operators, protocols, sources
from geopatcher.core.protocols import LatticeSampler, RectGeometry, Sampler, Window
from geopatcher.patching.samplers import SpatialRandom


@pytest.mark.parametrize(
    ("one", "protocol"),
    [
        (gp.SpatialRectangular(4), RectGeometry),
        (SpatialRandom(3, 1), Sampler),
        (gp.SpatialRegularStride(4), LatticeSampler),
        (gp.SpatialHann(), Window),
    ],
    ids=["geometry", "sampler", "lattice", "window"],
)
def test_who_keeps_a_protocol(one, protocol):
    assert isinstance(one, protocol)


@pytest.mark.parametrize(
    ("one", "protocol"),
    [(SpatialRandom(3, 1), LatticeSampler), (SimpleNamespace(), RectGeometry), (3, Window)],
    ids=["lattice", "geometry", "window"],
)
def test_who_does_not(one, protocol):
    assert not isinstance(one, protocol)


@pytest.mark.parametrize("module", [arrays, operators, sources], ids=lambda module: module.__name__)
def test_the_doors_have_their_names_here_too(module):
    own = {
        name: value
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__
    }
    assert own
    assert {name: vars(protocols)[name] for name in own} == own
    assert set(own) <= set(protocols.__all__)
