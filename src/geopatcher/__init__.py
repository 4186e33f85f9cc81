"""Run any operator or model over a raster too big for memory, in overlapping patches.

The names below are loaded when they are first used, so that importing the package is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher._optional import import_quickly

if TYPE_CHECKING:
    from geopatcher.aggregation.base import SpatialAggregation
    from geopatcher.aggregation.strict import get_strict, set_strict, warn_if_unsafe_streaming
    from geopatcher.aggregations.by_index import SpatialByIndex
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
    from geopatcher.aggregations.reducing import GlobalAggregation
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
    from geopatcher.box import Box
    from geopatcher.domain import RasterDomain
    from geopatcher.errors import (
        GeopatcherError,
        IncompleteScanConfiguration,
        InterruptedRunError,
        MemoryLimitError,
        MissingExtraError,
        OperatorError,
        SourceError,
        TargetError,
        TargetExistsError,
        TargetLockedError,
        TransportError,
        UnsafeStreamingError,
        WorkerLostError,
    )
    from geopatcher.exporting import export
    from geopatcher.expression import Expression
    from geopatcher.fields.raster import RasterField
    from geopatcher.geometry import SpatialGeometry, SpatialRectangular
    from geopatcher.hooks import PatcherHook
    from geopatcher.journal import PatchJournal
    from geopatcher.masking import masked
    from geopatcher.patch import Patch
    from geopatcher.patch_cache import PatchCache
    from geopatcher.patcher import SpatialPatcher
    from geopatcher.planning.plan import Plan
    from geopatcher.policy import ErrorPolicy, PatchErrorRecord
    from geopatcher.protocols import Field
    from geopatcher.random_access import IndexedPatchView, PatchBatch, stack_patches
    from geopatcher.report.findings import measure_seams
    from geopatcher.report.html import write_report
    from geopatcher.report.seams import Seam, Seams
    from geopatcher.report.tune import Tuning, tune
    from geopatcher.report.viewer import view
    from geopatcher.result import Reconstruction
    from geopatcher.samplers.lattice import SpatialJitteredStride, SpatialRegularStride
    from geopatcher.sinks.geotiff import CogOptions
    from geopatcher.verbs import plan, reconstruct
    from geopatcher.windows import (
        SpatialBoxcar,
        SpatialCustom,
        SpatialGaussian,
        SpatialHann,
        SpatialTukey,
        SpatialWindow,
    )

__version__ = "0.1.0"

#: module -> public names it holds
_HOMES = {
    "aggregation.base": ("SpatialAggregation",),
    "aggregation.strict": ("get_strict", "set_strict", "warn_if_unsafe_streaming"),
    "aggregations.by_index": ("SpatialByIndex",),
    "aggregations.inverse": ("SpatialInvVarWeightedMean",),
    "aggregations.reducers": (
        "SpatialApproxCardinality",
        "SpatialApproxMode",
        "SpatialApproxQuantile",
        "SpatialMeanStd",
        "SpatialMinMax",
        "SpatialReservoir",
        "SpatialStreamingHistogram",
    ),
    "aggregations.reducing": ("GlobalAggregation",),
    "aggregations.selecting": (
        "SpatialHardVote",
        "SpatialMax",
        "SpatialMin",
        "SpatialMode",
        "SpatialSoftVote",
        "SpatialVariance",
    ),
    "aggregations.stacks": ("SpatialLearned", "SpatialMedian"),
    "aggregations.sums": ("SpatialMean", "SpatialOverlapAdd", "SpatialSum", "SpatialWeightedSum"),
    "box": ("Box",),
    "domain": ("RasterDomain",),
    "errors": (
        "GeopatcherError",
        "IncompleteScanConfiguration",
        "InterruptedRunError",
        "MemoryLimitError",
        "MissingExtraError",
        "OperatorError",
        "SourceError",
        "TargetError",
        "TargetExistsError",
        "TargetLockedError",
        "TransportError",
        "UnsafeStreamingError",
        "WorkerLostError",
    ),
    "exporting": ("export",),
    "expression": ("Expression",),
    "fields.raster": ("RasterField",),
    "geometry": ("SpatialGeometry", "SpatialRectangular"),
    "hooks": ("PatcherHook",),
    "journal": ("PatchJournal",),
    "masking": ("masked",),
    "patch": ("Patch",),
    "patch_cache": ("PatchCache",),
    "patcher": ("SpatialPatcher",),
    "planning.plan": ("Plan",),
    "policy": ("ErrorPolicy", "PatchErrorRecord"),
    "protocols": ("Field",),
    "random_access": ("IndexedPatchView", "PatchBatch", "stack_patches"),
    "report.findings": ("measure_seams",),
    "report.html": ("write_report",),
    "report.seams": ("Seam", "Seams"),
    "report.tune": ("Tuning", "tune"),
    "report.viewer": ("view",),
    "result": ("Reconstruction",),
    "samplers.lattice": ("SpatialJitteredStride", "SpatialRegularStride"),
    "sinks.geotiff": ("CogOptions",),
    "verbs": ("plan", "reconstruct"),
    "windows": (
        "SpatialBoxcar",
        "SpatialCustom",
        "SpatialGaussian",
        "SpatialHann",
        "SpatialTukey",
        "SpatialWindow",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Box",
    "CogOptions",
    "ErrorPolicy",
    "Expression",
    "Field",
    "GeopatcherError",
    "GlobalAggregation",
    "IncompleteScanConfiguration",
    "IndexedPatchView",
    "InterruptedRunError",
    "MemoryLimitError",
    "MissingExtraError",
    "OperatorError",
    "Patch",
    "PatchBatch",
    "PatchCache",
    "PatchErrorRecord",
    "PatchJournal",
    "PatcherHook",
    "Plan",
    "RasterDomain",
    "RasterField",
    "Reconstruction",
    "Seam",
    "Seams",
    "SourceError",
    "SpatialAggregation",
    "SpatialApproxCardinality",
    "SpatialApproxMode",
    "SpatialApproxQuantile",
    "SpatialBoxcar",
    "SpatialByIndex",
    "SpatialCustom",
    "SpatialGaussian",
    "SpatialGeometry",
    "SpatialHann",
    "SpatialHardVote",
    "SpatialInvVarWeightedMean",
    "SpatialJitteredStride",
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
    "SpatialRectangular",
    "SpatialRegularStride",
    "SpatialReservoir",
    "SpatialSoftVote",
    "SpatialStreamingHistogram",
    "SpatialSum",
    "SpatialTukey",
    "SpatialVariance",
    "SpatialWeightedSum",
    "SpatialWindow",
    "TargetError",
    "TargetExistsError",
    "TargetLockedError",
    "TransportError",
    "Tuning",
    "UnsafeStreamingError",
    "WorkerLostError",
    "__version__",
    "export",
    "get_strict",
    "masked",
    "measure_seams",
    "plan",
    "reconstruct",
    "set_strict",
    "stack_patches",
    "tune",
    "view",
    "warn_if_unsafe_streaming",
    "write_report",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = vars(import_quickly(f"{__name__}.{home}"))[name]
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
