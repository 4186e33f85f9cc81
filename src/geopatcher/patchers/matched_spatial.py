"""The patchers of several sources at once: each cuts as the patcher of the primary source does."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from geopatcher.accumulators.protocols import Merges
from geopatcher.api.patcher import SpatialPatcher
from geopatcher.core.box import box_of
from geopatcher.core.protocols import RectGeometry
from geopatcher.engine.hooks import Hooks
from geopatcher.patchers.matched_base import MatchedPatcher, members_of
from geopatcher.patchers.matched_field import known_cells
from geopatcher.patchers.matched_patches import PRIMARY_KEY, MatchedPatch
from geopatcher.patchers.matching import all_known, same_grid, together
from geopatcher.patchers.streams import Pass, awaited

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from geopatcher.core.patch import Patch
    from geopatcher.engine.hooks import AnyHook
    from geopatcher.patchers.matched_field import MatchedField
    from geopatcher.patchers.streams import Stream


class MatchedSpatialPatcher(MatchedPatcher[SpatialPatcher[object], Merges[object], MatchedPatch]):
    """Cuts several fields at the same places, and stitches each by itself.

    Parameters
    ----------
    primary
        A `SpatialPatcher`, which says where patches are; it also cuts the others, and stitches those for
        which nothing else is said.
    secondary_aggregators
        How others are stitched, by their names: `SpatialMode` for labels, say.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import (SpatialHann, SpatialMax, SpatialOverlapAdd, SpatialPatcher,
    ...     SpatialRectangular, SpatialRegularStride)
    >>> from geopatcher.matched import MatchedField, MatchedSpatialPatcher
    >>> patcher = MatchedSpatialPatcher(
    ...     SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
    ...         SpatialOverlapAdd()),
    ...     {"dem": SpatialMax()})
    >>> field = MatchedField(np.zeros((3, 20, 30)), {"dem": np.ones((20, 30))})
    >>> merged = patcher.merge(patcher.split(field), field)
    >>> {name: result.shape for name, result in merged.items()}
    {'primary': (3, 20, 30), 'dem': (20, 30)}

    """

    def split(
        self,
        mfield: MatchedField,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        *,
        prefetch: int = 0,
    ) -> Stream[MatchedPatch]:
        """Return the patches of all sources, each read when it is asked for.

        A place that is left out of one of them, by ``on_error="skip"``, is left out of all.

        Parameters
        ----------
        mfield
            The sources.
        hooks
            Objects that hear of patches, see `geopatcher.hooks`; none by default.
        prefetch
            How many patches a thread reads ahead; 0 by default.

        Returns
        -------
        Stream
            An iterator of `MatchedPatch` with a length and ``close()``.

        Raises
        ------
        ValueError
            ``secondary_aggregators`` names a source that is not there, or a source lies on another grid and
            no ``coreg`` brings it here.

        """
        self.check(mfield)
        aligned = [name for name in mfield.secondaries if mfield.is_aligned(name)]
        primary = mfield.fields[PRIMARY_KEY]

        def anchors() -> Iterator[object]:
            return iter(self.primary.anchors(primary))

        def read() -> Generator[MatchedPatch, None, None]:
            streams = {name: self.primary.split(mfield.fields[name]) for name in (PRIMARY_KEY, *aligned)}
            for members in together(anchors(), streams):
                yield self.matched(mfield, members)

        count = partial(self.primary.n_anchors, primary)
        return Pass(anchors, read, count, Hooks.of(hooks), prefetch).stream()

    def asplit(
        self,
        mfield: MatchedField,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        *,
        prefetch: int = 0,
    ) -> AsyncGenerator[MatchedPatch, None]:
        """Return the patches to be awaited: ``async for patch in patcher.asplit(mfield)``.

        Parameters
        ----------
        mfield, hooks, prefetch
            As for `split`.

        Returns
        -------
        AsyncGenerator
            The patches that `split` gives.

        """
        return awaited(self.split(mfield, hooks, prefetch=prefetch))

    def matched(
        self,
        mfield: MatchedField,
        found: Mapping[str, Patch[object]],
        marks: Mapping[str, NDArray[np.bool_] | None] | None = None,
    ) -> MatchedPatch:
        """Return patches of sources at one place as one, with those that lie on other grids.

        Parameters
        ----------
        mfield
            The sources.
        found
            The patch of the primary source by `PRIMARY_KEY`, and those of others on its grid by their names.
        marks
            Of the same, where their sources say that they have data, ``None`` for everywhere; as of
            `MatchedField.marked` by default, which reads them.

        Returns
        -------
        MatchedPatch
            Of all sources.

        Raises
        ------
        ValueError
            What ``coreg`` brings has another height and width.

        """
        primary = found[PRIMARY_KEY]

        def raw(name: str) -> object:
            return found[name].data if name in found else self._elsewhere(mfield, name, primary)

        members = members_of(mfield, primary, raw, same_grid)
        mask = None
        if mfield.valid_mask:
            told = self._marks(mfield, found) if marks is None else marks
            values = (
                known_cells(patch.data, None if name in mfield.coreg else mfield.missing(name))
                for name, patch in members.items()
            )
            said = (mark for name, mark in told.items() if mark is not None and name not in mfield.coreg)
            mask = all_known(chain(values, said), (-2, -1))
        return MatchedPatch(primary.anchor, members, mask, primary.weights)

    def _marks(
        self, mfield: MatchedField, found: Mapping[str, Patch[object]]
    ) -> dict[str, NDArray[np.bool_] | None]:
        geometry = self.primary.geometry
        mirrored = isinstance(geometry, RectGeometry) and geometry.boundary != "pad"
        return {
            name: None if patch.indices is None else mfield.marked(name, box_of(patch.indices), mirrored)
            for name, patch in found.items()
        }

    def _elsewhere(self, mfield: MatchedField, name: str, primary: Patch[object]) -> object:
        """Return what a source on another grid has where the primary patch is."""
        if primary.indices is None:  # those that `split` gives say where they are
            raise ValueError(f"the patch at {primary.anchor} does not say which pixels it has")
        return mfield.fields[name].select(mfield.window_of(name, primary.indices))

    def _merged(self, mfield: MatchedField, name: str, patches: Iterator[MatchedPatch]) -> object:
        grid = mfield.domain.with_bands((), n_bands=None, dtype=mfield.domain.dtype)
        domain = replace(grid, nodata=None if name in mfield.coreg else mfield.missing(name))
        aggregation = self.secondary_aggregators.get(name, self.primary.aggregation)
        return aggregation.merge((patch.members[name] for patch in patches), domain)
