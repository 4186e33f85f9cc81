"""Samplers that take coordinates of a CRS."""

from geopatcher.patching.samplers.coords import (
    SpatialAlongTrack,
    SpatialExplicitCoords,
)

__all__ = ["SpatialAlongTrack", "SpatialExplicitCoords"]
