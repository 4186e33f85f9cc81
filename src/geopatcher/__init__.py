"""Run any operator or model over a raster too big for memory, in overlapping patches.

The names below are loaded when they are first used, so that importing the package is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geopatcher.aggregation.strict import get_strict, set_strict, warn_if_unsafe_streaming
    from geopatcher.aggregations.sums import SpatialOverlapAdd
    from geopatcher.box import Box
    from geopatcher.domain import RasterDomain
    from geopatcher.errors import (
        GeopatcherError,
        IncompleteScanConfiguration,
        MemoryLimitError,
        MissingExtraError,
        OperatorError,
        SourceError,
        TargetError,
        TargetExistsError,
        TargetLockedError,
        UnsafeStreamingError,
    )
    from geopatcher.fields.raster import RasterField
    from geopatcher.geometry import SpatialGeometry, SpatialRectangular
    from geopatcher.patch import Patch
    from geopatcher.patcher import SpatialPatcher
    from geopatcher.planning.plan import Plan
    from geopatcher.policy import ErrorPolicy, PatchErrorRecord
    from geopatcher.protocols import Field
    from geopatcher.result import Reconstruction
    from geopatcher.samplers.lattice import SpatialJitteredStride, SpatialRegularStride
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
    "aggregation.strict": ("get_strict", "set_strict", "warn_if_unsafe_streaming"),
    "aggregations.sums": ("SpatialOverlapAdd",),
    "box": ("Box",),
    "domain": ("RasterDomain",),
    "errors": (
        "GeopatcherError",
        "IncompleteScanConfiguration",
        "MemoryLimitError",
        "MissingExtraError",
        "OperatorError",
        "SourceError",
        "TargetError",
        "TargetExistsError",
        "TargetLockedError",
        "UnsafeStreamingError",
    ),
    "fields.raster": ("RasterField",),
    "geometry": ("SpatialGeometry", "SpatialRectangular"),
    "patch": ("Patch",),
    "patcher": ("SpatialPatcher",),
    "planning.plan": ("Plan",),
    "policy": ("ErrorPolicy", "PatchErrorRecord"),
    "protocols": ("Field",),
    "result": ("Reconstruction",),
    "samplers.lattice": ("SpatialJitteredStride", "SpatialRegularStride"),
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
    "ErrorPolicy",
    "Field",
    "GeopatcherError",
    "IncompleteScanConfiguration",
    "MemoryLimitError",
    "MissingExtraError",
    "OperatorError",
    "Patch",
    "PatchErrorRecord",
    "Plan",
    "RasterDomain",
    "RasterField",
    "Reconstruction",
    "SourceError",
    "SpatialBoxcar",
    "SpatialCustom",
    "SpatialGaussian",
    "SpatialGeometry",
    "SpatialHann",
    "SpatialJitteredStride",
    "SpatialOverlapAdd",
    "SpatialPatcher",
    "SpatialRectangular",
    "SpatialRegularStride",
    "SpatialTukey",
    "SpatialWindow",
    "TargetError",
    "TargetExistsError",
    "TargetLockedError",
    "UnsafeStreamingError",
    "__version__",
    "get_strict",
    "plan",
    "reconstruct",
    "set_strict",
    "warn_if_unsafe_streaming",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = vars(importlib.import_module(f"{__name__}.{home}"))[name]
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
