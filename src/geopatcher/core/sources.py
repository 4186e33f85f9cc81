"""The door for sources: what pixels are read from, and what fields hand out.

`PixelSource` and `Field` are what a source must be. Each of the small protocols beside them is one thing more
that a source may be able to do: who needs it asks for that one, and for no class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from geopatcher.core.area import Area
    from geopatcher.core.arrays import Array, Sliceable
    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.packing import Packing


@runtime_checkable
class HasShape(Protocol):
    """Anything with a ``shape``: enough of a domain to stitch into."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(bands, height, width)``."""
        ...


@runtime_checkable
class PixelSource(Protocol):
    """Where strips of pixels come from: the least a source is. All else it may be is asked for by itself.

    `read` and `valid` are called from one thread at a time per source object, not always the same one; a
    source that is `Concurrent` says that several may. ``domain``, ``block_shape``, ``has_nodata`` and
    ``name`` are asked for again and again: they cost nothing. One that is handed to other processes
    must pickle, without its open handles, and read the same pixels there; one whose pixels are arrays of
    this process, and are not to be copied into each, is `Shareable`.
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
        """Return what tells this source from another or an older version of itself, all of it.

        Files by name, size and time, arrays by all their cells. An entry ``"unknown"`` says in words why it
        may be another one all the same; then nothing an earlier run made is taken for this one's.

        Raises
        ------
        SourceError
            It is not what it was when this object was made.

        """
        ...


@runtime_checkable
class Versioned(Protocol):
    """A source that notices quickly when what it reads is changed: files, and what a server has."""

    def version(self) -> str:
        """Return a text that changes when the source does; asked for again and again while it is read.

        Raises
        ------
        SourceError
            It cannot be asked now; it may be later.

        """
        ...


@runtime_checkable
class FromFiles(Protocol):
    """A `PixelSource` that knows which local files its pixels come from: none of them is written over."""

    def files(self) -> Sequence[Path]:
        """Return the files, and the folders of stores; none for what is in memory or on the network."""
        ...


@runtime_checkable
class InPlace(Protocol):
    """A source that may hold all its pixels in memory already."""

    @property
    def gives_views(self) -> bool:
        """Whether what it reads takes no memory of its own."""
        ...

    @property
    def mapped_bytes(self) -> int:
        """Bytes of a file that is mapped: what is looked at counts as the process's from then on."""
        ...


@runtime_checkable
class Surrounded(Protocol):
    """A source that is a part of a larger one: patches at its edges are made of what lies beyond, too."""

    @property
    def around(self) -> tuple[int, int, int, int]:
        """How many pixels may be read beyond ``domain``: above, below, left and right.

        `read` and `valid` take boxes that reach as far; rows and columns before the first are negative.
        """
        ...


@runtime_checkable
class Bounded(Protocol):
    """A source of which only what lies in an area is wanted."""

    @property
    def area(self) -> Area | None:
        """On the grid of the result; ``None`` is all of it."""
        ...


@runtime_checkable
class Together(Protocol):
    """A source of several rasters, whose pixels are records: an operator is given an array of each."""

    @property
    def packing(self) -> Packing | None:
        """How they lie in records; ``None`` for one raster."""
        ...


@runtime_checkable
class Concurrent(Protocol):
    """A source that says whether it may be read by several threads at once."""

    @property
    def reads_concurrently(self) -> bool:
        """Whether `read` and `valid` may be called while another call is on its way."""
        ...


@runtime_checkable
class Far(Protocol):
    """A source, or an array of one, of which a read may wait for a network more than it computes."""

    @property
    def reads_at_once(self) -> int:
        """How many reads are worth having on their way together, in as many threads; 1 where none waits."""
        ...


def reads_at_once(source: object) -> int:
    """Return how many reads of a source are worth having on their way together.

    >>> reads_at_once("what is no source")
    1
    """
    return source.reads_at_once if isinstance(source, Far) else 1


@runtime_checkable
class BandSelectable(Protocol):
    """A source of which some bands can be read without the others."""

    def select_bands(self, bands: Sequence[int]) -> PixelSource:
        """Return a source of some bands, counted from 0, in the order given."""
        ...


@runtime_checkable
class Unblocked(Protocol):
    """A source that may be stored in no blocks: any columns of it cost as much as their share."""

    @property
    def is_unblocked(self) -> bool:
        """Whether nothing is decoded in blocks; ``block_shape`` of any other source is what is."""
        ...


class HeldArrays(NamedTuple):
    """Arrays that hold the pixels of a source.

    ``array`` has its shape; ``mask``, of that or ``(h, w)``, is 0 where pixels are missing, if there is one.
    """

    array: Sliceable
    mask: Sliceable | None = None


@runtime_checkable
class Shareable(Protocol):
    """A source whose pixels may lie in arrays of this process, which others can be given in another way.

    Both are called in the thread that runs the job, before any worker is started.
    """

    def held(self) -> HeldArrays | None:
        """Return the arrays in the memory of this process; ``None`` where the pixels are elsewhere."""
        ...

    def holding(self, arrays: HeldArrays) -> PixelSource:
        """Return the same source over arrays with the same cells: it must pickle if they do.

        Without a ``mask`` it keeps its own.
        """
        ...


@runtime_checkable
class OverArray(Protocol):
    """A source over an array as it is stored, which may be sliced in any step. Any thread may slice it."""

    @property
    def array(self) -> Sliceable:
        """``(height, width)`` or ``(bands, height, width)``."""
        ...

    @property
    def mask(self) -> Sliceable | None:
        """0 where cells are missing; ``(height, width)`` or of the array's shape."""
        ...


@runtime_checkable
class OverDataset(Protocol):
    """A source over a window and some bands of what GDAL opens. Any thread may open it again."""

    @property
    def path(self) -> str:
        """What GDAL opens."""
        ...

    @property
    def indexes(self) -> tuple[int, ...]:
        """Bands, counted from 1."""
        ...

    @property
    def window(self) -> Box | None:
        """The part of it that is the source; ``None`` is all."""
        ...

    @property
    def beside(self) -> OverDataset | None:
        """The same part of the file beside it that says by 0 which cells are missing; ``None`` of none."""
        ...


def counted_in(source: PixelSource) -> str:
    """Return what messages say boxes of pixels are counted in: a raster, or a part of one and where it lies.

    >>> class Half:
    ...     name, around = "scene.tif", (60, 0, 0, 40)
    >>> counted_in(Half())
    'the part at row 60, column 0 of scene.tif'
    """
    above, _, left, _ = source.around if isinstance(source, Surrounded) else (0, 0, 0, 0)
    part = f"the part at row {above:,}, column {left:,} of " if above or left else ""
    return f"{part}{source.name}"


def packing_of(source: object) -> Packing | None:
    """Return how the rasters of a source lie in its pixels, ``None`` for those of one raster."""
    return source.packing if isinstance(source, Together) else None
