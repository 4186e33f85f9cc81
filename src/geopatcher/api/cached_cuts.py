"""Patches cut from a field, but for those a cache has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geopatcher.api.cache_entries import Stored, Wanted
from geopatcher.core.box import Box
from geopatcher.engine.cuts import Cut, cut_patches
from geopatcher.engine.rows import RowBuffer, read_units
from geopatcher.engine.single import cut_one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from geopatcher.api.patch_cache import PatchCache
    from geopatcher.engine.rows import Unit
    from geopatcher.planning.plan import Plan

#: If at most this share of the patches of a strip is missing, they are read one by one.
FEW = 0.25


@dataclass
class CachedCuts:
    """One pass over the patches of a plan: from the cache where they are there, else read and kept.

    A strip without a missing patch reads nothing. ``read`` reads a rectangle.
    """

    cache: PatchCache
    plan: Plan
    read: Callable[[Box], Unit]
    folder: Path
    _rows: RowBuffer | None = None
    _span: tuple[int, int] = (0, 0)
    _box: Box = field(init=False)

    def __post_init__(self) -> None:
        self._box = self.plan.reach(self.plan.anchors.extent(self.plan.region))

    def __iter__(self) -> Iterator[Cut]:
        for strip in self.plan.strips():
            yield from self._strip(strip.boxes, strip.rows)

    def _strip(self, boxes: Sequence[Box], rows: tuple[int, int]) -> Iterator[Cut]:
        n_missing = sum(not self.cache.has(self._path(box)) for box in boxes)
        at_once = n_missing > FEW * len(boxes)
        for box in boxes:
            yield self._stored(box) or self._kept(
                box, self._from_rows(box, rows) if at_once else cut_one(self.plan, self.read, box)
            )

    def one(self, box: Box) -> Cut:
        """Return the patch of one nominal rectangle: from the cache where it is there, else read and kept."""
        return self._stored(box) or self._kept(box, cut_one(self.plan, self.read, box))

    def _stored(self, box: Box) -> Cut | None:
        inner, domain = self._inner(box), self.plan.domain
        stored = self.cache.read(self._path(box), Wanted((domain.n_bands, *inner.shape), domain.dtype))
        return None if stored is None else Cut(inner, *stored, None if inner == box else inner.slices(box))

    def _kept(self, box: Box, cut: Cut) -> Cut:
        if cut.loss is None:
            self.cache.write(self._path(box), Stored(cut.pixels, cut.valid))
        return cut

    def _inner(self, box: Box) -> Box:
        """Return the rectangle of a patch: its nominal one, or what is left where it is cut off."""
        if self.plan.boundary != "shrink":
            return box
        return box.intersect(Box.of_shape(self.plan.domain.grid_shape))

    def _path(self, box: Box) -> Path:
        return self.folder / f"{box.row0}_{box.row1}_{box.col0}_{box.col1}.npy"

    def _from_rows(self, box: Box, rows: tuple[int, int]) -> Cut:
        """Cut a patch from the rows of its strip, which are read once."""
        needed = self.plan.reach(Box(*rows, self._box.col0, self._box.col1))
        first, stop = self._span
        if self._rows is None or not first <= needed.row0 <= stop:
            box_left = Box(needed.row0, self._box.row1, self._box.col0, self._box.col1)
            self._rows = RowBuffer(read_units(self.read, box_left, self.plan.model.unit_rows), box_left)
        self._rows.advance(needed.row0, needed.row1)
        self._span = (needed.row0, needed.row1)
        cut = next(cut_patches(self.plan, [box], self._rows))
        loss = self._rows.loss_in(self.plan.reach(box)) if self._rows.has_losses else None
        return cut._replace(loss=loss)
