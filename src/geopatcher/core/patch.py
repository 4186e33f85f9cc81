"""The carrier: what an operator sees at once, and where it belongs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable

from geopatcher.core.closing import Closing
from geopatcher.core.html_cards import card
from geopatcher.core.typevars import D_co

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from rasterio.windows import Window

E = TypeVar("E")
T = TypeVar("T")


@runtime_checkable
class Closeable(Protocol):
    """Data that holds a resource."""

    def close(self) -> None:
        """Release it."""
        ...


@runtime_checkable
class Shaped(Protocol):
    """Data that knows its size in cells: an array, or a reader that is lazy."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(h, w)`` or ``(bands, h, w)``."""
        ...


@runtime_checkable
class Carrier(Protocol):
    """A patch of any kind: it says where or when it belongs."""

    @property
    def anchor(self) -> object:
        """A place, a step, or both."""
        ...


def carriers(patches: Iterable[T]) -> Iterator[T]:
    """Yield patches that are to be merged, refusing what is none.

    Raises
    ------
    TypeError
        It is no iterable, or holds something that does not say where it belongs, such as an array.

    Examples
    --------
    >>> list(carriers([Patch(3, (0, 8), None), 5]))
    Traceback (most recent call last):
    TypeError: what is merged are patches, and number 1 is a int: yield patch.with_data(result) of what ...

    """
    if not isinstance(patches, Iterable):
        raise TypeError(
            f"merge takes an iterable of patches, such as split returns, not one {type(patches).__name__}"
        )
    known: type | None = None
    for number, patch in enumerate(patches):
        if type(patch) is not known and not isinstance(patch, Carrier):  # to ask takes time
            raise TypeError(
                f"what is merged are patches, and number {number} is a {type(patch).__name__}: yield "
                f"patch.with_data(result) of what split gives"
            )
        known = type(patch)
        yield patch


# No slots: on Python 3.11 a frozen dataclass with slots cannot be made as Patch[T](...). No generated
# equality: it would ask arrays for one truth value, so patches are equal only when they are the same one.
@dataclass(frozen=True, eq=False)
class Patch(Closing, Generic[D_co]):
    """One neighbourhood of a field.

    Parameters
    ----------
    data
        Whatever the field gives: an array ``(h, w)`` or ``(bands, h, w)``, a GeoTensor, or a lazy reader.
    anchor
        ``(row, col)`` of the upper-left pixel.
    indices
        The rectangle as a rasterio ``Window``, ``None`` where nobody asks for it.
    weights
        The taper ``(h, w)``, ``None`` for ones.

    Examples
    --------
    >>> patch = Patch(data=3, anchor=(0, 8), indices=None)
    >>> patch.with_data(4).data, patch.anchor
    (4, (0, 8))

    """

    data: D_co
    anchor: tuple[int, int]
    indices: Window | None
    weights: NDArray[np.floating] | None = None

    def __repr__(self) -> str:
        shape = f" {tuple(self.data.shape)}" if isinstance(self.data, Shaped) else ""
        return f"Patch({type(self.data).__name__}{shape} at {self.anchor})"

    def _repr_html_(self) -> str:
        shape = tuple(self.data.shape) if isinstance(self.data, Shaped) else ""
        weights = "ones" if self.weights is None else f"a taper of {tuple(self.weights.shape)}"
        row, col = self.anchor
        facts = [
            ("data", f"{type(self.data).__name__} {shape}".strip()),
            ("anchor", f"row {row}, column {col}"),
            ("weights", weights),
        ]
        return card(type(self).__name__, facts)

    def with_data(self, data: E) -> Patch[E]:
        """Return the same patch carrying other data.

        Parameters
        ----------
        data
            The other data, such as what an operator made of ``patch.data``.

        Returns
        -------
        Patch
            With the same anchor, indices and weights.

        """
        return replace(self, data=data)  # type: ignore[return-value,arg-type]

    def close(self) -> None:
        """Release what the data holds open; harmless for plain arrays."""
        if isinstance(self.data, Closeable):
            self.data.close()
