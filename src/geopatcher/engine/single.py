"""One patch by itself, as it would be cut from a strip."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.engine.cuts import cut_patches

if TYPE_CHECKING:
    from collections.abc import Callable

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array
    from geopatcher.engine.cuts import Cut
    from geopatcher.engine.rows import Loss, Unit
    from geopatcher.planning.plan import Plan


@dataclass
class _Rectangles:
    """Rectangles read when they are asked for."""

    read: Callable[[Box], Unit]
    losses: list[Loss] = field(default_factory=list)

    def cut(self, box: Box) -> tuple[Array, Array | None]:
        """Read a rectangle, into memory of its own."""
        unit = self.read(box)
        self.losses += unit.losses
        valid = unit.valid
        return np.array(unit.pixels), None if valid is None or valid.all() else np.array(valid)


def cut_one(plan: Plan, read: Callable[[Box], Unit], box: Box) -> Cut:
    """Return the patch with the nominal rectangle ``box``; no more is read than it is made of."""
    rectangles = _Rectangles(read)
    cut = next(cut_patches(plan, [box], rectangles))
    return cut._replace(loss=rectangles.losses[0]) if rectangles.losses else cut
