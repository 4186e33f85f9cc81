"""Several fields with an axis of time at once: each cut at the places and steps of the primary one."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from geopatcher.accumulators.base import SpatialAggregation
from geopatcher.api.configs import ConfiguredParts
from geopatcher.engine.hooks import Hooks
from geopatcher.patchers.cubes import cube_of, domain_of
from geopatcher.patchers.fan_out import fan_out
from geopatcher.patchers.matched_field import known_cells, on_one_grid, told_grid
from geopatcher.patchers.matched_patches import PRIMARY_KEY, MatchedSpatioTemporalPatch, check_names
from geopatcher.patchers.matching import all_known, check_members, same_extent, time_axis_of, together
from geopatcher.patchers.streams import Pass, awaited, bytes_of
from geopatcher.temporal.aggregations import TemporalAggregation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable, Iterator

    from numpy.typing import ArrayLike, NDArray

    from geopatcher.engine.hooks import PatcherHook
    from geopatcher.patchers.cubes import Cube
    from geopatcher.patchers.matched_field import MatchedField
    from geopatcher.patchers.spatiotemporal import SpatioTemporalPatcher
    from geopatcher.patchers.streams import Stream
    from geopatcher.temporal.patch import SpatioTemporalPatch

#: How a source is put together: over space, over time, or both.
Aggregator: TypeAlias = (
    SpatialAggregation | TemporalAggregation[object] | tuple[SpatialAggregation, TemporalAggregation[object]]
)


@dataclass
class MatchedSpatioTemporalPatcher(ConfiguredParts):
    """Cuts several fields at the same places and steps, and puts each together by itself.

    All sources of a `MatchedField` have the height, width and steps of the primary one. A function of
    ``coreg`` is given the patch of its source and that of the primary one.

    Parameters
    ----------
    primary
        A `SpatioTemporalPatcher`, which says where and when the patches are.
    secondary_aggregators
        How others are put together, by their names: an aggregation over space, one over time, or a pair of
        both; what is not said is as for the primary one.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import (SpatialHann, SpatialMax, SpatialOverlapAdd, SpatialPatcher,
    ...     SpatialRectangular, SpatialRegularStride, SpatioTemporalPatcher, TemporalCausalBoxcar,
    ...     TemporalFixedLookback, TemporalMean, TemporalPatcher, TemporalRegularStride)
    >>> from geopatcher.matched import MatchedField, MatchedSpatioTemporalPatcher
    >>> space = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(8), SpatialHann(),
    ...     SpatialOverlapAdd())
    >>> time = TemporalPatcher(TemporalFixedLookback(1), TemporalRegularStride(1), TemporalCausalBoxcar(),
    ...     TemporalMean())
    >>> patcher = MatchedSpatioTemporalPatcher(SpatioTemporalPatcher(space, time), {"rain": SpatialMax()})
    >>> field = MatchedField(np.zeros((4, 16, 16)), {"rain": np.ones((4, 16, 16))})
    >>> merged = patcher.merge(patcher.split(field), field)
    >>> {name: (result.shape, float(result.max())) for name, result in merged.items()}
    {'primary': ((1, 16, 16), 0.0), 'rain': ((1, 16, 16), 1.0)}

    """

    primary: SpatioTemporalPatcher[object]
    secondary_aggregators: Mapping[str, Aggregator] = field(default_factory=dict)

    def split(
        self,
        mfield: MatchedField,
        hooks: Iterable[PatcherHook] | PatcherHook | None = None,
        *,
        coord: ArrayLike | None = None,
        prefetch: int = 0,
    ) -> Stream[MatchedSpatioTemporalPatch]:
        """Return the patches of all fields, each read when it is asked for.

        Parameters
        ----------
        mfield
            The fields.
        hooks
            Objects that hear of patches, see `geopatcher.hooks`; an anchor is ``((row, col), step)``.
        coord
            The 1-D coordinate along the axis of time, where an axis of the patcher needs one.
        prefetch
            How many patches a thread reads ahead; 0 by default.

        Returns
        -------
        Stream
            An iterator of `MatchedSpatioTemporalPatch` with a length and ``close()``.

        Raises
        ------
        ValueError
            ``secondary_aggregators`` names a field that is not there, or one has another height, width or
            number of steps than the primary one.

        """
        check_names(self.secondary_aggregators, mfield.secondaries, "of the secondaries, the field")
        where = self.primary.space_time(mfield.primary, coord)
        for name, source in mfield.secondaries.items():
            _check_cube(name, cube_of(source, self.primary.time_axis), where.cube)

        def read() -> Generator[MatchedSpatioTemporalPatch, None, None]:
            given = where.timing.coord
            streams = {
                name: self.primary.split(source, coord=given) for name, source in mfield.sources.items()
            }
            for members in together(where.pairs(), streams):
                yield self._matched(mfield, members)

        return Pass(where.pairs, read, where.count, Hooks.of(hooks), prefetch).stream()

    def asplit(
        self,
        mfield: MatchedField,
        hooks: Iterable[PatcherHook] | PatcherHook | None = None,
        *,
        coord: ArrayLike | None = None,
        prefetch: int = 0,
    ) -> AsyncGenerator[MatchedSpatioTemporalPatch, None]:
        """Return the patches to be awaited: ``async for patch in patcher.asplit(mfield)``.

        Parameters
        ----------
        mfield, hooks, coord, prefetch
            As for `split`.

        Returns
        -------
        AsyncGenerator
            The patches that `split` gives.

        """
        return awaited(self.split(mfield, hooks, coord=coord, prefetch=prefetch))

    def _matched(
        self, mfield: MatchedField, found: Mapping[str, SpatioTemporalPatch[object]]
    ) -> MatchedSpatioTemporalPatch:
        primary = found[PRIMARY_KEY]
        members = {PRIMARY_KEY: primary}
        for name in mfield.secondaries:
            data = mfield.brought(name, found[name].data, primary.data)
            if name in mfield.coreg:
                same_extent(name, data, primary.data, slice(-2, None))
            members[name] = primary.with_data(data)
        mask = None
        if mfield.valid_mask:
            known = (self._known(patch.data) for patch in members.values())
            mask = all_known(known, (-3, -2, -1))
        return MatchedSpatioTemporalPatch(primary.anchor, members, mask, primary.weights)

    def _known(self, data: object) -> NDArray[np.bool_]:
        """Return where data is there, time next to rows and columns."""
        known = known_cells(data)
        if known.ndim < 3:  # a function of coreg may return one picture for all steps
            return known
        return np.moveaxis(known, time_axis_of(data, self.primary.time_axis), -3)

    def merge(
        self,
        patches: Iterable[MatchedSpatioTemporalPatch],
        mfield: MatchedField,
        hooks: Iterable[PatcherHook] | PatcherHook | None = None,
    ) -> dict[str, object]:
        """Put the patches of each field together, all in one pass.

        Parameters
        ----------
        patches
            Any iterable of `MatchedSpatioTemporalPatch`, those of one step together, as `split` gives them.
        mfield
            The fields, for their grid.
        hooks
            Objects that hear of begin and end; none by default.

        Returns
        -------
        dict
            ``{"primary": result, name: result}``, each as of `SpatioTemporalPatcher.merge`.

        Raises
        ------
        ValueError
            A patch has a field that is not there, or lacks one.

        """
        check_names(self.secondary_aggregators, mfield.secondaries, "of the secondaries, the field")
        told = Hooks.of(hooks)
        told.merge_start(len(patches) if isinstance(patches, Sized) else None)
        takers = {name: partial(self._merged, mfield, name) for name in mfield.sources}
        results = fan_out(check_members(patches, mfield.sources), takers)
        told.merge_end(bytes_of(results))
        return results

    def _merged(
        self, mfield: MatchedField, name: str, patches: Iterator[MatchedSpatioTemporalPatch]
    ) -> object:
        members = (patch.members[name] for patch in patches)
        return self._patcher(name).merge(members, mfield.primary)

    def _patcher(self, name: str) -> SpatioTemporalPatcher[object]:
        """Return the primary patcher with the aggregations of a source."""
        given = self.secondary_aggregators.get(name, ())
        spatial, temporal = self.primary.spatial, self.primary.temporal
        for aggregation in given if isinstance(given, tuple) else (given,):
            if isinstance(aggregation, TemporalAggregation):
                temporal = replace(temporal, aggregation=aggregation)
            else:
                spatial = replace(spatial, aggregation=aggregation)
        return replace(self.primary, spatial=spatial, temporal=temporal)


def _check_cube(name: str, cube: Cube, primary: Cube) -> None:
    """Refuse a field that has other places or steps than the primary one."""
    its, mine = domain_of(cube), domain_of(primary)
    if cube.n_steps != primary.n_steps or not on_one_grid(its, mine):
        raise ValueError(
            f"{name!r} has {cube.n_steps} steps of {told_grid(its)}, and the primary field "
            f"{primary.n_steps} of {told_grid(mine)}: bring it to the grid and the steps of that first"
        )
    labels, others = primary.labels(), cube.labels()
    if (
        labels is not None
        and others is not None
        and not np.array_equal(np.asarray(labels), np.asarray(others))
    ):
        raise ValueError(
            f"{name!r} has other labels along time than the primary field: interpolate it to those first"
        )
