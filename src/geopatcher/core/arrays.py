"""What arrays are called here, and the least that is asked of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from numpy.typing import NDArray

if TYPE_CHECKING:
    from types import EllipsisType

    import numpy as np

#: An array whose dtype is only known at run time: NumPy types such arrays with ``Any``.
Array: TypeAlias = NDArray[Any]


class Sliceable(Protocol):
    """An ndarray, a zarr or a Dask array: a shape, a dtype, and basic slicing."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(bands, height, width)``."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        ...

    def __getitem__(self, index: tuple[EllipsisType | slice, ...], /) -> Array:
        """Return a rectangle of cells."""
        ...
