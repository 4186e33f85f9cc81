"""Where and when patches are."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.patchers.cubes import cube_of
from geopatcher.patchers.series import series_of
from geopatcher.patchers.space_time import SpaceTime
from geopatcher.samplers import SpatialExplicit

CUBE = np.random.default_rng(3).normal(size=(6, 8, 10))


def where(sampler, times, *, coupled=False, geometry=None):
    spatial = gp.SpatialPatcher(gp.SpatialRectangular(4), sampler, gp.SpatialHann(), gp.SpatialOverlapAdd())
    temporal = gp.TemporalPatcher(
        geometry or gp.TemporalFixedLookback(2), times, gp.TemporalExponentialDecay(3.0), gp.TemporalMean()
    )
    return SpaceTime(spatial, temporal, cube_of(CUBE), temporal.timing(series_of(CUBE), None), coupled)


def test_a_product_is_every_place_at_every_step():
    product = where(
        gp.SpatialRegularStride(4), gp.TemporalRegularStride(3), geometry=gp.TemporalMultiScale((1, 3))
    )
    places = [(row, col) for row in (0, 4) for col in (0, 4, 6)]
    assert list(product.pairs()) == [(place, time) for time in (0, 0, 3, 3) for place in places]
    assert product.count() == 24
    assert [patch.anchor for patch in product.patches()] == list(product.pairs())


def test_coupled_are_the_first_with_the_first():
    places = [(4, 6), (0, 0), (2, 1)]  # in no order of rows
    coupled = where(SpatialExplicit(places), gp.TemporalExplicit([5, 1, 5]), coupled=True)
    assert list(coupled.pairs()) == list(zip(places, [5, 1, 5], strict=True))
    for patch, (row, col), time in zip(coupled.patches(), places, [5, 1, 5], strict=True):
        assert (patch.space, patch.time) == ((row, col), time)
        assert np.array_equal(patch.data, CUBE[time - 1 : time + 1, row : row + 4, col : col + 4])


def test_coupled_are_as_many():
    coupled = where(gp.SpatialRegularStride(4), gp.TemporalExplicit([5, 1]), coupled=True)
    with pytest.raises(ValueError, match="there are 6 places and 2 steps"):
        coupled.count()


def test_weights_are_those_of_the_step_times_those_of_the_pixel():
    (patch, *_) = where(gp.SpatialRegularStride(4), gp.TemporalExplicit([3])).patches()
    by_step = gp.TemporalExponentialDecay(3.0).weights(None, 2)
    by_pixel = gp.SpatialHann().weights(gp.SpatialRectangular(4))
    assert np.array_equal(patch.weights, by_step[:, None, None] * by_pixel)
    assert not patch.weights.flags.writeable
