"""Cutting fields: the half of a patcher that plans and reads, see `geopatcher.SpatialPatcher`."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as attribute
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar, Unpack, cast, overload

from geopatcher.api.ahead import InFlight, read_ahead
from geopatcher.api.anchor_list import Anchors, LazySequence
from geopatcher.api.configs import ConfiguredPatcher
from geopatcher.api.options import PlanOptions, check_known
from geopatcher.api.placed import Placing
from geopatcher.api.plan import plan as plan_of
from geopatcher.api.split import PatchStream, Splitting
from geopatcher.core.box import Box
from geopatcher.core.html_cards import facts_of
from geopatcher.core.typevars import R_co
from geopatcher.engine.error_policy import ErrorPolicy, persist
from geopatcher.engine.hooks import Hooks
from geopatcher.fields.aligned_field import field_over
from geopatcher.inspect.plotting import draw_patches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import matplotlib.figure

    from geopatcher.accumulators.protocols import Aggregation
    from geopatcher.api.patch_cache import PatchCache
    from geopatcher.api.split import DoneAnchors
    from geopatcher.core.patch import Patch
    from geopatcher.core.protocols import Array, RectGeometry, Sampler, SourceField, Window
    from geopatcher.engine.error_policy import OnError, PatchErrorRecord
    from geopatcher.engine.hooks import AnyHook
    from geopatcher.fields.open import Arrays, Lending, Source, Sources
    from geopatcher.planning.plan import Plan

D = TypeVar("D")


@dataclass
class PatchCutter(ConfiguredPatcher, Generic[R_co]):
    """Four axes and an error policy: what patches a field has, and how they are read."""

    geometry: RectGeometry
    sampler: Sampler
    window: Window
    aggregation: Aggregation[R_co]
    on_error: OnError = "raise"
    max_retries: int = 0
    retry_on: tuple[type[Exception], ...] = (OSError, TimeoutError)
    capture_traceback: bool = True
    errors: list[PatchErrorRecord] = attribute(default_factory=list, init=False)

    def __post_init__(self) -> None:
        _ = self.policy  # which checks the four fields before it

    @property
    def policy(self) -> ErrorPolicy:
        """What becomes of patches that fail."""
        return ErrorPolicy(self.on_error, self.max_retries, self.retry_on, self.capture_traceback)

    def opened(self, field: Sources, *, either: bool = False) -> SourceField[object]:
        """Return what a source is as a field; tried as often as the policy says.

        Parameters
        ----------
        field
            A path, an array, a reader, a field; or a dict of these by name.
        either
            Whether a pixel of several counts as data where any of them holds some.

        Returns
        -------
        SourceField
            As it is, where it is one.

        Raises
        ------
        SourceError
            It cannot be opened.

        """
        return persist(partial(field_over, field, either=either), self.policy)

    def _placing(self, field: Sources, cache: PatchCache | None = None) -> Placing | None:
        """Return how patches are cut that are no rectangles of a raster; ``None`` where they are."""
        placing = Placing.needed(field, self.geometry, self.sampler, self.window, self.policy, self.errors)
        if placing is not None and cache is not None:
            raise TypeError("cache= is for rectangles of a raster: leave it out")
        return placing

    def plan(self, field: Sources, **options: Unpack[PlanOptions]) -> Plan:
        """Return the plan over a field; no pixel is read.

        Parameters
        ----------
        field
            The field.
        **options
            Those of `geopatcher.plan` but the patches, which are this patcher's: ``batch_size``, ``target``,
            ...

        Returns
        -------
        Plan
            What `reconstruct` would do, and `split` does. With ``operator`` or ``target`` it is that of a run
            alone, and what that refuses is refused: gaps, and a limit that nothing fits.

        Raises
        ------
        TypeError
            There is no such option; names it.

        Examples
        --------
        >>> import numpy as np
        >>> from geopatcher import (SpatialPatcher, SpatialRectangular, SpatialRegularStride,
        ...     SpatialHann, SpatialOverlapAdd)
        >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
        ...     SpatialOverlapAdd())
        >>> patcher.plan(np.zeros((20, 30)), chunks=16).n_patches
        28

        """
        check_known(options, PlanOptions.__optional_keys__, "SpatialPatcher.plan")
        return plan_of(field, patcher=self, **options)

    def plot(self, field: Sources) -> matplotlib.figure.Figure:
        """Draw where patches fall on a field, how deep they overlap, and the four axes at a glance.

        No pixel is read, and of a plan of many patches one corner is drawn. Needs the extra ``viz``.

        Parameters
        ----------
        field
            The field.

        Returns
        -------
        matplotlib.figure.Figure
            The drawing.

        """
        plan = self.plan(field)
        axes = [
            ("geometry", repr(self.geometry)),
            ("sampler", repr(self.sampler)),
            ("window", repr(self.window)),
            ("aggregation", type(self.aggregation).__name__),
            *facts_of(str(plan)),
        ]
        return draw_patches(plan, self.window.weights(self.geometry), axes)

    def anchors(self, field: Sources) -> LazySequence[tuple[int, int]]:
        """Return where patches of a field sit, without reading any.

        Parameters
        ----------
        field
            The field.

        Returns
        -------
        sequence of tuple
            ``(row, col)`` of the upper-left pixel of each, in the order of `split`: a lazy sequence, with a
            length, indices and slices, that equals a list of the same. Patches that are no rectangles of a
            raster sit where their domain says: ``{dim: index}``, or a number.

        Examples
        --------
        >>> import numpy as np
        >>> from geopatcher import (SpatialPatcher, SpatialRectangular, SpatialRegularStride,
        ...     SpatialHann, SpatialOverlapAdd)
        >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(8), SpatialHann(),
        ...     SpatialOverlapAdd())
        >>> anchors = patcher.anchors(np.zeros((16, 20)))
        >>> len(anchors), anchors[-1], anchors == [(0, 0), (0, 8), (0, 12), (8, 0), (8, 8), (8, 12)]
        (6, (8, 12), True)

        """
        placing = self._placing(field)
        return Anchors(self.plan(field)) if placing is None else placing.anchors()

    def n_anchors(self, field: Sources) -> int:
        """Return how many patches a field has.

        Parameters
        ----------
        field
            The field.

        Returns
        -------
        int
            Patches; none is read.

        """
        placing = self._placing(field)
        return self.plan(field).n_patches if placing is None else len(placing.anchors())

    @overload
    def split(
        self,
        field: Lending[D],
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        *,
        prefetch: int = 0,
        journal: DoneAnchors | None = None,
        cache: PatchCache | None = None,
        max_in_flight: int | None = None,
        max_in_flight_bytes: int | str | None = None,
    ) -> PatchStream[D]: ...
    @overload
    def split(
        self,
        field: Arrays,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        *,
        prefetch: int = 0,
        journal: DoneAnchors | None = None,
        cache: PatchCache | None = None,
        max_in_flight: int | None = None,
        max_in_flight_bytes: int | str | None = None,
    ) -> PatchStream: ...
    @overload
    def split(
        self,
        field: Mapping[str, Source],
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        *,
        prefetch: int = 0,
        journal: DoneAnchors | None = None,
        cache: PatchCache | None = None,
        max_in_flight: int | None = None,
        max_in_flight_bytes: int | str | None = None,
    ) -> PatchStream[dict[str, Array]]: ...
    def split(
        self,
        field: Sources,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        *,
        prefetch: int = 0,
        journal: DoneAnchors | None = None,
        cache: PatchCache | None = None,
        max_in_flight: int | None = None,
        max_in_flight_bytes: int | str | None = None,
    ) -> PatchStream[object]:
        """Return the patches of a field, lazily and in the order of the plan they carry.

        A field over a georeader reader gives lazy readers as ``data``; a path or an array gives
        arrays, cut from strips that are read once. Of a field of your own, ``domain`` and ``select`` are
        asked for. What fails to be read follows ``on_error``: ``"raise"`` raises what `select` raised, with a
        note of the window; ``"skip"`` leaves the patch out, ``"mask"`` gives one of NaN; both are noted in
        `errors`.

        Pixels come as they are stored: what integers hold where they are missing is data to `merge`, unless
        the loop gives masked arrays or NaN in its place.

        It is an iterator, gone through once, since a list of all patches may not fit in memory:
        ``list(patcher.split(field))`` makes one.

        Parameters
        ----------
        field
            The field; or several rasters by name in a dict, on the grid of the first.
        hooks
            Objects that hear of patches, see `geopatcher.hooks`; none by default.
        prefetch
            Patches that a thread reads ahead of the loop; none by default. Hooks are called in it.
        journal
            Patches it has are left out; see `geopatcher.PatchJournal` for what that is good for.
        cache
            Patches it has are not read, and others are kept in it. The data is in memory then, of a
            georeader reader too.
        max_in_flight
            Most patches that are read ahead or in the loop's hands, so ``prefetch`` is less than that.
        max_in_flight_bytes
            Most bytes of patches that are read ahead, such as ``"256MiB"``; one always is.

        Returns
        -------
        PatchStream
            An iterator of `Patch` with a length, ``plan`` and ``close()``. ``data`` is ``(bands, h, w)``, or
            ``(h, w)`` of a field ``(height, width)``, or of several rasters a dict of ``(bands, h, w)`` each;
            ``weights`` ``(h, w)`` floats.

        Raises
        ------
        ValueError
            A number is negative, or ``max_in_flight`` is less than 1.
        SourceError
            While iterating: a patch cannot be read.
        TypeError
            There is a ``cache``, and patches are no rectangles of a raster.

        Warns
        -----
        RuntimeWarning
            At the end: not one patch could be read, and ``on_error`` carries on. `reconstruct` and `reduce`,
            of which then nothing is left, raise.

        Examples
        --------
        >>> import numpy as np
        >>> from geopatcher import (SpatialPatcher, SpatialRectangular, SpatialRegularStride,
        ...     SpatialHann, SpatialOverlapAdd)
        >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
        ...     SpatialOverlapAdd())
        >>> next(patcher.split(np.zeros((3, 20, 30))))
        Patch(ndarray (3, 8, 8) at (0, 0))

        """
        bounds = InFlight.of(prefetch, max_in_flight, max_in_flight_bytes)
        placing = self._placing(field, cache)
        if placing is not None:
            return cast("PatchStream[object]", placing.stream(Hooks.of(hooks), journal, bounds))
        splitting = self.splitting(field, hooks, journal, cache)
        return PatchStream(splitting.plan, read_ahead(splitting.patches(), bounds), journal)

    def splitting(
        self,
        field: Sources,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        journal: DoneAnchors | None = None,
        cache: PatchCache | None = None,
    ) -> Splitting:
        """Return what one pass over the patches of a field needs; nothing is read.

        Parameters
        ----------
        field, hooks, journal, cache
            As of `split`.

        Returns
        -------
        Splitting
            The pass.

        """
        source_field = self.opened(field)
        plan = self.plan(source_field)
        weights = self.window.weights(self.geometry)
        return Splitting(
            source_field, plan, weights, self.policy, Hooks.of(hooks), journal, self.errors, cache
        )

    @overload
    def patch_at(
        self, field: Lending[D], anchor: tuple[int, int], *, cache: PatchCache | None = None
    ) -> Patch[D]: ...
    @overload
    def patch_at(
        self, field: Arrays, anchor: tuple[int, int], *, cache: PatchCache | None = None
    ) -> Patch: ...
    @overload
    def patch_at(
        self, field: Mapping[str, Source], anchor: tuple[int, int], *, cache: PatchCache | None = None
    ) -> Patch[dict[str, Array]]: ...
    def patch_at(
        self, field: Sources, anchor: tuple[int, int], *, cache: PatchCache | None = None
    ) -> Patch[object]:
        """Return the patch at one anchor, as `split` gives it.

        Parameters
        ----------
        field
            The field.
        anchor
            ``(row, col)`` of the upper-left pixel; it need not be one of the sampler's.
        cache
            Where the patch is looked for before it is read, and kept; that of `split`.

        Returns
        -------
        Patch
            The patch.

        Raises
        ------
        ValueError
            The patch would have no pixel in the field.
        TypeError
            The anchor is no pair of whole numbers.

        """
        placing = self._placing(field, cache)
        if placing is not None:
            return placing.patch(anchor)
        splitting, box = self.splitting(field, cache=cache), Box.at(anchor, self.geometry.size)
        whole = Box.of_shape(splitting.plan.domain.grid_shape)
        if not box.intersect(whole).n_pixels:
            raise ValueError(
                f"the patch of {box.height}x{box.width} at anchor {anchor} has no pixel in the raster of "
                f"{whole.height}x{whole.width}"
            )
        return splitting.single(box)
