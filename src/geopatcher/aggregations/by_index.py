"""Patches kept apart, by where they sit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from geopatcher.accumulators.base import SpatialAggregation
from geopatcher.core.patch import carriers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geopatcher.core.patch import Patch
    from geopatcher.core.places import Anchor
    from geopatcher.core.protocols import HasShape


@dataclass(frozen=True)
class SpatialByIndex(SpatialAggregation):
    """No stitching: a dict of each patch's data by its anchor, all of it in memory.

    For results that are no field: a class, an embedding or a table for each patch. Of several patches at
    one anchor the last is kept.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Patch, SpatialByIndex
    >>> SpatialByIndex().merge([Patch("water", (0, 0), None), Patch("land", (0, 8), None)], np.empty((8, 16)))
    {(0, 0): 'water', (0, 8): 'land'}

    """

    def merge(self, patches: Iterable[Patch[object]], domain: HasShape) -> dict[tuple[int, int], object]:
        """Return ``{anchor: data}``, in the order the patches came.

        Parameters
        ----------
        patches
            Any iterable of `geopatcher.Patch`.
        domain
            Not looked at.

        Returns
        -------
        dict
            ``{(row, col): data}``; of numbered places ``{number: data}``, of a `geopatcher.GridDomain` the
            indices in the order of its dimensions. The type is that of rasters.

        """
        _ = domain
        return {_key(patch.anchor): patch.data for patch in carriers(patches)}


def _key(anchor: Anchor) -> tuple[int, int]:
    """Return an anchor as the key of a dict: of ``{dim: index}`` the indices."""
    return cast("tuple[int, int]", tuple(anchor.values()) if isinstance(anchor, Mapping) else anchor)
