"""Several series at once: each cut at the steps of the primary one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.engine.hooks import Hooks
from geopatcher.fields.plain_field import array_of
from geopatcher.patchers.matched_base import MatchedPatcher, members_of
from geopatcher.patchers.matched_field import known_cells
from geopatcher.patchers.matched_patches import PRIMARY_KEY, MatchedTemporalPatch
from geopatcher.patchers.matching import all_known, time_axis_of
from geopatcher.patchers.placed_steps import PlacedSeries, choice_of
from geopatcher.patchers.series import nodata_in, series_of
from geopatcher.patchers.streams import Pass, awaited
from geopatcher.patchers.temporal import TemporalPatcher
from geopatcher.temporal.aggregations import TemporalAggregation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

    from geopatcher.engine.hooks import AnyHook
    from geopatcher.patchers.matched_field import MatchedField
    from geopatcher.patchers.series import Series, TimeAxis
    from geopatcher.patchers.streams import Stream
    from geopatcher.temporal.patch import TemporalPatch


class MatchedTemporalPatcher(
    MatchedPatcher[TemporalPatcher[object], TemporalAggregation[object], MatchedTemporalPatch]
):
    """Cuts several series at the same steps, and aggregates each by itself.

    Sources of a `MatchedField` are then what a `TemporalPatcher` takes. A secondary series has the steps of
    the primary one. One with other steps needs labels, like the primary one, and is brought to its steps by
    ``reindex``, or by a function of ``coreg``, which is given the steps from the first label of the primary
    patch to the last.

    Parameters
    ----------
    primary
        A `TemporalPatcher`, which says where the patches are; it also aggregates the others for which
        nothing else is said.
    secondary_aggregators
        How others are aggregated, by their names.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import (TemporalCausalBoxcar, TemporalFixedLookback, TemporalForecast, TemporalMean,
    ...     TemporalPatcher, TemporalRegularStride)
    >>> from geopatcher.matched import MatchedField, MatchedTemporalPatcher
    >>> patcher = MatchedTemporalPatcher(TemporalPatcher(TemporalFixedLookback(1), TemporalRegularStride(2),
    ...     TemporalCausalBoxcar(), TemporalForecast()), {"rain": TemporalMean()})
    >>> series = MatchedField(np.arange(4), {"rain": np.array([0.0, 1.0, 2.0, 3.0])})
    >>> patcher.merge(patcher.split(series), series)
    {'primary': {0: array([0]), 2: array([2])}, 'rain': array([1.])}

    """

    def split(
        self,
        mfield: MatchedField,
        time_axis: TimeAxis = 0,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        *,
        coord: ArrayLike | None = None,
        prefetch: int = 0,
    ) -> Stream[MatchedTemporalPatch]:
        """Return the patches of all series, each read when it is asked for.

        Parameters
        ----------
        mfield
            The series.
        time_axis
            Which axis of each is time: its number, or the name of a dimension.
        hooks
            Objects that hear of patches, see `geopatcher.hooks`; an anchor is a step.
        coord
            The 1-D coordinate along the axis of the primary series, where an axis of the patcher needs one.
        prefetch
            How many patches a thread reads ahead; 0 by default.

        Returns
        -------
        Stream
            An iterator of `MatchedTemporalPatch` with a length and ``close()``.

        Raises
        ------
        ValueError
            ``secondary_aggregators`` names a series that is not there, or one has other steps and nothing
            brings it to those of the primary one.

        """
        self.check(mfield)
        sources = {name: series_of(source, time_axis) for name, source in mfield.sources.items()}  # type: ignore[arg-type]
        told = {name: nodata_in(source) for name, source in mfield.sources.items()}
        missing = {name: None if name in mfield.coreg else value for name, value in told.items()}
        primary = sources.pop(PRIMARY_KEY)
        timing = self.primary.timing(primary, coord)
        placed: dict[str, Series | PlacedSeries] = {}
        for name, source in sources.items():
            choice = choice_of(name, source, primary, coord, mfield, time_axis)
            placed[name] = source if choice is None else PlacedSeries(source, choice)

        def read() -> Generator[MatchedTemporalPatch, None, None]:
            for anchor, steps in timing:
                patch = self.primary.patch_of(primary, anchor, steps)
                raw = {name: source.read(steps) for name, source in placed.items()}
                check = partial(_check_steps, time_axis)
                members = members_of(mfield, patch, raw.__getitem__, check)
                mask = _mask(members, missing, time_axis) if mfield.valid_mask else None
                yield MatchedTemporalPatch(anchor, members, mask, patch.weights)

        def anchors() -> Iterator[int]:
            return (anchor for anchor, _ in timing)

        return Pass(anchors, read, timing.__len__, Hooks.of(hooks), prefetch).stream()

    def asplit(
        self,
        mfield: MatchedField,
        time_axis: TimeAxis = 0,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        *,
        coord: ArrayLike | None = None,
        prefetch: int = 0,
    ) -> AsyncGenerator[MatchedTemporalPatch, None]:
        """Return the patches to be awaited: ``async for patch in patcher.asplit(mfield)``.

        Parameters
        ----------
        mfield, time_axis, hooks, coord, prefetch
            As for `split`.

        Returns
        -------
        AsyncGenerator
            The patches that `split` gives.

        """
        return awaited(self.split(mfield, time_axis, hooks, coord=coord, prefetch=prefetch))

    def _merged(self, mfield: MatchedField, name: str, patches: Iterator[MatchedTemporalPatch]) -> object:
        _ = mfield
        aggregation = self.secondary_aggregators.get(name, self.primary.aggregation)
        return aggregation.merge(patch.members[name] for patch in patches)


def _steps_of(data: object, time_axis: TimeAxis) -> int:
    return int(array_of(data).shape[time_axis_of(data, time_axis)])


def _check_steps(time_axis: TimeAxis, name: str, data: object, primary: object) -> None:
    found, wanted = _steps_of(data, time_axis), _steps_of(primary, time_axis)
    if found != wanted:
        raise ValueError(
            f"the data of {name!r} came back with {found} steps, and the patch of the primary series has "
            f"{wanted}: coreg[{name!r}] has to return those of the primary patch"
        )


def _mask(
    members: Mapping[str, TemporalPatch[object]],
    missing: Mapping[str, float | int | None],
    time_axis: TimeAxis,
) -> NDArray[np.bool_]:
    """Return at which steps all series have data, all of it: ``(steps,)``."""
    known = (
        np.moveaxis(known_cells(patch.data, missing[name]), time_axis_of(patch.data, time_axis), -1)
        for name, patch in members.items()
    )
    return all_known(known, (-1,))
