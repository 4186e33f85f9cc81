"""The patcher over time: geometry, sampler, window and aggregation, and what they do together."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

import numpy as np

from geopatcher.api.configs import ConfiguredParts
from geopatcher.core.typevars import R_co
from geopatcher.engine.hooks import Hooks
from geopatcher.patchers.series import coordinate_for, series_of
from geopatcher.patchers.streams import Pass, awaited, bytes_of
from geopatcher.patchers.timing import Timing
from geopatcher.temporal.coordinates import needs_coord
from geopatcher.temporal.patch import TemporalPatch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray

    from geopatcher.engine.hooks import AnyHook
    from geopatcher.patchers.series import Series, SeriesLike, TimeAxis
    from geopatcher.patchers.streams import Stream
    from geopatcher.temporal.aggregations import TemporalAggregation
    from geopatcher.temporal.geometry import TemporalGeometry
    from geopatcher.temporal.samplers import TemporalSampler
    from geopatcher.temporal.steps import Steps
    from geopatcher.temporal.windows import TemporalWindow


@dataclass
class TemporalPatcher(ConfiguredParts, Generic[R_co]):
    """Cuts a series into windows of steps, and makes one thing of what becomes of them.

    The first argument of its methods, ``series``, is an ndarray, a zarr or Dask array, a `xarray.DataArray`
    (whose patches are `DataArray` too, lazy where it is) or a pandas Series or DataFrame. Nothing but the
    steps of a patch is read for it.

    Parameters
    ----------
    geometry
        Which steps a patch has: `TemporalFixedLookback` or another.
    sampler
        Which steps patches belong to: `TemporalRegularStride` or another.
    window
        How much each step of a patch counts: `TemporalCausalBoxcar` or another.
    aggregation
        What becomes of the patches: `TemporalMean` or another.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import (TemporalCausalBoxcar, TemporalCausalRolling, TemporalFixedLookback,
    ...     TemporalForecast, TemporalPatcher)
    >>> patcher = TemporalPatcher(TemporalFixedLookback(3), TemporalCausalRolling(start=2),
    ...     TemporalCausalBoxcar(), TemporalForecast())
    >>> rolling = (patch.with_data(patch.data.mean(keepdims=True)) for patch in patcher.split(np.arange(5.0)))
    >>> patcher.merge(rolling)
    {2: array([1.]), 3: array([2.]), 4: array([3.])}

    """

    geometry: TemporalGeometry
    sampler: TemporalSampler
    window: TemporalWindow
    aggregation: TemporalAggregation[R_co]

    @property
    def needs_coord(self) -> bool:
        """Whether the coordinate along the axis is needed: one of the axes is in its units."""
        return needs_coord(self.geometry) or needs_coord(self.sampler)

    def timing(self, series: Series, coord: ArrayLike | None) -> Timing:
        """Return the windows of a series.

        Parameters
        ----------
        series
            What steps are read from.
        coord
            The coordinate along the axis.

        Returns
        -------
        Timing
            Anchors and their steps.

        Raises
        ------
        ValueError
            The coordinate is needed and there is none, or it does not fit.

        """
        wanted = self.needs_coord or coord is not None
        found = coordinate_for(series, coord) if wanted else None
        return Timing(self.geometry, self.sampler, series.n_steps, found)

    def anchors(
        self, series: SeriesLike, time_axis: TimeAxis = 0, *, coord: ArrayLike | None = None
    ) -> Steps:
        """Return the steps that patches of a series belong to; none is read.

        Parameters
        ----------
        series
            The series.
        time_axis
            Which axis is time: its number, or the name of a dimension.
        coord
            The 1-D coordinate along it, where an axis of the patcher needs one.

        Returns
        -------
        Steps
            A lazy sequence of integers, equal to a list of them.

        """
        return self.timing(series_of(series, time_axis), coord).anchors()

    def n_anchors(
        self, series: SeriesLike, time_axis: TimeAxis = 0, *, coord: ArrayLike | None = None
    ) -> int:
        """Return how many steps of a series have patches: one each, or several of several scales.

        Parameters
        ----------
        series
            The series.
        time_axis
            Which axis is time: its number, or the name of a dimension.
        coord
            The 1-D coordinate along it, where an axis of the patcher needs one.

        Returns
        -------
        int
            Anchors.

        """
        return len(self.anchors(series, time_axis, coord=coord))

    def patches_at(
        self, series: SeriesLike, anchor: int, time_axis: TimeAxis = 0, *, coord: ArrayLike | None = None
    ) -> list[TemporalPatch[object]]:
        """Return the patches of one step, as `split` gives them: one, or one for each slice of the geometry.

        Parameters
        ----------
        series
            The series.
        anchor
            The step; it need not be one of the sampler's.
        time_axis
            Which axis is time: its number, or the name of a dimension.
        coord
            The 1-D coordinate along it, where an axis of the patcher needs one.

        Returns
        -------
        list of TemporalPatch
            In the order of the geometry's slices.

        """
        source = series_of(series, time_axis)
        return [self.patch_of(source, anchor, steps) for steps in self.timing(source, coord).at(anchor)]

    def split(
        self,
        series: SeriesLike,
        time_axis: TimeAxis = 0,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        *,
        coord: ArrayLike | None = None,
        prefetch: int = 0,
    ) -> Stream[TemporalPatch[object]]:
        """Return the patches of a series, each read when it is asked for.

        Parameters
        ----------
        series
            The series.
        time_axis
            Which axis is time: its number, or the name of a dimension.
        hooks
            Objects that hear of patches, see `geopatcher.hooks`; an anchor is a step.
        coord
            The 1-D coordinate along the axis, where an axis of the patcher needs one; of a `DataArray` or a
            table its own by default.
        prefetch
            How many patches a thread reads ahead; 0 by default.

        Returns
        -------
        Stream
            An iterator of `TemporalPatch` with a length and ``close()``.

        Raises
        ------
        ValueError
            There is no such axis, or no coordinate where one is needed.

        Examples
        --------
        >>> import numpy as np
        >>> from geopatcher import (TemporalCausalBoxcar, TemporalFixedLookback, TemporalMean,
        ...     TemporalPatcher, TemporalRegularStride)
        >>> patcher = TemporalPatcher(TemporalFixedLookback(3), TemporalRegularStride(4),
        ...     TemporalCausalBoxcar(), TemporalMean())
        >>> list(patcher.split(np.zeros((10, 20, 30))))  # doctest: +NORMALIZE_WHITESPACE
        [TemporalPatch(ndarray (1, 20, 30) at 0, steps 0:1),
         TemporalPatch(ndarray (3, 20, 30) at 4, steps 2:5),
         TemporalPatch(ndarray (3, 20, 30) at 8, steps 6:9)]

        """
        source = series_of(series, time_axis)
        timing = self.timing(source, coord)

        def read() -> Generator[TemporalPatch[object], None, None]:
            for anchor, steps in timing:
                yield self.patch_of(source, anchor, steps)

        def anchors() -> Iterator[int]:
            return (anchor for anchor, _ in timing)

        return Pass(anchors, read, timing.__len__, Hooks.of(hooks), prefetch).stream()

    def asplit(
        self,
        series: SeriesLike,
        time_axis: TimeAxis = 0,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        *,
        coord: ArrayLike | None = None,
        prefetch: int = 0,
    ) -> AsyncGenerator[TemporalPatch[object], None]:
        """Return the patches of a series to be awaited: ``async for patch in patcher.asplit(series)``.

        Each is read in a thread, while other tasks run; hooks are called there.

        Parameters
        ----------
        series, time_axis, hooks, coord, prefetch
            As for `split`.

        Returns
        -------
        AsyncGenerator
            The patches that `split` gives.

        """
        return awaited(self.split(series, time_axis, hooks, coord=coord, prefetch=prefetch))

    def merge(
        self,
        patches: Iterable[TemporalPatch[object]],
        hooks: Iterable[AnyHook] | AnyHook | None = None,
    ) -> R_co:
        """Return what this patcher's aggregation makes of patches.

        Parameters
        ----------
        patches
            Any iterable of `TemporalPatch`; lazily, where it is lazy.
        hooks
            Objects that hear of begin and end; none by default.

        Returns
        -------
        object
            As of the aggregation's ``merge``.

        """
        told = Hooks.of(hooks)
        told.merge_start(len(patches) if isinstance(patches, Sized) else None)
        result = self.aggregation.merge(patches)
        told.merge_end(bytes_of(result))
        return result

    def weights_of(self, steps: slice) -> NDArray[np.floating]:
        """Return how much each step of a patch counts, ``(steps,)``.

        Parameters
        ----------
        steps
            The steps of the patch.

        Returns
        -------
        numpy.ndarray
            ``(steps,)`` floats.

        """
        return np.asarray(self.window.weights(self.geometry, steps.stop - steps.start))

    def patch_of(self, series: Series, anchor: int, steps: slice) -> TemporalPatch[object]:
        """Return some steps of a series as a patch.

        Parameters
        ----------
        series
            What steps are read from.
        anchor
            The step the patch belongs to.
        steps
            Its steps.

        Returns
        -------
        TemporalPatch
            With its data and weights.

        """
        try:
            data = series.read(steps)
        except Exception as error:
            error.add_note(f"while steps {steps.start}:{steps.stop} of {series.name} were read")
            raise
        return TemporalPatch(data, anchor, steps, self.weights_of(steps))
