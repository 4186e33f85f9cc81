"""Stitching patches: the half of a patcher that merges, see `geopatcher.SpatialPatcher`."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, runtime_checkable

import numpy as np

from geopatcher._optional import load
from geopatcher.api.async_cutter import AsyncCutter
from geopatcher.api.feeding import in_thread
from geopatcher.api.labelling import labelled_array, opened_array
from geopatcher.api.split import bytes_of
from geopatcher.core.domain import RasterDomain
from geopatcher.core.typevars import R_co
from geopatcher.engine.hooks import Hooks

if TYPE_CHECKING:
    from collections.abc import Iterable

    import xarray

    from geopatcher.core.patch import Patch
    from geopatcher.core.protocols import Array, HasShape
    from geopatcher.engine.hooks import AnyHook
    from geopatcher.fields.open import Source
    from geopatcher.merging.merge import MergeOptions


@runtime_checkable
class Labelling(Protocol):
    """A field whose arrays have names and coordinates of their own."""

    def labelled(self, array: Array) -> xarray.DataArray:
        """Return an array on its grid with them."""
        ...


@runtime_checkable
class Storing(Protocol):
    """An aggregation that may put its result on disk."""

    def merge_options(self) -> MergeOptions:
        """Return where."""
        ...


@dataclass
class PatchStitcher(AsyncCutter[R_co], Generic[R_co]):
    """A patcher that merges."""

    def merge(
        self,
        patches: Iterable[Patch[object]],
        domain: HasShape,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
    ) -> R_co:
        """Stitch patches with this patcher's aggregation.

        Parameters
        ----------
        patches
            Any iterable of `Patch`, in any order; what `split` gives, passed on, needs the least memory.
        domain
            The field, or anything with a ``shape`` whose last two numbers are height and width.
        hooks
            Objects that hear of begin and end; none by default.

        Returns
        -------
        numpy.ndarray or zarr.Array
            What the aggregation's ``merge`` returns: mostly ``(height, width)`` for patches ``(h, w)``, else
            ``(bands, height, width)``.

        Raises
        ------
        OperatorError
            Patches do not fit together; says which.

        Examples
        --------
        >>> import numpy as np
        >>> from geopatcher import (SpatialPatcher, SpatialRectangular, SpatialRegularStride,
        ...     SpatialHann, SpatialOverlapAdd)
        >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
        ...     SpatialOverlapAdd())
        >>> image = np.arange(600.0).reshape(20, 30)
        >>> doubled = (patch.with_data(2 * patch.data) for patch in patcher.split(image))
        >>> bool(np.allclose(patcher.merge(doubled, image), 2 * image))
        True

        """
        told = Hooks.of(hooks)
        told.merge_start(len(patches) if isinstance(patches, Sized) else None)
        result = self.aggregation.merge(patches, domain)
        told.merge_end(_size_of(result))
        return result

    async def amerge(
        self,
        patches: AsyncIterable[Patch[object]] | Iterable[Patch[object]],
        domain: HasShape,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
    ) -> R_co:
        """Stitch patches that are awaited; it is `merge`, in a thread that takes each patch as it comes.

        Parameters
        ----------
        patches
            What `asplit` gives, or any other iterable of `Patch`, asynchronous or not.
        domain
            The field, or anything with a ``shape`` whose last two numbers are height and width.
        hooks
            Objects that hear of begin and end, in that thread; none by default.

        Returns
        -------
        numpy.ndarray or zarr.Array
            As of `merge`. Where the task is cancelled, the thread has ended before this raises.

        Examples
        --------
        >>> import asyncio, numpy as np
        >>> from geopatcher import (AsyncSpatialPatcher, SpatialRectangular, SpatialRegularStride,
        ...     SpatialHann, SpatialOverlapAdd)
        >>> patcher = AsyncSpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
        ...     SpatialOverlapAdd())
        >>> image = np.arange(600.0).reshape(20, 30)
        >>> async def doubled():
        ...     async for patch in patcher.asplit(image):
        ...         yield patch.with_data(2 * patch.data)
        >>> bool(np.allclose(asyncio.run(patcher.amerge(doubled(), image)), 2 * image))
        True

        """
        return await in_thread(lambda fed: self.merge(fed, domain, hooks), patches)

    def merge_to_xarray(
        self,
        patches: Iterable[Patch[object]],
        field: Source,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
    ) -> xarray.DataArray | xarray.Dataset:
        """Stitch patches into a DataArray with the field's coordinates and CRS; needs the extra ``xarray``.

        Parameters
        ----------
        patches
            As of `merge`.
        field
            The field they were cut from, or its domain. Of a DataArray the result has the names of
            dimensions, the coordinates and the attributes.
        hooks
            Objects that hear of begin and end; none by default.

        Returns
        -------
        xarray.DataArray or xarray.Dataset
            What `merge` gives: a Dataset where that is several arrays by name. A result that was streamed to
            a zarr store is opened there, lazily.

        Raises
        ------
        MissingExtraError
            xarray or rioxarray is not installed.
        TypeError
            The aggregation gives no array of the field's height and width.

        Examples
        --------
        >>> import numpy as np, xarray
        >>> from geopatcher import (SpatialPatcher, SpatialRectangular, SpatialRegularStride,
        ...     SpatialHann, SpatialOverlapAdd)
        >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
        ...     SpatialOverlapAdd())
        >>> lat, lon = np.linspace(45, 44, 20), np.linspace(7, 9, 30)
        >>> scene = xarray.DataArray(np.ones((20, 30)), {"lat": lat, "lon": lon}, ("lat", "lon"))
        >>> patcher.merge_to_xarray(patcher.split(scene), scene).dims
        ('lat', 'lon')

        """
        known = field if isinstance(field, RasterDomain) else self.opened(field)
        domain = known if isinstance(known, RasterDomain) else known.domain
        result: object = self.merge(patches, domain, hooks)
        stored = (
            self.aggregation.merge_options().target.path if isinstance(self.aggregation, Storing) else None
        )
        if stored is not None and stored.suffix not in (".tif", ".tiff") and not isinstance(result, Mapping):
            return opened_array(stored)
        if isinstance(result, Mapping):
            arrays = {str(name): _labelled(part, known, domain) for name, part in result.items()}
            dataset: xarray.Dataset = load("xarray").Dataset(arrays)
            return dataset
        return _labelled(result, known, domain)


def _labelled(result: object, field: object, domain: RasterDomain) -> xarray.DataArray:
    values = np.asarray(result)
    if values.ndim not in (2, 3) or values.shape[-2:] != domain.grid_shape:
        raise TypeError(
            f"what the aggregation gives, {type(result).__name__} of shape {values.shape}, does not lie on "
            f"the grid of {domain.grid_shape}: use merge, or an aggregation such as SpatialOverlapAdd"
        )
    if isinstance(field, Labelling):
        return field.labelled(values)
    return labelled_array(values, domain)


def _size_of(result: object) -> int:
    """Bytes of an array, or of several by name; one with two names counts once."""
    if not isinstance(result, Mapping):
        return bytes_of(result)
    return sum(map(_size_of, {id(part): part for part in result.values()}.values()))
