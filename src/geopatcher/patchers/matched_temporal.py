"""Several series at once: each cut at the steps of the primary one."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.api.configs import ConfiguredParts
from geopatcher.engine.hooks import Hooks
from geopatcher.fields.plain_field import array_of
from geopatcher.patchers.fan_out import fan_out
from geopatcher.patchers.matched_field import known_cells
from geopatcher.patchers.matched_patches import PRIMARY_KEY, MatchedTemporalPatch, check_names
from geopatcher.patchers.matching import all_known, check_members, time_axis_of
from geopatcher.patchers.series import series_of
from geopatcher.patchers.streams import Pass, awaited, bytes_of
from geopatcher.temporal.coordinates import as_coordinate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray

    from geopatcher.core.protocols import Array
    from geopatcher.engine.hooks import PatcherHook
    from geopatcher.patchers.matched_field import MatchedField
    from geopatcher.patchers.series import Series, TimeAxis
    from geopatcher.patchers.streams import Stream
    from geopatcher.patchers.temporal import TemporalPatcher
    from geopatcher.temporal.aggregations import TemporalAggregation
    from geopatcher.temporal.patch import TemporalPatch


@dataclass
class MatchedTemporalPatcher(ConfiguredParts):
    """Cuts several series at the same steps, and aggregates each by itself.

    Sources of a `MatchedField` are then what a `TemporalPatcher` takes. A secondary series has the steps of
    the primary one. One with other steps needs a function of ``coreg`` and, like the primary one, labels: it
    is given the steps from the first label of the primary patch to the last.

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

    primary: TemporalPatcher[object]
    secondary_aggregators: Mapping[str, TemporalAggregation[object]] = field(default_factory=dict)

    def split(
        self,
        mfield: MatchedField,
        time_axis: TimeAxis = 0,
        hooks: Iterable[PatcherHook] | PatcherHook | None = None,
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
        check_names(self.secondary_aggregators, mfield.secondaries, "of the secondaries, the field")
        sources = {name: series_of(source, time_axis) for name, source in mfield.sources.items()}  # type: ignore[arg-type]
        primary = sources[PRIMARY_KEY]
        placed = {name: _placed(name, sources[name], primary, mfield) for name in mfield.secondaries}
        timing = self.primary.timing(primary, coord)

        def read() -> Generator[MatchedTemporalPatch, None, None]:
            for anchor, steps in timing:
                patch = self.primary.patch_of(primary, anchor, steps)
                members = {PRIMARY_KEY: patch}
                for name, where in placed.items():
                    raw = sources[name].read(where(steps))
                    data = mfield.brought(name, raw, patch.data)
                    members[name] = patch.with_data(data)
                    if name in mfield.coreg:
                        _check_steps(name, data, patch.data, time_axis)
                mask = _mask(members, time_axis) if mfield.valid_mask else None
                yield MatchedTemporalPatch(anchor, members, mask, patch.weights)

        def anchors() -> Iterator[int]:
            return (anchor for anchor, _ in timing)

        return Pass(anchors, read, timing.__len__, Hooks.of(hooks), prefetch).stream()

    def asplit(
        self,
        mfield: MatchedField,
        time_axis: TimeAxis = 0,
        hooks: Iterable[PatcherHook] | PatcherHook | None = None,
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

    def merge(
        self,
        patches: Iterable[MatchedTemporalPatch],
        mfield: MatchedField,
        hooks: Iterable[PatcherHook] | PatcherHook | None = None,
    ) -> dict[str, object]:
        """Aggregate the patches of each series, all in one pass.

        Parameters
        ----------
        patches
            Any iterable of `MatchedTemporalPatch`; lazily, where it is lazy.
        mfield
            The series, for their names.
        hooks
            Objects that hear of begin and end; none by default.

        Returns
        -------
        dict
            ``{"primary": result, name: result}``: what the aggregation of each makes of its patches.

        Raises
        ------
        ValueError
            A patch has a series that is not there, or lacks one.

        """
        check_names(self.secondary_aggregators, mfield.secondaries, "of the secondaries, the field")
        told = Hooks.of(hooks)
        told.merge_start(len(patches) if isinstance(patches, Sized) else None)
        takers = {name: partial(self._aggregate, name) for name in mfield.sources}
        results = fan_out(check_members(patches, mfield.sources), takers)
        told.merge_end(bytes_of(results))
        return results

    def _aggregate(self, name: str, patches: Iterator[MatchedTemporalPatch]) -> object:
        aggregation = self.secondary_aggregators.get(name, self.primary.aggregation)
        return aggregation.merge(patch.members[name] for patch in patches)


def _placed(name: str, source: Series, primary: Series, mfield: MatchedField) -> Callable[[slice], slice]:
    """Return what gives the steps of a secondary series for those of the primary one."""
    mine, its = primary.labels(), source.labels()
    if mine is None or its is None:
        if source.n_steps == primary.n_steps:
            return _same
        raise ValueError(
            f"{name!r} has {source.n_steps} steps and the primary series {primary.n_steps}, and without "
            f"labels of both nothing says which belong together: give DataArrays with a coordinate, or cut "
            f"it to the steps of the primary one"
        )
    if source.n_steps == primary.n_steps and np.array_equal(np.asarray(mine), np.asarray(its)):
        return _same
    if name not in mfield.coreg:
        raise ValueError(
            f"{name!r} has other labels than the primary series: interpolate it to those, or give "
            f"coreg={{{name!r}: f}} with a function f(raw, primary) that brings a patch to the steps of the "
            f"primary one"
        )
    labels = as_coordinate(mine, "the labels of the primary series")
    return partial(_between, labels, as_coordinate(its, f"the labels of {name!r}"))


def _same(steps: slice) -> slice:
    return steps


def _between(labels: Array, others: Array, steps: slice) -> slice:
    """Return the steps whose labels lie between the first and the last of some."""
    first = np.searchsorted(others, labels[steps.start], "left")
    last = np.searchsorted(others, labels[steps.stop - 1], "right")
    return slice(int(first), int(last))


def _steps_of(data: object, time_axis: TimeAxis) -> int:
    return int(array_of(data).shape[time_axis_of(data, time_axis)])


def _check_steps(name: str, data: object, primary: object, time_axis: TimeAxis) -> None:
    found, wanted = _steps_of(data, time_axis), _steps_of(primary, time_axis)
    if found != wanted:
        raise ValueError(
            f"the data of {name!r} came back with {found} steps, and the patch of the primary series has "
            f"{wanted}: coreg[{name!r}] has to return those of the primary patch"
        )


def _mask(members: Mapping[str, TemporalPatch[object]], time_axis: TimeAxis) -> NDArray[np.bool_]:
    """Return at which steps all series have data, all of it: ``(steps,)``."""
    known = (
        np.moveaxis(known_cells(patch.data), time_axis_of(patch.data, time_axis), -1)
        for patch in members.values()
    )
    return all_known(known, (-1,))
