"""The axes over time that a description in JSON may name."""

from __future__ import annotations

from geopatcher.temporal import aggregations, geometry, samplers, windows

#: The classes of each axis of a patcher over time.
AXES = {
    "geometry": (
        geometry.TemporalFixedLookback,
        geometry.TemporalLookbackHorizon,
        geometry.TemporalMultiScale,
        geometry.TemporalPhaseWindow,
        geometry.TemporalStencilGeometry,
    ),
    "sampler": (
        samplers.TemporalRegularStride,
        samplers.TemporalCausalRolling,
        samplers.TemporalEventTriggered,
        samplers.TemporalRandom,
        samplers.TemporalExplicit,
        samplers.TemporalStencilSampler,
    ),
    "window": (
        windows.TemporalCausalBoxcar,
        windows.TemporalExponentialDecay,
        windows.TemporalTaperedTukey,
        windows.TemporalPeriodic,
    ),
    "aggregation": (
        aggregations.TemporalMean,
        aggregations.TemporalFold,
        aggregations.TemporalForecast,
        aggregations.TemporalHierarchicalCombine,
        aggregations.TemporalOverlapAdd,
    ),
}
