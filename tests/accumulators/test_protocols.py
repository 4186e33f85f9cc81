"""What a patcher asks of an aggregation: a subclass with `merge` alone answers all of it."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp


class Merging:
    def merge(self, patches, domain):
        return sum(patch.data.sum() for patch in patches), domain.shape


class Subclass(Merging, gp.SpatialAggregation):
    def __init__(self, cell_bytes=0):
        self.cell_bytes = cell_bytes

    def state_bytes(self, n_bands, dtype, depth):
        return self.cell_bytes


IMAGE = np.arange(96.0).reshape(8, 12)


def patcher_of(aggregation):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(4), gp.SpatialRegularStride(4), gp.SpatialBoxcar(), aggregation
    )


def test_an_aggregation_of_ones_own_is_planned_for_and_merges():
    patcher = patcher_of(Subclass())
    assert patcher.plan(IMAGE).n_patches == 6
    assert patcher.merge(patcher.split(IMAGE), IMAGE) == (IMAGE.sum(), (8, 12))


def test_merging_alone_is_not_enough_to_plan():
    with pytest.raises(TypeError, match="an aggregation is a name or a SpatialAggregation, not Merging"):
        patcher_of(Merging()).plan(IMAGE)


def test_what_a_state_takes_counts_in_the_plan():
    image = np.zeros((512, 512), "float32")
    small, large = (patcher_of(Subclass(cell)).plan(image).memory_bytes for cell in (0, 1000))
    assert large - small >= 1000 * 512 * 4  # the rows under one row of patches, at least


def test_merging_alone_is_enough_to_reduce():
    assert patcher_of(Subclass()).reduce(IMAGE, Merging()) == (IMAGE.sum(), (8, 12))
