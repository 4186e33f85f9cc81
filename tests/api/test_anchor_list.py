"""Anchors as a lazy sequence: as a list of the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.api.anchor_list import PendingAnchors


def patcher(sampler, boundary="cover"):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(8, boundary), sampler, gp.SpatialHann(), gp.SpatialOverlapAdd()
    )


@how(max_examples=60, deadline=None)
@given(
    step=st.integers(1, 9),
    boundary=st.sampled_from(["cover", "drop", "pad", "shrink"]),
    shape=st.tuples(st.integers(8, 40), st.integers(8, 40)),
    which=st.sampled_from(["regular", "jittered", "random", "poisson"]),
)
def test_anchors_are_those_of_split(step, boundary, shape, which):
    sampler = {
        "regular": gp.SpatialRegularStride(step),
        "jittered": gp.SpatialJitteredStride(step, seed=1),
        "random": gp.SpatialRandom(9, seed=1),
        "poisson": gp.SpatialPoissonDisk(step, seed=1),
    }[which]
    made, image = patcher(sampler, boundary), np.zeros(shape)
    anchors = made.anchors(field=image)
    listed = [patch.anchor for patch in made.split(field=image)]
    assert anchors == listed
    assert list(anchors) == list(anchors) == listed, "it can be gone through again"
    assert len(anchors) == made.n_anchors(field=image) == len(listed)
    assert [anchors[at] for at in range(-len(listed), len(listed))] == listed * 2
    assert anchors[1:-1] == listed[1:-1]
    assert anchors[::-2] == listed[::-2]
    assert anchors != listed[:-1]
    if listed:
        assert listed[0] in anchors
    for outside in (len(listed), -len(listed) - 1):
        with pytest.raises(IndexError, match=f"there is no patch {outside}"):
            anchors[outside]


def test_anchors_equal_lists_alone():
    anchors = patcher(gp.SpatialRegularStride(8)).anchors(np.zeros((8, 16)))
    assert anchors == [(0, 0), (0, 8)]
    assert anchors == tuple(anchors)
    assert anchors not in ("ab", 7, {(0, 0), (0, 8)})
    assert repr(anchors) == "[(0, 0), (0, 8)] (2)"
    with pytest.raises(TypeError):
        hash(anchors)


def test_pending_anchors_follow_what_is_done():
    done = set()
    pending = PendingAnchors(iter([(0, 0), (0, 8), (8, 0)]), done.__contains__)
    assert pending == [(0, 0), (0, 8), (8, 0)]
    done.add((0, 8))
    assert (len(pending), pending[0], pending[-1], pending[1:]) == (2, (0, 0), (8, 0), [(8, 0)])
    assert pending == [(0, 0), (8, 0)]
    for outside in (2, -3):
        with pytest.raises(IndexError, match=f"there is no pending patch {outside}: there are 2"):
            pending[outside]


def test_places_are_a_lazy_sequence_too():
    domain = gp.GridDomain({"lat": np.arange(6.0), "lon": np.arange(8.0)}, crs="EPSG:4326")
    for sampler, field in (
        (gp.SpatialRandom(5, seed=2), np.zeros((6, 8))),
        (gp.SpatialRegularStride(3), np.zeros((6, 8))),
        (gp.SpatialExplicit([{"lat": 4, "lon": 1}, {"lat": 0, "lon": 0}]), None),
    ):
        given = gp.RasterField.from_array(field, crs="EPSG:4326") if field is not None else Named(domain)
        made = gp.SpatialPatcher(
            gp.SpatialSphericalCap(200), sampler, gp.SpatialHann(), gp.SpatialOverlapAdd()
        )
        anchors = made.anchors(given)
        listed = [patch.anchor for patch in made.split(given)]
        assert anchors == listed
        assert list(anchors) == list(anchors) == listed
        assert len(anchors) == made.n_anchors(given) == len(listed) > 0
        assert (anchors[-1], anchors[::-1]) == (listed[-1], listed[::-1])
        assert listed[0] in anchors
        assert repr(anchors).endswith(f"({len(listed)})")
        with pytest.raises(IndexError, match=f"there is no patch {len(listed)}"):
            anchors[len(listed)]


def test_places_that_are_none_are_refused_at_once():
    made = gp.SpatialPatcher(
        gp.SpatialSphericalCap(200), gp.SpatialExplicit([3]), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    with pytest.raises(TypeError, match="the anchors are numbers"):
        made.anchors(gp.RasterField.from_array(np.zeros((6, 8)), crs="EPSG:4326"))


class Named:
    """A field on a grid with named dimensions."""

    def __init__(self, domain):
        self.domain = domain

    def select(self, indices):
        return np.zeros([len(np.atleast_1d(np.arange(9)[at])) for at in indices.values()])
