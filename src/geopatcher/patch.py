"""The carrier: what an operator sees at once, and where it belongs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray
    from rasterio.windows import Window

D = TypeVar("D")
E = TypeVar("E")


@runtime_checkable
class Closeable(Protocol):
    """Data that holds a resource."""

    def close(self) -> None:
        """Release it."""
        ...


# No slots: on Python 3.11 a frozen dataclass with slots cannot be made as Patch[T](...). No generated
# equality: it would ask arrays for one truth value, so patches are equal only when they are the same one.
@dataclass(frozen=True, eq=False)
class Patch(Generic[D]):
    """One neighbourhood of a field.

    ``data`` is whatever the field gives for the neighbourhood: an array ``(h, w)`` or
    ``(bands, h, w)``, a GeoTensor, or a lazy reader. ``anchor`` is ``(row, col)`` of the upper-left
    pixel, ``indices`` the rasterio ``Window``, ``weights`` the taper ``(h, w)`` or ``None`` for ones.

    >>> patch = Patch(data=3, anchor=(0, 8), indices=None)
    >>> patch.with_data(4).data, patch.anchor
    (4, (0, 8))
    """

    data: D
    anchor: tuple[int, int]
    indices: Window | None
    weights: NDArray[np.floating] | None = None

    def with_data(self, data: E) -> Patch[E]:
        """Return the same patch carrying other data."""
        return replace(self, data=data)  # type: ignore[return-value,arg-type]

    def close(self) -> None:
        """Release what the data holds open; harmless for plain arrays."""
        if isinstance(self.data, Closeable):
            self.data.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
