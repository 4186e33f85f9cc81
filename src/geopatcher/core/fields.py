"""The door for fields: what is covered, and windows of it.

`Field` is what a data source must be, and `SourceField` what it is made into.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from geopatcher.core.typevars import D_co

if TYPE_CHECKING:
    from rasterio.windows import Window

    from geopatcher.core.arrays import Array
    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.sources import HasShape, PixelSource


@runtime_checkable
class Field(Protocol[D_co]):
    """A data source: what it covers, and windows of it. Write a class with these two to add one.

    `select` is called from one thread at a time. A field that is handed to other processes must pickle.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> class Ramp:  # 1,000 x 2,000 pixels that are nowhere stored
    ...     domain = geopatcher.RasterDomain((1000, 2000), dtype=np.dtype("int32"))
    ...     def select(self, window):
    ...         rows = window.row_off + np.arange(window.height)
    ...         return np.add.outer(rows, window.col_off + np.arange(window.width)).astype("int32")
    >>> result = geopatcher.reconstruct(Ramp(), lambda patch: patch * 2, size=256)
    >>> int(result.array[999, 1999])
    5996

    """

    @property
    def domain(self) -> HasShape:
        """Metadata, known without reading a pixel: a `RasterDomain`, or anything with a ``shape``.

        Of such a thing ``dtype``, ``nodata``, ``transform`` with ``crs``, and ``band_names`` and ``units`` (a
        text per band) are kept where it has them. Without a ``dtype`` a plan is made for the widest one, and
        a run begins by reading one pixel.
        """
        ...

    def select(self, indexer: Window, /) -> D_co:
        """Return the data of a window, ``(h, w)`` or ``(bands, h, w)``: an array, or what becomes one.

        Parameters
        ----------
        indexer
            A rasterio ``Window`` of whole pixels.

        Returns
        -------
        array_like
            ``(h, w)`` or ``(bands, h, w)``.

        """
        ...


@runtime_checkable
class AsyncField(Protocol[D_co]):
    """A data source whose windows are awaited, several at once: by the `asplit` of a patcher.

    Examples
    --------
    >>> import asyncio, numpy as np, geopatcher
    >>> class Slow:
    ...     domain = geopatcher.RasterDomain((20, 30), dtype=np.dtype("uint8"))
    ...     async def aselect(self, window):
    ...         await asyncio.sleep(0)
    ...         return np.full((window.height, window.width), window.row_off, "uint8")
    >>> patcher = geopatcher.SpatialPatcher(geopatcher.SpatialRectangular(10),
    ...     geopatcher.SpatialRegularStride(10), geopatcher.SpatialBoxcar(), geopatcher.SpatialOverlapAdd())
    >>> async def means():
    ...     return [float(patch.data.mean()) async for patch in patcher.asplit(Slow())]
    >>> asyncio.run(means())
    [0.0, 0.0, 0.0, 10.0, 10.0, 10.0]

    """

    @property
    def domain(self) -> HasShape:
        """Metadata, as of a `Field`; known without waiting."""
        ...

    async def aselect(self, indexer: Window, /) -> D_co:
        """Return the data of a window, ``(h, w)`` or ``(bands, h, w)``: an array, or what becomes one.

        Called by several tasks of one loop at once. It may be cancelled while it waits.

        Parameters
        ----------
        indexer
            A rasterio ``Window`` of whole pixels.

        Returns
        -------
        array_like
            ``(h, w)`` or ``(bands, h, w)``.

        """
        ...


@runtime_checkable
class Refillable(Protocol):
    """A field that makes another one of an array on its grid; nothing of ours asks it to."""

    def with_data(self, array: Array, /) -> object:
        """Return a field on the same grid that holds ``array``.

        Parameters
        ----------
        array
            ``(height, width)`` or ``(bands, height, width)``.

        Returns
        -------
        object
            A field.

        """
        ...


@runtime_checkable
class SourceField(Field[D_co], Refillable, Protocol[D_co]):
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
