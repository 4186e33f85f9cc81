"""The patcher: geometry, sampler, window and aggregation, and what they do together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, Unpack, overload

from geopatcher._optional import load
from geopatcher.api.delayed import Cutting, delayed_patches
from geopatcher.api.options import RunOptions, check_known
from geopatcher.api.placed import reduce_placed
from geopatcher.api.reconstruct import reconstruct
from geopatcher.api.split import PatchStream
from geopatcher.api.stitcher import PatchStitcher
from geopatcher.api.two_pass import Applied, apply_to_field, reduce_field
from geopatcher.core.protocols import RectGeometry
from geopatcher.core.typevars import R_co
from geopatcher.engine.error_policy import require_one
from geopatcher.operators.wrappers import wants_mask
from geopatcher.runs.source_watch import unchanged
from geopatcher.targets.places import check_place

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from dask.bag import Bag
    from dask.delayed import Delayed

    from geopatcher.accumulators.protocols import Merges
    from geopatcher.api.models import Runnable
    from geopatcher.api.result import Reconstruction
    from geopatcher.core.protocols import Array
    from geopatcher.fields.open import Source, Sources
    from geopatcher.targets.product import ResultArray

__all__ = ["PatchStream", "SpatialPatcher"]

#: Patches of a partition of a bag.
BAG_SIZE = 64
D = TypeVar("D")
R = TypeVar("R")
T = TypeVar("T")


@dataclass
class SpatialPatcher(PatchStitcher[R_co]):
    """Cuts a field into patches and stitches patches into a field.

    The first argument of its methods, ``field``, is whatever `geopatcher.reconstruct` takes as a source: a
    path or URL, an array ``(height, width)`` or ``(bands, height, width)``, a reader, or a field.

    Parameters
    ----------
    geometry
        What a patch is: `SpatialRectangular`, with its size in pixels.
    sampler
        Where patches sit: `SpatialRegularStride`, with its step in pixels, or another.
    window
        How the cells of a patch count, ``(h, w)`` weights: `SpatialHann`, `SpatialBoxcar`, ...
    aggregation
        How patches become one field: `SpatialOverlapAdd` or another.
    on_error
        What becomes of a patch that fails: ``"raise"`` (by default), ``"skip"``, ``"mask"`` or ``"retry"``.
    max_retries
        Further tries, 0 by default.
    retry_on
        The errors that are tried again: `OSError` and `TimeoutError` by default.
    capture_traceback
        Whether records of failed patches keep the traceback, by default.

    Attributes
    ----------
    errors
        A `PatchErrorRecord` for each patch that failed under a policy that carries on.

    Raises
    ------
    ValueError
        ``on_error`` is unknown, ``max_retries`` is negative, or ``"retry"`` has no retries.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import (SpatialPatcher, SpatialRectangular, SpatialRegularStride,
    ...     SpatialHann, SpatialOverlapAdd)
    >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
    ...     SpatialOverlapAdd())
    >>> image = np.arange(600.0).reshape(20, 30)
    >>> bool(np.allclose(patcher.merge(patcher.split(image), image), image))
    True

    """

    def __repr__(self) -> str:
        others = ", ".join(type(axis).__name__ for axis in (self.sampler, self.window, self.aggregation))
        size = "x".join(map(str, self.geometry.size)) if isinstance(self.geometry, RectGeometry) else "varied"
        return f"{type(self).__name__}({type(self.geometry).__name__} {size}, {others})"

    def to_delayed(
        self,
        field: Source,
        operator: Callable[[Array], Array] | None = None,
        *,
        batch_size: int | None = None,
    ) -> list[Delayed]:
        """Return Dask tasks that give the patches of a field, for a graph of your own; needs ``dask``.

        Each task is a `Patch`, which it reads by itself; with an ``operator`` its data is what that returns.
        Of many patches let each be a list of neighbours, by ``batch_size=64`` say: it is read in one
        piece, and Dask has less to do. No pixel is in the graph, but of a field in memory. To stitch a
        whole raster on a cluster, `geopatcher.reconstruct` with a `geopatcher.executors.DaskExecutor`
        reads and computes less twice, and holds less.

        Parameters
        ----------
        field
            The field.
        operator
            Takes the data of one patch, ``(bands, h, w)`` or ``(h, w)``, and returns its result.
        batch_size
            Most patches of a task, which then gives a list of them; by default it gives a patch.

        Returns
        -------
        list of dask.delayed.Delayed
            Tasks, in the order of `split`.

        Raises
        ------
        ValueError
            ``batch_size`` is less than 1.
        MissingExtraError
            Dask is not installed.

        """
        source_field = self.opened(field)
        cutting = Cutting(source_field, self.plan(source_field), self.window.weights(self.geometry), operator)
        return delayed_patches(cutting, batch_size)

    def to_dask_bag(self, field: Source) -> Bag:
        """Return the patches of a field as a Dask bag, in partitions of 64; see `to_delayed`.

        Parameters
        ----------
        field
            The field.

        Returns
        -------
        dask.bag.Bag
            Of `Patch`.

        Raises
        ------
        MissingExtraError
            Dask is not installed.

        """
        bag: Bag = load("dask.bag").from_delayed(self.to_delayed(field, batch_size=BAG_SIZE))
        return bag

    def reconstruct(
        self,
        field: Source,
        operator: Runnable,
        target: str | os.PathLike[str] | None = None,
        **options: Unpack[RunOptions],
    ) -> Reconstruction:
        """Run an operator over a field, and stitch what it returns; patches that fail are noted in `errors`.

        Parameters
        ----------
        field
            The field.
        operator
            ``(bands, h, w)`` to ``(bands, h, w)``, any number of bands; see `geopatcher.reconstruct`.
        target
            Ends in ``.zarr`` or ``.tif``. Without one the result is an array in memory.
        **options
            Those of `geopatcher.reconstruct` but the patches, which are this patcher's: ``workers``,
            ``memory_limit``, ``storage``, ... ``on_error``, ``max_retries`` and ``retry_on`` are this
            patcher's where they are not given.

        Returns
        -------
        Reconstruction
            The result.

        Raises
        ------
        TypeError
            There is no such option; names it.
        GeopatcherError, ValueError
            As of `geopatcher.reconstruct`.

        Examples
        --------
        >>> import numpy as np
        >>> from geopatcher import (SpatialPatcher, SpatialRectangular, SpatialRegularStride,
        ...     SpatialHann, SpatialOverlapAdd)
        >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
        ...     SpatialOverlapAdd())
        >>> patcher.reconstruct(np.zeros((20, 30)), lambda x: x + 1, dtype="float32", chunks=16)
        Reconstruction(in memory, 1 x float32, 20 x 30 pixels)

        """
        check_known(options, RunOptions.__optional_keys__, "SpatialPatcher.reconstruct")
        own: RunOptions = {
            "on_error": self.on_error,
            "max_retries": self.max_retries,
            "retry_on": self.retry_on,
        }
        asked: RunOptions = {**own, **options}
        result = reconstruct(field, operator, target, patcher=self, **asked)
        self.errors += result.errors
        return result

    @overload
    def reduce(self, field: Source, aggregation: Merges[R]) -> R: ...
    @overload
    def reduce(self, field: Mapping[str, Source], aggregation: Merges[R]) -> dict[str, R]: ...
    @overload
    def reduce(self, field: Source, *, agg: Merges[R]) -> R: ...
    @overload
    def reduce(self, field: Mapping[str, Source], *, agg: Merges[R]) -> dict[str, R]: ...
    def reduce(
        self, field: Sources, aggregation: Merges[R] | None = None, *, agg: Merges[R] | None = None
    ) -> R | dict[str, R]:
        """Reduce a field to what ``aggregation`` makes of it; the field is streamed, nothing is kept.

        A global one such as `SpatialMeanStd` sees each pixel under this patcher's patches once, however
        they overlap. Any other, such as `SpatialMax`, is given the patches of `split`.

        Parameters
        ----------
        field
            The field; or several rasters by name in a dict, each reduced by itself on the grid of the first.
        aggregation
            Anything with ``merge(patches, domain)``.
        agg
            The same by its short name: one of the two is given.

        Returns
        -------
        object
            What the aggregation gives: of a global one, a value or an array with one for each band. Of
            several rasters a dict of that by name.

        Raises
        ------
        TypeError
            There is no aggregation, or there are two.
        SourceError
            The field cannot be read, or changed between the first pixel and the last.
        OperatorError
            Pixels are no real numbers.

        Examples
        --------
        >>> import numpy as np
        >>> from geopatcher import (SpatialMeanStd, SpatialOverlapAdd, SpatialHann, SpatialPatcher,
        ...     SpatialRectangular, SpatialRegularStride)
        >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
        ...     SpatialOverlapAdd())
        >>> patcher.reduce(np.arange(101.0).reshape(1, 101), SpatialMeanStd())["mean"]
        50.0

        """
        asked = agg if aggregation is None else aggregation
        if asked is None or (aggregation is not None and agg is not None):
            raise TypeError("reduce takes one aggregation: reduce(field, SpatialMeanStd()), say")
        placing = self._placing(field)
        if placing is not None:
            patches, before = self.split(field), len(self.errors)
            reduced = reduce_placed(patches, placing.domain, asked)
            require_one(self.errors[before:], len(patches), "reading", placing.name)
            return reduced
        return reduce_field(self, self.opened(field), asked)

    @overload
    def two_pass(
        self, field: Source, *, reduce_with: Merges[T], apply: Callable[[Array, T], Array]
    ) -> R_co: ...
    @overload
    def two_pass(
        self,
        field: Source,
        *,
        reduce_with: Merges[T],
        apply: Callable[[Array, T], Array],
        aggregation: Merges[R],
        target: None = None,
    ) -> R: ...
    @overload
    def two_pass(
        self,
        field: Source,
        *,
        reduce_with: Merges[T],
        apply: Callable[[Array, T], Array],
        aggregation: Merges[object] | None = None,
        target: str | os.PathLike[str],
    ) -> ResultArray: ...
    @overload
    def two_pass(
        self,
        field: Mapping[str, Source],
        *,
        reduce_with: Merges[T],
        apply: Callable[[dict[str, Array], dict[str, T]], Array],
        aggregation: Merges[object] | None = None,
        target: str | os.PathLike[str] | None = None,
    ) -> object: ...
    def two_pass(
        self,
        field: Sources,
        *,
        reduce_with: Merges[T],
        apply: Callable[..., Array],
        aggregation: Merges[object] | None = None,
        target: str | os.PathLike[str] | None = None,
    ) -> object:
        """Find statistics of a whole field, then stitch what a function makes of each patch and them.

        The field is read twice, strip by strip; no list of patches is held.

        Parameters
        ----------
        field
            The field; or several rasters by name in a dict, on the grid of the first.
        reduce_with
            Gives the statistics, as in `reduce`.
        apply
            ``apply(data, statistics) -> data``: takes a patch ``(bands, h, w)``, or ``(h, w)`` of a field
            ``(height, width)``, and what ``reduce_with`` gave, of several rasters a dict of each; returns
            ``(h, w)`` or any number of bands.
            Its attributes ``margin`` and ``output_scale`` are heeded, as by `reconstruct`.
        aggregation
            Stitches the second pass; this patcher's own by default.
        target
            Where the result goes, as in `geopatcher.reconstruct`: in memory by default.

        Returns
        -------
        numpy.ndarray or zarr.Array
            With a ``target`` the stored array, of the dtype ``apply`` returns. Without, what the
            aggregation's ``merge`` returns: mostly an array of float64, NaN where there is no data.

        Raises
        ------
        OperatorError
            ``apply`` raised or returned something that does not fit its patch.
        TypeError
            There is a ``target``, and the aggregation gives no array to put there.
        SourceError
            The source changed between the first pixel and the last.

        Examples
        --------
        >>> import numpy as np
        >>> from geopatcher import (SpatialMeanStd, SpatialOverlapAdd, SpatialHann, SpatialPatcher,
        ...     SpatialRectangular, SpatialRegularStride)
        >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
        ...     SpatialOverlapAdd())
        >>> image = np.arange(1200.0).reshape(2, 20, 30)
        >>> def standardise(data, found):
        ...     return (data - found["mean"][:, None, None]) / found["std"][:, None, None]
        >>> scaled = patcher.two_pass(image, reduce_with=SpatialMeanStd(), apply=standardise)
        >>> scaled.mean(axis=(1, 2)).round(6), scaled.std(axis=(1, 2)).round(6)
        (array([0., 0.]), array([1., 1.]))

        """
        check_place(target)
        source_field = self.opened(field, either=wants_mask(apply))
        with unchanged(source_field.source, "read twice"):
            operator = Applied(apply, reduce_field(self, source_field, reduce_with))
            return apply_to_field(self, source_field, operator, aggregation, target)
