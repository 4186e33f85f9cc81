"""Samplers: where patches sit.

The samplers that take coordinates of a CRS are in `geopatcher.samplers.coords`, apart from these,
because they need pyproj and shapely.
"""

from geopatcher.samplers.base import SpatialSampler
from geopatcher.samplers.explicit import SpatialExplicit
from geopatcher.samplers.lattice import SpatialJitteredStride, SpatialRegularStride
from geopatcher.samplers.scattered import SpatialPoissonDisk, SpatialRandom

__all__ = [
    "SpatialExplicit",
    "SpatialJitteredStride",
    "SpatialPoissonDisk",
    "SpatialRandom",
    "SpatialRegularStride",
    "SpatialSampler",
]
