"""The small interfaces the layers talk through. No I/O here, and no types but NumPy's and our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np

    from geopatcher.axis import Axis
    from geopatcher.box import Box, PixelWindow
    from geopatcher.domain import RasterDomain

#: An array whose dtype is only known at run time: NumPy types such arrays with ``Any``.
Array: TypeAlias = NDArray[Any]


@runtime_checkable
class HasShape(Protocol):
    """Anything with a ``shape``: enough of a domain to stitch into."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(bands, height, width)``."""
        ...


@runtime_checkable
class RectGeometry(Protocol):
    """A geometry whose neighbourhoods are rectangles of one size."""

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` of a patch in pixels."""
        ...

    @property
    def boundary(self) -> str:
        """What becomes of the last, incomplete position of an axis; see `geopatcher.axis.Axis`."""
        ...

    @property
    def pad_value(self) -> float | None:
        """What ``boundary="pad"`` fills with; ``None`` is nodata, or 0 where there is none."""
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
class PixelSource(Protocol):
    """Where strips of pixels come from.

    `read` is called from one thread at a time per source object, not always the same one. A
    source that is handed to other processes must pickle (without its open handles).
    """

    @property
    def domain(self) -> RasterDomain:
        """Grid, georeference, dtype and nodata."""
        ...

    @property
    def block_shape(self) -> tuple[int, int]:
        """``(height, width)`` of what the storage decodes at once; ``(1, width)`` if it does not matter."""
        ...

    @property
    def has_nodata(self) -> bool:
        """Whether the source has a way to say that pixels are missing."""
        ...

    @property
    def name(self) -> str:
        """What messages call it: a path, or a description such as ``ndarray float32 (3, 20, 30)``."""
        ...

    def read(self, box: Box) -> Array:
        """Return the pixels of ``box`` (inside the domain), shaped ``(bands, height, width)``."""
        ...

    def valid(self, box: Box, pixels: Array) -> NDArray[np.bool_] | None:
        """Return where ``pixels`` (what `read` gave for ``box``) hold data; ``None`` when all of them do.

        Shaped ``(bands, height, width)``. NaN need not be reported: it is looked for anyway.
        """
        ...

    def identity(self) -> Mapping[str, str | int | float]:
        """Return what tells this source from another or an older version of itself (path, size, mtime)."""
        ...


@runtime_checkable
class Field(Protocol):
    """A data source: what it covers, and windows of it. Write a class with these three to add one."""

    @property
    def domain(self) -> HasShape:
        """Metadata, known without reading a pixel; a `RasterDomain` where there is a georeference."""
        ...

    def select(self, indexer: PixelWindow) -> object:
        """Return the data of a window, ``(h, w)`` or ``(bands, h, w)``: an array, or what becomes one."""
        ...

    def with_data(self, array: Array) -> object:
        """Return a field on the same grid that holds ``array``."""
        ...


@runtime_checkable
class SourceField(Field, Protocol):
    """A field the engine reads strip by strip: what every field is made into."""

    @property
    def domain(self) -> RasterDomain:
        """Grid, georeference, dtype and nodata."""
        ...

    @property
    def source(self) -> PixelSource:
        """Where the engine gets strips of pixels."""
        ...

    @property
    def gives_windows(self) -> bool:
        """Whether `select` gives more than an array: something lazy, or with a georeference of its own."""
        ...

    def dress(self, pixels: Array, box: Box) -> object:
        """Return pixels ``(bands, h, w)`` cut at ``box``, which may overhang, as what `select` gives."""
        ...


@runtime_checkable
class MaskAware(Protocol):
    """An operator that says whether it wants masked arrays; `geopatcher.masked` makes one."""

    @property
    def wants_mask(self) -> bool:
        """Whether it is given `numpy.ma.MaskedArray`, and decides which cells of its result count."""
        ...


#: Whole blocks side by side: where they lie, and each array of the result there, ``(bands, h, w)``.
FinishedTile: TypeAlias = "tuple[Box, Mapping[str, Array]]"


class Sink(Protocol):
    """Where finished blocks go. `write` is called from one thread, with each block once."""

    def write(self, tiles: Iterable[FinishedTile]) -> int:
        """Store tiles, which are made as they are asked for; return their bytes."""
        ...
