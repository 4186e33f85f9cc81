"""Patches to train models on: samplers by labels, parts that share no ground, and what loaders take."""

from geopatcher.training.density import SpatialWeighted
from geopatcher.training.parts import SpatialBlockSplit, SpatialParts
from geopatcher.training.samplers import SpatialBalanced, SpatialStratified

__all__ = ["SpatialBalanced", "SpatialBlockSplit", "SpatialParts", "SpatialStratified", "SpatialWeighted"]
