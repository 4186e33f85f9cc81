"""The patcher over space and time: each place at each step, or pairs of both."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias

from geopatcher.api.configs import ConfiguredParts
from geopatcher.core.typevars import R_co
from geopatcher.engine.hooks import Hooks
from geopatcher.patchers.cubes import cube_of, domain_of
from geopatcher.patchers.space_time import SpaceTime
from geopatcher.patchers.stitching import grouped, stitched
from geopatcher.patchers.streams import Pass, awaited, bytes_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from numpy.typing import ArrayLike

    from geopatcher.api.patcher import SpatialPatcher
    from geopatcher.engine.hooks import AnyHook
    from geopatcher.patchers.cubes import CubeLike
    from geopatcher.patchers.streams import Stream
    from geopatcher.patchers.temporal import TemporalPatcher
    from geopatcher.temporal.patch import SpatioTemporalPatch

Coupling: TypeAlias = Literal["product", "coupled"]
Place: TypeAlias = tuple[int, int]


@dataclass
class SpatioTemporalPatcher(ConfiguredParts, Generic[R_co]):
    """Cuts a field with an axis of time into places at some steps, and puts what becomes of them together.

    The first argument of its methods, ``field``, is an array (NumPy, zarr, Dask) whose last two axes are rows
    and columns, with time and any others before them; a `xarray.DataArray` of time, rows and columns; a
    raster whose bands are the steps; or a field whose ``select`` gives all steps of a window. Of all but the
    last, only the steps and the strip of a patch are read.

    Patches come step by step, and of each step place by place, so that `merge` holds one field at a time.

    Parameters
    ----------
    spatial
        A `SpatialPatcher`: where the places are, and how they become one field.
    temporal
        A `TemporalPatcher`: which steps, and what becomes of the fields of all of them.
    coupling
        ``"product"``: every place with every step. ``"coupled"``: the first place with the first step, and so
        on, as with `SpatialExplicit` and `TemporalExplicit`.
    time_axis
        Which axis of the data is time: 0 by default, or the name of a dimension.

    Raises
    ------
    ValueError
        ``coupling`` is neither.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import (SpatialHann, SpatialOverlapAdd, SpatialPatcher, SpatialRectangular,
    ...     SpatialRegularStride, SpatioTemporalPatcher, TemporalCausalBoxcar, TemporalFixedLookback,
    ...     TemporalOverlapAdd, TemporalPatcher, TemporalRegularStride)
    >>> patcher = SpatioTemporalPatcher(
    ...     SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
    ...         SpatialOverlapAdd()),
    ...     TemporalPatcher(TemporalFixedLookback(3), TemporalRegularStride(2), TemporalCausalBoxcar(),
    ...         TemporalOverlapAdd()))
    >>> cube = np.arange(5 * 12 * 16.0).reshape(5, 12, 16)
    >>> patches = patcher.split(cube)
    >>> len(patches)
    18
    >>> bool(np.allclose(patcher.merge(patches, cube), cube))
    True

    """

    spatial: SpatialPatcher[object]
    temporal: TemporalPatcher[R_co]
    coupling: Coupling = "product"
    time_axis: int | str = 0

    def __post_init__(self) -> None:
        if self.coupling not in ("product", "coupled"):
            raise ValueError(f'coupling={self.coupling!r} is neither "product" nor "coupled"')
        if not isinstance(self.time_axis, str):
            self.time_axis = index(self.time_axis)

    def space_time(self, field: CubeLike, coord: ArrayLike | None = None) -> SpaceTime:
        """Return where and when the patches of a field are.

        Parameters
        ----------
        field
            The field.
        coord
            The coordinate along its axis of time.

        Returns
        -------
        SpaceTime
            Places and steps.

        """
        cube = cube_of(field, self.time_axis)
        timing = self.temporal.timing(cube, coord)
        return SpaceTime(self.spatial, self.temporal, cube, timing, self.coupling == "coupled")

    def split(
        self,
        field: CubeLike,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        *,
        coord: ArrayLike | None = None,
        prefetch: int = 0,
    ) -> Stream[SpatioTemporalPatch[object]]:
        """Return the patches of a field, each read when it is asked for.

        Parameters
        ----------
        field
            The field.
        hooks
            Objects that hear of patches, see `geopatcher.hooks`; an anchor is ``((row, col), step)``.
        coord
            The 1-D coordinate along the axis of time, where an axis of ``temporal`` needs one; of a
            `DataArray` its own by default.
        prefetch
            How many patches a thread reads ahead; 0 by default.

        Returns
        -------
        Stream
            An iterator of `SpatioTemporalPatch` with a length and ``close()``.

        Raises
        ------
        ValueError
            There is no such axis of time, or no coordinate where one is needed; coupled places and steps are
            not as many.

        """
        where = self.space_time(field, coord)
        if where.coupled:
            where.count()  # which checks that there are as many places as steps
        return Pass(where.pairs, where.patches, where.count, Hooks.of(hooks), prefetch).stream()

    def asplit(
        self,
        field: CubeLike,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        *,
        coord: ArrayLike | None = None,
        prefetch: int = 0,
    ) -> AsyncGenerator[SpatioTemporalPatch[object], None]:
        """Return the patches of a field to be awaited: ``async for patch in patcher.asplit(field)``.

        Each is read in a thread, while other tasks run; hooks are called there.

        Parameters
        ----------
        field, hooks, coord, prefetch
            As for `split`.

        Returns
        -------
        AsyncGenerator
            The patches that `split` gives.

        """
        return awaited(self.split(field, hooks, coord=coord, prefetch=prefetch))

    def merge(
        self,
        patches: Iterable[SpatioTemporalPatch[object]],
        field: CubeLike,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
    ) -> R_co:
        """Return what becomes of patches: stitched over space at each step, then aggregated over time.

        Parameters
        ----------
        patches
            Any iterable of `SpatioTemporalPatch`; those of one step together, as `split` gives them.
        field
            The field, for its grid.
        hooks
            Objects that hear of begin and end; none by default.

        Returns
        -------
        object
            As of the temporal aggregation's ``merge``, given one field for each step: what patches have
            before rows and columns, then height and width.

        Raises
        ------
        ValueError
            Patches of a step come after those of others.

        """
        told = Hooks.of(hooks)
        told.merge_start(len(patches) if isinstance(patches, Sized) else None)
        domain = domain_of(cube_of(field, self.time_axis))
        groups = grouped(patches, gather=self.coupling == "coupled")
        fields = (stitched(group, self.spatial.aggregation, self.temporal, domain) for group in groups)
        result = self.temporal.aggregation.merge(fields)
        told.merge_end(bytes_of(result))
        return result
