"""The axes that a description may name."""

from __future__ import annotations

import inspect

import geopatcher.time
from geopatcher.temporal import aggregations, geometry, samplers, windows
from geopatcher.temporal.axes import AXES


def test_all_public_axes_are_there():
    bases = {
        "geometry": geometry.TemporalGeometry,
        "sampler": samplers.TemporalSampler,
        "window": windows.TemporalWindow,
        "aggregation": aggregations.TemporalAggregation,
    }
    for axis, base in bases.items():
        public = {
            value
            for value in vars(geopatcher.time).values()
            if inspect.isclass(value) and issubclass(value, base) and value is not base
        }
        assert set(AXES[axis]) == public
        assert len(public) > 3
