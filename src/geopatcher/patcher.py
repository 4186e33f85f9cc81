"""The patcher: geometry, sampler, window and aggregation, and what they do together."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from geopatcher._optional import load
from geopatcher.box import Box
from geopatcher.delayed import Cutting, delayed_batches
from geopatcher.fields.dispatch import as_field
from geopatcher.hooks import Hooks
from geopatcher.looks.plotting import draw_patches
from geopatcher.notebook import facts_of
from geopatcher.policy import ErrorPolicy
from geopatcher.splitting import HasBytes, PatchStream, Splitting, anchor_of, boxes_of, patch_of, window_of
from geopatcher.two_pass import Applied, apply_to_field, reduce_field
from geopatcher.verbs import plan as plan_of
from geopatcher.verbs import reconstruct

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator

    import matplotlib.figure
    from dask.bag import Bag
    from dask.delayed import Delayed

    from geopatcher.aggregations.base import Mergeable
    from geopatcher.fields.dispatch import Source
    from geopatcher.hooks import PatcherHook
    from geopatcher.patch import Patch
    from geopatcher.patch_cache import PatchCache
    from geopatcher.planning.plan import Plan
    from geopatcher.policy import OnError, PatchErrorRecord
    from geopatcher.protocols import Array, HasShape, RectGeometry, Sampler, Window
    from geopatcher.result import Reconstruction
    from geopatcher.sinks.targets import ResultArray
    from geopatcher.splitting import DoneAnchors
    from geopatcher.two_pass import Merges

__all__ = ["PatchStream", "SpatialPatcher"]

R = TypeVar("R")
T = TypeVar("T")


@dataclass
class SpatialPatcher:
    """Cuts a field into patches and stitches patches into a field.

    Parameters
    ----------
    geometry, sampler, window, aggregation
        The four axes: what a patch is, where patches sit, how their cells count, and how they
        become one field.

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

    geometry: RectGeometry
    sampler: Sampler
    window: Window
    aggregation: Mergeable[object]
    on_error: OnError = "raise"
    max_retries: int = 0
    retry_on: tuple[type[Exception], ...] = (OSError, TimeoutError)
    capture_traceback: bool = True
    errors: list[PatchErrorRecord] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        _ = self.policy  # which checks the four fields before it

    def plan(self, source: Source) -> Plan:
        """Return the plan over a field; no pixel is read."""
        return plan_of(source, patcher=self)

    def split(
        self,
        source: Source,
        hooks: Iterable[PatcherHook] | PatcherHook | None = None,
        *,
        journal: DoneAnchors | None = None,
        cache: PatchCache | None = None,
    ) -> PatchStream:
        """Return the patches of a field, lazily and in the order of the plan they carry.

        A field over a georeader reader gives lazy readers as ``data``; a path or an array gives
        arrays, cut from strips that are read once. What fails to be read follows ``on_error``:
        ``"skip"`` leaves the patch out, ``"mask"`` gives one of NaN; both are noted in `errors`.

        Parameters
        ----------
        source
            The field.
        hooks
            Objects that hear of patches; see `geopatcher.hooks`.
        journal
            Patches it has are left out; see `geopatcher.PatchJournal` for what that is good for.
        cache
            Patches it has are not read, and others are kept in it. The data is in memory then, of a
            georeader reader too.

        """
        source_field = as_field(source)
        plan = self.plan(source_field)
        weights = self.window.weights(self.geometry)
        splitting = Splitting(
            source_field, plan, weights, self.policy, Hooks.of(hooks), journal, self.errors, cache
        )
        return PatchStream(plan, splitting.patches(), journal)

    @property
    def policy(self) -> ErrorPolicy:
        """What becomes of patches that fail."""
        return ErrorPolicy(self.on_error, self.max_retries, self.retry_on, self.capture_traceback)

    def merge(
        self,
        patches: Iterable[Patch[object]],
        domain: HasShape,
        hooks: Iterable[PatcherHook] | PatcherHook | None = None,
    ) -> ResultArray:
        """Stitch patches with this patcher's aggregation; ``hooks`` hear of begin and end."""
        told = Hooks.of(hooks)
        told.merge_start(len(patches) if isinstance(patches, Sized) else None)
        result = self.aggregation.merge(patches, domain)
        told.merge_end(_bytes_of(result))
        return result

    def patch_at(self, source: Source, anchor: tuple[int, int]) -> Patch[object]:
        """Return the patch at one anchor, as `split` gives it.

        Raises
        ------
        ValueError
            The patch would have no pixel in the field.

        """
        source_field = as_field(source)
        plan = self.plan(source_field)
        height, width = self.geometry.size
        box = Box(anchor[0], anchor[0] + height, anchor[1], anchor[1] + width)
        if not box.intersect(Box.of_shape(plan.domain.grid_shape)).n_pixels:
            raise ValueError(
                f"the patch of {height}x{width} at anchor {anchor} has no pixel in the raster of "
                f"{plan.domain.height}x{plan.domain.width}"
            )
        weights = self.window.weights(self.geometry)
        data, box, crop = window_of(source_field, plan, box)
        return patch_of(data, box, weights if crop is None else weights[crop])

    def anchors(self, source: Source) -> Iterator[tuple[int, int]]:
        """Return where patches sit, without reading any."""
        plan = self.plan(source)
        return (anchor_of(plan, box) for box in boxes_of(plan))

    def n_anchors(self, source: Source) -> int:
        """Return how many patches there are."""
        return self.plan(source).n_patches

    def to_delayed(
        self, source: Source, operator: Callable[[Array], Array] | None = None, *, batch_size: int = 64
    ) -> list[Delayed]:
        """Return Dask tasks that give the patches of a field, for a graph of your own; needs ``dask``.

        Each task is a list of up to ``batch_size`` neighbouring patches, which it reads by itself, in
        one piece; with an ``operator`` their data is what that returns. No pixel is in the graph, but
        of a field in memory. To stitch a whole raster on a cluster, `geopatcher.reconstruct` with a
        `geopatcher.executors.DaskExecutor` reads and computes less twice, and holds less.

        Raises
        ------
        ValueError
            ``batch_size`` is less than 1.
        MissingExtraError
            Dask is not installed.

        """
        field = as_field(source)
        cutting = Cutting(field, self.plan(field), self.window.weights(self.geometry), operator)
        return delayed_batches(cutting, batch_size)

    def to_dask_bag(self, source: Source) -> Bag:
        """Return the patches of a field as a Dask bag, in partitions of 64; see `to_delayed`."""
        bag: Bag = load("dask.bag").from_delayed(self.to_delayed(source))
        return bag

    def plot(self, source: Source) -> matplotlib.figure.Figure:
        """Draw where patches fall on a field, how deep they overlap, and the four axes at a glance.

        No pixel is read, and of a plan of many patches one corner is drawn. Needs the extra ``viz``.
        """
        plan = self.plan(source)
        axes = [
            ("geometry", repr(self.geometry)),
            ("sampler", repr(self.sampler)),
            ("window", repr(self.window)),
            ("aggregation", type(self.aggregation).__name__),
            *facts_of(str(plan)),
        ]
        return draw_patches(plan, self.window.weights(self.geometry), axes)

    def reconstruct(
        self,
        source: Source,
        operator: Callable[[Array], Array],
        target: str | os.PathLike[str] | None = None,
    ) -> Reconstruction:
        """Run an operator over a field; see `geopatcher.reconstruct`."""
        result = reconstruct(
            source,
            operator,
            target,
            patcher=self,
            on_error=self.on_error,
            max_retries=self.max_retries,
            retry_on=self.retry_on,
        )
        self.errors += result.errors
        return result

    def reduce(self, source: Source, aggregation: Merges[R]) -> R:
        """Reduce a field to what ``aggregation`` makes of it; the field is streamed, nothing is kept.

        A global one such as `SpatialMeanStd` sees each pixel under this patcher's patches once, however
        they overlap. Any other, such as `SpatialMax`, is given the patches of `split`.

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
        return reduce_field(self, as_field(source), aggregation)

    def two_pass(
        self,
        source: Source,
        *,
        reduce_with: Merges[T],
        apply: Callable[[Array, T], Array],
        aggregation: Merges[R] | None = None,
        target: str | os.PathLike[str] | None = None,
    ) -> R | ResultArray:
        """Find statistics of a whole field, then stitch what a function makes of each patch and them.

        The field is read twice, strip by strip; no list of patches is held.

        Parameters
        ----------
        source
            The field.
        reduce_with
            Gives the statistics, as in `reduce`.
        apply
            ``apply(data, statistics) -> data``: takes a patch ``(bands, h, w)``, or ``(h, w)`` of a field
            ``(height, width)``, and what ``reduce_with`` gave; returns ``(h, w)`` or any number of bands.
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
        field = as_field(source)
        operator = Applied(apply, reduce_field(self, field, reduce_with))
        return apply_to_field(self, field, operator, aggregation, target)


def _bytes_of(result: object) -> int:
    """Bytes of an array, or of several by name."""
    if isinstance(result, Mapping):
        return sum(map(_bytes_of, result.values()))
    return result.nbytes if isinstance(result, HasBytes) else 0
