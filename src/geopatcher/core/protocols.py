"""The small interfaces the layers talk through.

No I/O here, and no types but NumPy's, rasterio's ``Window`` and our own. Those of sources are in
`geopatcher.core.sources`, those of operators in `geopatcher.core.operators`; all have their names here, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

from geopatcher.core.arrays import Array, Sliceable
from geopatcher.core.fields import AsyncField, Field, Refillable, SourceField
from geopatcher.core.operators import (
    ArrayOperator,
    Classifying,
    Fresh,
    Margined,
    MaskAware,
    Named,
    NamedClass,
    NamesBands,
    NamesDims,
    Operator,
    OverDims,
    OverLabels,
    PositionAware,
    Rescaling,
    SeesBands,
    Several,
    UsesBands,
)
from geopatcher.core.sources import (
    BandSelectable,
    Bounded,
    Concurrent,
    Far,
    FromFiles,
    HasShape,
    HeldArrays,
    InPlace,
    OverArray,
    OverDataset,
    PixelSource,
    Shareable,
    Surrounded,
    Together,
    Unblocked,
    Versioned,
    counted_in,
    packing_of,
    reads_at_once,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from geopatcher.core.axis import Axis
    from geopatcher.core.box import Box

__all__ = [
    "Array",
    "ArrayOperator",
    "AsyncField",
    "BandSelectable",
    "Bounded",
    "Classifying",
    "Concurrent",
    "Far",
    "Field",
    "FinishedTile",
    "Fresh",
    "FromFiles",
    "HasShape",
    "HeldArrays",
    "InPlace",
    "LatticeSampler",
    "Margined",
    "MaskAware",
    "Masking",
    "Named",
    "NamedClass",
    "NamesBands",
    "NamesDims",
    "Operator",
    "OverArray",
    "OverDataset",
    "OverDims",
    "OverLabels",
    "PixelSource",
    "PositionAware",
    "RectGeometry",
    "Refillable",
    "Rescaling",
    "Resume",
    "Sampler",
    "SeesBands",
    "Several",
    "Shareable",
    "Sink",
    "Sliceable",
    "SourceField",
    "Surrounded",
    "Together",
    "Unblocked",
    "UsesBands",
    "Versioned",
    "Window",
    "counted_in",
    "packing_of",
    "reads_at_once",
]

#: Whether a run goes on with what an earlier one left; ``"always"`` even where it cannot be known whether
#: that had the same operator.
Resume: TypeAlias = bool | Literal["always"]


@runtime_checkable
class RectGeometry(Protocol):
    """A geometry whose neighbourhoods are rectangles of one size."""

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` of a patch in pixels."""
        ...

    @property
    def boundary(self) -> str:
        """What becomes of the last, incomplete position of an axis; see `geopatcher.core.axis.Axis`."""
        ...

    @property
    def pad_value(self) -> float | None:
        """What ``boundary="pad"`` fills with.

        ``None`` is the nodata value of integers; of floats, whose missing pixels are NaN to an operator, and
        where there is none it is 0.
        """
        ...


@runtime_checkable
class Sampler(Protocol):
    """Chooses where patches sit."""

    def anchors(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        """Yield ``(row, col)`` of each patch's upper-left pixel, lazily."""
        ...


@runtime_checkable
class LatticeSampler(Sampler, Protocol):
    """A sampler whose anchors are the product of two axes: a plan over it enumerates nothing."""

    def lattice(self, domain: HasShape, geometry: RectGeometry) -> tuple[Axis, Axis]:
        """Return the axis of rows and the axis of columns."""
        ...


@runtime_checkable
class Window(Protocol):
    """A taper: how much each cell of a patch counts."""

    def weights(self, geometry: RectGeometry) -> NDArray[np.floating]:
        """Return weights shaped ``(height, width)`` like a patch, never negative."""
        ...


@runtime_checkable
class Masking(Protocol):
    """A sink in memory, which makes a mask when the first cell is missing."""

    @property
    def has_mask(self) -> bool:
        """Whether it made one."""
        ...


#: Whole blocks side by side: where they lie, and each array of the result there, ``(bands, h, w)``.
FinishedTile: TypeAlias = "tuple[Box, Mapping[str, Array]]"


class Sink(Protocol):
    """Where finished blocks go: the least a target gives.

    `write` is called from one thread at a time, with each block once; a call may bring several. It stays in
    the process that made it: blocks of workers are sent there.
    """

    def write(self, tiles: Iterable[FinishedTile]) -> int:
        """Store tiles, which are made as they are asked for; return their bytes."""
        ...
