"""What a target gives back when its result is complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from geopatcher.core.gaps import Gaps

if TYPE_CHECKING:
    from types import EllipsisType

    import numpy as np

    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import Array


class ResultArray(Protocol):
    """What a finished result gives: an ndarray, or a zarr array on disk."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(bands, height, width)``."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        ...

    def __getitem__(self, index: EllipsisType | slice | tuple[EllipsisType | slice | int, ...]) -> Array:
        """Return cells as an ndarray."""
        ...

    def __array__(self) -> Array:
        """Return all cells as an ndarray."""
        ...


class Product(NamedTuple):
    """A finished result: what it came to be, and its arrays, ``"data"`` first.

    ``spec`` is settled: its nodata value is met by no cell that holds data, and where it is ``masked``
    the array `geopatcher.core.gaps.VALID` says which cells are missing. ``gaps`` is what was found in the
    cells, all zeros where they were not looked at.
    """

    spec: ResultSpec
    arrays: dict[str, ResultArray]
    gaps: Gaps = Gaps()
