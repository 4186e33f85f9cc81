"""Which steps of a series its patches have."""

from __future__ import annotations

import numpy as np

from geopatcher.patchers.timing import Timing
from geopatcher.temporal.geometry import TemporalMultiScale, TemporalStencilGeometry
from geopatcher.temporal.samplers import TemporalExplicit, TemporalStencilSampler
from geopatcher.temporal.stencils import TimeStencil

HOURS = np.datetime64("2026-01-01T00") + np.arange(24)


def test_each_anchor_has_its_slices():
    timing = Timing(TemporalMultiScale([1, 3]), TemporalExplicit([5, 2]), 10, None)
    assert timing.anchors() == [5, 2]
    assert timing.at(7) == [slice(7, 8), slice(5, 8)]
    assert list(timing) == [(5, slice(5, 6)), (5, slice(3, 6)), (2, slice(2, 3)), (2, slice(0, 3))]
    assert len(timing) == 4


def test_axes_in_units_of_a_coordinate_are_asked_with_it():
    stencil = TimeStencil("-2h", "1h", "1h")
    timing = Timing(TemporalStencilGeometry(stencil), TemporalStencilSampler(stencil, every=10), 24, HOURS)
    assert list(timing) == [(2, slice(0, 3)), (12, slice(10, 13)), (22, slice(20, 23))]
