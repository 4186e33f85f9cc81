"""Samplers: where patches sit.

Those that take coordinates of a CRS are in `geopatcher.samplers.coords`, apart from these, because they
need pyproj.
"""

from geopatcher.patching.samplers import (
    SpatialExplicit,
    SpatialJitteredStride,
    SpatialPoissonDisk,
    SpatialRandom,
    SpatialRegularStride,
    SpatialSampler,
)

__all__ = [
    "SpatialExplicit",
    "SpatialJitteredStride",
    "SpatialPoissonDisk",
    "SpatialRandom",
    "SpatialRegularStride",
    "SpatialSampler",
]
