"""Patches of several sources by number, for data loaders: images and their labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

from geopatcher.api.random_access import TILE_CACHE, IndexedPatchView
from geopatcher.patchers.matched_patches import PRIMARY_KEY, MatchedPatch, check_names

if TYPE_CHECKING:
    from typing import SupportsIndex

    from geopatcher.api.anchor_list import Anchors
    from geopatcher.api.patch_cache import PatchCache
    from geopatcher.patchers.matched_field import MatchedField
    from geopatcher.patchers.matched_spatial import MatchedSpatialPatcher


class MatchedPatchView(Sequence[MatchedPatch]):
    """The patches of several sources by number: ``len``, ``view[3]``, ``view[-1]``, ``view[10:20]``.

    As `IndexedPatchView` is to one source: the patches of `MatchedSpatialPatcher.split`, in their order, of
    which nothing but the patch is read. It pickles as patcher and sources, without what it has cached, so
    workers of a loader may be forked or spawned; each opens files for itself.

    Parameters
    ----------
    patcher
        Says where patches are.
    mfield
        An image as the primary source, say, and its labels.
    cache
        As for `IndexedPatchView`; one `geopatcher.PatchCache` serves all sources.
    cache_size
        Most patches of each source to keep in memory.
    tile_cache
        As for `IndexedPatchView`.

    Raises
    ------
    ValueError
        A source lies on another grid, and neither ``resampling`` nor ``coreg`` brings it here;
        ``cache_size`` is less than 1; or the cache has a ``field_id``, which would stand for all sources.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import (MatchedField, MatchedPatchView, MatchedSpatialPatcher, SpatialBoxcar,
    ...     SpatialOverlapAdd, SpatialPatcher, SpatialRandom, SpatialRectangular)
    >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRandom(50, seed=0), SpatialBoxcar(),
    ...     SpatialOverlapAdd())
    >>> pairs = MatchedField(np.zeros((3, 40, 50)), {"label": np.ones((40, 50), "uint8")})
    >>> view = MatchedPatchView(MatchedSpatialPatcher(patcher), pairs)
    >>> len(view), view[7], {name: data.shape for name, data in view[7].data.items()}
    (50, MatchedPatch(primary, label at (2, 40)), {'primary': (3, 8, 8), 'label': (8, 8)})

    """

    def __init__(
        self,
        patcher: MatchedSpatialPatcher,
        mfield: MatchedField,
        cache: bool | PatchCache = False,
        cache_size: int | None = None,
        tile_cache: int | str = TILE_CACHE,
    ) -> None:
        check_names(patcher.secondary_aggregators, mfield.secondaries, "of the secondaries, the field")
        if not isinstance(cache, bool) and cache.field_id is not None and mfield.secondaries:
            raise ValueError(
                f"the cache calls every field {cache.field_id!r}, and there are {len(mfield.sources)}: leave "
                f"field_id out"
            )
        aligned = [name for name in mfield.secondaries if mfield.is_aligned(name)]
        self.patcher = patcher
        self.mfield = mfield
        self._views = {
            name: IndexedPatchView(
                patcher.primary, mfield.fields[name], cache, cache_size=cache_size, tile_cache=tile_cache
            )
            for name in (PRIMARY_KEY, *aligned)
        }

    def __repr__(self) -> str:
        return f"MatchedPatchView({', '.join(self.mfield.sources)}; {len(self):,} patches)"

    def __len__(self) -> int:
        return len(self._views[PRIMARY_KEY])

    @overload
    def __getitem__(self, index: SupportsIndex) -> MatchedPatch: ...
    @overload
    def __getitem__(self, index: slice) -> list[MatchedPatch]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> MatchedPatch | list[MatchedPatch]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        found = {name: view[index] for name, view in self._views.items()}
        marks = {name: self._views[name].valid(patch) for name, patch in found.items()}
        return self.patcher.matched(self.mfield, found, marks)

    def __iter__(self) -> Iterator[MatchedPatch]:
        return (self[index] for index in range(len(self)))

    @property
    def anchors(self) -> Anchors:
        """``(row, col)`` of each patch, in their order."""
        return self._views[PRIMARY_KEY].anchors

    def clear_cache(self) -> None:
        """Forget the patches that are kept in memory, and remove all entries of a `PatchCache`."""
        for view in self._views.values():
            view.clear_cache()
