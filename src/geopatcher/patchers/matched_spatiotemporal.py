"""Several fields with an axis of time at once: each cut at the places and steps of the primary one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from rasterio.windows import Window

from geopatcher.accumulators.base import SpatialAggregation
from geopatcher.core.box import box_of
from geopatcher.core.protocols import RectGeometry
from geopatcher.engine.hooks import Hooks
from geopatcher.fields.open import as_field
from geopatcher.patchers.cubes import cube_of, domain_of
from geopatcher.patchers.matched_base import MatchedPatcher, members_of
from geopatcher.patchers.matched_field import is_placed, known_cells, on_one_grid, told_grid, touched
from geopatcher.patchers.matched_patches import PRIMARY_KEY, MatchedSpatioTemporalPatch
from geopatcher.patchers.matching import all_known, same_grid, time_axis_of, together
from geopatcher.patchers.placed_steps import PlacedCube, choice_of
from geopatcher.patchers.spatiotemporal import SpatioTemporalPatcher
from geopatcher.patchers.streams import Pass, awaited
from geopatcher.temporal.aggregations import TemporalAggregation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

    from geopatcher.core.domain import RasterDomain
    from geopatcher.engine.hooks import AnyHook
    from geopatcher.patchers.cubes import Cube
    from geopatcher.patchers.matched_field import MatchedField
    from geopatcher.patchers.space_time import SpaceTime
    from geopatcher.patchers.streams import Stream
    from geopatcher.temporal.patch import SpatioTemporalPatch


@dataclass(frozen=True)
class Elsewhere:
    """A field with an axis of time on another grid than the primary one."""

    cube: Cube
    primary_grid: RasterDomain
    grid: RasterDomain

    @classmethod
    def of(
        cls, name: str, mfield: MatchedField, cube: Cube, primary_grid: RasterDomain, grid: RasterDomain
    ) -> Elsewhere:
        """Return it, if something brings its patches to the grid of the primary field.

        Raises
        ------
        ValueError
            Nothing does, or one of the two does not say where on the ground it lies.

        """
        both = f"{name!r} is on another grid than the primary field: {told_grid(grid)}, and not "
        if name not in mfield.coreg:
            raise ValueError(
                f"{both}{told_grid(primary_grid)}. Give coreg={{{name!r}: f}} with a function f(raw, "
                f"primary) that brings a patch onto the pixels of the primary one, or of a file "
                f"resampling={{{name!r}: 'nearest'}}"
            )
        if is_placed(primary_grid) != is_placed(grid):
            raise ValueError(
                f"{both}{told_grid(primary_grid)}, and not both say where on the ground they lie: which of "
                f"its pixels belong to a patch cannot be known. Give DataArrays with coordinates of x and y"
            )
        return cls(cube, primary_grid, grid)

    def around(self, patch: SpatioTemporalPatch[object]) -> object:
        """Return what it has at the steps of a patch, on the pixels that the patch touches."""
        if patch.spatial_indices is None or patch.temporal_indices is None:
            raise ValueError(f"the patch at {patch.anchor} does not say which pixels and steps it has")
        box = touched(self.primary_grid, self.grid, box_of(patch.spatial_indices))
        field = as_field(self.cube.at(patch.temporal_indices))
        data = field.select(Window(box.col0, box.row0, box.width, box.height))
        return self.cube.dress(data, patch.temporal_indices)


#: How a source is put together: over space, over time, or both.
Aggregator: TypeAlias = (
    SpatialAggregation | TemporalAggregation[object] | tuple[SpatialAggregation, TemporalAggregation[object]]
)


class MatchedSpatioTemporalPatcher(
    MatchedPatcher[SpatioTemporalPatcher[object], Aggregator, MatchedSpatioTemporalPatch]
):
    """Cuts several fields at the same places and steps, and puts each together by itself.

    Sources of a `MatchedField` have the grid and the steps of the primary one, or are brought there: to other
    steps by ``reindex``, and to another grid by ``resampling``, if they are files, or by a function of
    ``coreg``. That is given the pixels which the primary patch touches (rasters of other sizes, of which none
    says where on the ground it lies, cover the same ground); and, of other steps without ``reindex``, those
    from the first label of the primary patch to the last.

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

    def split(
        self,
        mfield: MatchedField,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
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
            ``secondary_aggregators`` names a field that is not there; or one has another grid or other steps
            than the primary one, and nothing brings it there, or it cannot be known where it lies.

        """
        self.check(mfield)
        where = self.primary.space_time(mfield.primary, coord)
        grid, axis = domain_of(where.cube), self.primary.time_axis
        aligned: dict[str, SpaceTime] = {PRIMARY_KEY: where}
        elsewhere: dict[str, Elsewhere] = {}
        missing = {PRIMARY_KEY: grid.nodata}
        for name, source in mfield.secondaries.items():
            cube = cube_of(mfield.fields[name] if name in mfield.methods else source, axis)
            choice = choice_of(name, cube, where.cube, coord, mfield, axis)
            placed = cube if choice is None else PlacedCube(cube, choice)
            its = domain_of(cube)
            missing[name] = None if name in mfield.coreg else its.nodata
            if on_one_grid(grid, its):
                aligned[name] = replace(where, cube=placed)
            else:
                elsewhere[name] = Elsewhere.of(name, mfield, placed, grid, its)

        def read() -> Generator[MatchedSpatioTemporalPatch, None, None]:
            streams = {name: one.patches() for name, one in aligned.items()}
            for found in together(where.pairs(), streams):
                yield self._matched(mfield, found, elsewhere, missing, grid)

        return Pass(where.pairs, read, where.count, Hooks.of(hooks), prefetch).stream()

    def asplit(
        self,
        mfield: MatchedField,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
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
        self,
        mfield: MatchedField,
        found: Mapping[str, SpatioTemporalPatch[object]],
        elsewhere: Mapping[str, Elsewhere],
        missing: Mapping[str, float | int | None],
        grid: RasterDomain,
    ) -> MatchedSpatioTemporalPatch:
        primary = found[PRIMARY_KEY]

        def raw(name: str) -> object:
            return elsewhere[name].around(primary) if name in elsewhere else found[name].data

        members = members_of(mfield, primary, raw, same_grid)
        mask = None
        if mfield.valid_mask:
            known = (self._known(patch.data, missing[name]) for name, patch in members.items())
            inside = self._inside(primary, grid)
            mask = all_known((*known, inside), (-3, -2, -1))
        return MatchedSpatioTemporalPatch(primary.anchor, members, mask, primary.weights)

    def _inside(self, patch: SpatioTemporalPatch[object], grid: RasterDomain) -> NDArray[np.bool_]:
        """Return which rows and columns of a patch hold the raster, and not what it is padded with."""
        geometry = self.primary.spatial.geometry
        if not isinstance(geometry, RectGeometry) or geometry.boundary != "pad":
            return np.ones((), np.bool_)
        (row, col), (height, width) = patch.anchor[0], geometry.size
        rows, cols = np.arange(row, row + height), np.arange(col, col + width)
        return ((rows >= 0) & (rows < grid.height))[:, np.newaxis] & (cols >= 0) & (cols < grid.width)

    def _known(self, data: object, nodata: float | int | None) -> NDArray[np.bool_]:
        """Return where data is there, time next to rows and columns."""
        known = known_cells(data, nodata)
        if known.ndim < 3:  # a function of coreg may return one picture for all steps
            return known
        return np.moveaxis(known, time_axis_of(data, self.primary.time_axis), -3)

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
