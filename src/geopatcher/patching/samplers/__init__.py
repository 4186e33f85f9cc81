"""Samplers: where patches sit.

The samplers that take coordinates of a CRS are in `geopatcher.patching.samplers.coords`, apart from these,
because they need pyproj.
"""

from geopatcher.patching.samplers.base import SpatialSampler
from geopatcher.patching.samplers.explicit import SpatialExplicit
from geopatcher.patching.samplers.lattice import SpatialJitteredStride, SpatialRegularStride
from geopatcher.patching.samplers.scattered import SpatialPoissonDisk, SpatialRandom

__all__ = [
    "SpatialExplicit",
    "SpatialJitteredStride",
    "SpatialPoissonDisk",
    "SpatialRandom",
    "SpatialRegularStride",
    "SpatialSampler",
]
