"""The carriers: what is seen of a series at once, and where and when it belongs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from geopatcher.core.patch import Shaped
from geopatcher.core.typevars import D_co

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rasterio.windows import Window

E = TypeVar("E")


@dataclass(frozen=True, eq=False)
class TemporalPatch(Generic[D_co]):
    """Some steps of a series.

    Parameters
    ----------
    data
        What lies at those steps: an array, a `DataArray`, or whatever an operator made of it.
    anchor
        The step it belongs to, counted from 0.
    indices
        The steps, ``start`` to ``stop``; ``None`` where nobody asks for them.
    weights
        How much each step counts, ``(steps,)``; ``None`` for ones.

    Examples
    --------
    >>> patch = TemporalPatch([1, 2, 3], anchor=2, indices=slice(0, 3), weights=None)
    >>> patch.with_data(6).data, patch.anchor
    (6, 2)

    """

    data: D_co
    anchor: int
    indices: slice | None = None
    weights: NDArray[np.floating] | None = None

    def __repr__(self) -> str:
        return f"TemporalPatch({_shape(self.data)} at {self.anchor}{_steps(self.indices)})"

    def with_data(self, data: E) -> TemporalPatch[E]:
        """Return the same patch carrying other data.

        Parameters
        ----------
        data
            The other data, such as what an operator made of ``patch.data``.

        Returns
        -------
        TemporalPatch
            With the same anchor, indices and weights.

        """
        return replace(self, data=data)  # type: ignore[return-value,arg-type]


@dataclass(frozen=True, eq=False)
class SpatioTemporalPatch(Generic[D_co]):
    """One place of a field at some steps.

    Parameters
    ----------
    data
        An array whose last two axes are rows and columns, with one of steps before them.
    space
        ``(row, col)`` of the upper-left pixel.
    time
        The step it belongs to, counted from 0.
    spatial_indices
        The rectangle as a rasterio ``Window``.
    temporal_indices
        The steps, ``start`` to ``stop``.
    weights
        How much each cell counts, ``(steps, h, w)``: that of its step times that of its pixel.

    Examples
    --------
    >>> patch = SpatioTemporalPatch(3, space=(0, 8), time=2)
    >>> patch.with_data(4).data, patch.space, patch.time
    (4, (0, 8), 2)

    """

    data: D_co
    space: tuple[int, int]
    time: int
    spatial_indices: Window | None = None
    temporal_indices: slice | None = None
    weights: NDArray[np.floating] | None = None

    @property
    def anchor(self) -> tuple[tuple[int, int], int]:
        """Place and time together: ``((row, col), step)``."""
        return (self.space, self.time)

    def __repr__(self) -> str:
        steps = _steps(self.temporal_indices)
        return f"SpatioTemporalPatch({_shape(self.data)} at {self.space}, {self.time}{steps})"

    def with_data(self, data: E) -> SpatioTemporalPatch[E]:
        """Return the same patch carrying other data.

        Parameters
        ----------
        data
            The other data, such as what an operator made of ``patch.data``.

        Returns
        -------
        SpatioTemporalPatch
            At the same place and time, with the same weights.

        """
        return replace(self, data=data)  # type: ignore[return-value,arg-type]


def _shape(data: object) -> str:
    shape = f" {tuple(data.shape)}" if isinstance(data, Shaped) else ""
    return f"{type(data).__name__}{shape}"


def _steps(indices: slice | None) -> str:
    return "" if indices is None else f", steps {indices.start}:{indices.stop}"
