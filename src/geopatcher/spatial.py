"""Everything that cuts and stitches in space, by one import: the patcher, its four axes, and carriers.

The names are those of `geopatcher` itself.
"""

from geopatcher.accumulators.base import SpatialAggregation
from geopatcher.accumulators.strict import get_strict, set_strict
from geopatcher.aggregations.by_index import SpatialByIndex
from geopatcher.aggregations.instances import SpatialInstances
from geopatcher.aggregations.inverse import SpatialInvVarWeightedMean
from geopatcher.aggregations.reducers import (
    SpatialApproxCardinality,
    SpatialApproxMode,
    SpatialApproxQuantile,
    SpatialMeanStd,
    SpatialMinMax,
    SpatialReservoir,
    SpatialStreamingHistogram,
)
from geopatcher.aggregations.selecting import (
    SpatialHardVote,
    SpatialMax,
    SpatialMin,
    SpatialMode,
    SpatialSoftVote,
    SpatialVariance,
)
from geopatcher.aggregations.stacks import SpatialLearned, SpatialMedian
from geopatcher.aggregations.sums import SpatialMean, SpatialOverlapAdd, SpatialSum, SpatialWeightedSum
from geopatcher.api.patcher import SpatialPatcher
from geopatcher.api.random_access import IndexedPatchView
from geopatcher.api.stacking import stack_patches
from geopatcher.core.patch import Patch
from geopatcher.merging.reduce import GlobalAggregation
from geopatcher.patching.caps import SpatialSphericalCap
from geopatcher.patching.geometry import SpatialGeometry, SpatialRectangular
from geopatcher.patching.graphs import SpatialKNNGraph, SpatialRadiusGraph
from geopatcher.patching.polygons import SpatialPolygonIntersection
from geopatcher.patching.samplers import (
    SpatialExplicit,
    SpatialJitteredStride,
    SpatialPoissonDisk,
    SpatialRandom,
    SpatialRegularStride,
    SpatialSampler,
)
from geopatcher.patching.samplers.coords import SpatialAlongTrack, SpatialExplicitCoords
from geopatcher.patching.windows import (
    SpatialBoxcar,
    SpatialCustom,
    SpatialGaussian,
    SpatialHann,
    SpatialTukey,
    SpatialWindow,
)
from geopatcher.training.density import SpatialWeighted
from geopatcher.training.samplers import SpatialBalanced, SpatialStratified

__all__ = [
    "GlobalAggregation",
    "IndexedPatchView",
    "Patch",
    "SpatialAggregation",
    "SpatialAlongTrack",
    "SpatialApproxCardinality",
    "SpatialApproxMode",
    "SpatialApproxQuantile",
    "SpatialBalanced",
    "SpatialBoxcar",
    "SpatialByIndex",
    "SpatialCustom",
    "SpatialExplicit",
    "SpatialExplicitCoords",
    "SpatialGaussian",
    "SpatialGeometry",
    "SpatialHann",
    "SpatialHardVote",
    "SpatialInstances",
    "SpatialInvVarWeightedMean",
    "SpatialJitteredStride",
    "SpatialKNNGraph",
    "SpatialLearned",
    "SpatialMax",
    "SpatialMean",
    "SpatialMeanStd",
    "SpatialMedian",
    "SpatialMin",
    "SpatialMinMax",
    "SpatialMode",
    "SpatialOverlapAdd",
    "SpatialPatcher",
    "SpatialPoissonDisk",
    "SpatialPolygonIntersection",
    "SpatialRadiusGraph",
    "SpatialRandom",
    "SpatialRectangular",
    "SpatialRegularStride",
    "SpatialReservoir",
    "SpatialSampler",
    "SpatialSoftVote",
    "SpatialSphericalCap",
    "SpatialStratified",
    "SpatialStreamingHistogram",
    "SpatialSum",
    "SpatialTukey",
    "SpatialVariance",
    "SpatialWeighted",
    "SpatialWeightedSum",
    "SpatialWindow",
    "get_strict",
    "set_strict",
    "stack_patches",
]
