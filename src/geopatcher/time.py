"""Over time: stencils, the axes of a temporal patcher, and what they carry."""

from geopatcher.patchers.spatiotemporal import SpatioTemporalPatcher
from geopatcher.patchers.temporal import TemporalPatcher
from geopatcher.temporal.aggregations import (
    TemporalAggregation,
    TemporalFold,
    TemporalForecast,
    TemporalHierarchicalCombine,
    TemporalMean,
    TemporalOverlapAdd,
)
from geopatcher.temporal.geometry import (
    TemporalFixedLookback,
    TemporalGeometry,
    TemporalLookbackHorizon,
    TemporalMultiScale,
    TemporalPhaseWindow,
    TemporalStencilGeometry,
)
from geopatcher.temporal.patch import SpatioTemporalPatch, TemporalPatch
from geopatcher.temporal.samplers import (
    TemporalCausalRolling,
    TemporalEventTriggered,
    TemporalExplicit,
    TemporalRandom,
    TemporalRegularStride,
    TemporalSampler,
    TemporalStencilSampler,
)
from geopatcher.temporal.stencils import (
    Stencil,
    TimeStencil,
    build_sampling_slices,
    divide_evenly,
    valid_origin_points,
)
from geopatcher.temporal.windows import (
    TemporalCausalBoxcar,
    TemporalExponentialDecay,
    TemporalPeriodic,
    TemporalTaperedTukey,
    TemporalWindow,
)

__all__ = [
    "SpatioTemporalPatch",
    "SpatioTemporalPatcher",
    "Stencil",
    "TemporalAggregation",
    "TemporalCausalBoxcar",
    "TemporalCausalRolling",
    "TemporalEventTriggered",
    "TemporalExplicit",
    "TemporalExponentialDecay",
    "TemporalFixedLookback",
    "TemporalFold",
    "TemporalForecast",
    "TemporalGeometry",
    "TemporalHierarchicalCombine",
    "TemporalLookbackHorizon",
    "TemporalMean",
    "TemporalMultiScale",
    "TemporalOverlapAdd",
    "TemporalPatch",
    "TemporalPatcher",
    "TemporalPeriodic",
    "TemporalPhaseWindow",
    "TemporalRandom",
    "TemporalRegularStride",
    "TemporalSampler",
    "TemporalStencilGeometry",
    "TemporalStencilSampler",
    "TemporalTaperedTukey",
    "TemporalWindow",
    "TimeStencil",
    "build_sampling_slices",
    "divide_evenly",
    "valid_origin_points",
]
