"""What a patcher asks of an aggregation."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from geopatcher.core.typevars import R_co

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np

    from geopatcher.accumulators.finished import Beside
    from geopatcher.core.patch import Patch
    from geopatcher.core.protocols import HasShape


class Merges(Protocol[R_co]):
    """Brings patches together into one result: every aggregation does."""

    def merge(self, patches: Iterable[Patch[object]], domain: HasShape) -> R_co:
        """Return the result."""
        ...


class Plannable(Protocol):
    """What a plan asks of an aggregation; `geopatcher.SpatialAggregation` answers all of it."""

    #: Whether it asks pieces for their shares.
    takes_shares: ClassVar[bool]

    @property
    def beside(self) -> Mapping[str, Beside]:
        """Further arrays that follow from the same state, by name."""
        ...

    def out_bands(self, n_bands: int) -> int:
        """Bands of the result for patches of ``n_bands``."""
        ...

    def check_dtype(self, dtype: np.dtype) -> None:
        """Refuse a dtype of the result that is known beforehand to be too small."""
        ...

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Bytes of state per cell."""
        ...

    def wide_bytes(self, n_bands: int) -> int:
        """Bytes of state per cell that 64-bit integers take on top."""
        ...

    def gap_bytes(self, n_bands: int, depth: int) -> float:
        """Bytes of state per cell that a tile takes on top once it has cells without data."""
        ...


class Aggregation(Plannable, Merges[R_co], Protocol[R_co]):
    """An aggregation of any kind: the built-in ones, and subclasses of `geopatcher.SpatialAggregation`."""
