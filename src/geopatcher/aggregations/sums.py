"""Overlap-add and its relatives."""

from __future__ import annotations

from dataclasses import dataclass

from geopatcher.aggregation.base import Finished
from geopatcher.aggregation.sums import SumState, WeightedMean
from geopatcher.aggregations.base import Mergeable


@dataclass(frozen=True, kw_only=True)
class SpatialOverlapAdd(Mergeable[SumState], WeightedMean):
    """Overlap-add: the mean of overlapping patches, weighted by their window.

    At each cell ``sum(w * x) / sum(w)`` over the patches that cover it with valid data. With a
    window that tapers to the border, neighbouring patches blend into each other without a seam.
    See Allen & Rabiner (1977), https://doi.org/10.1109/PROC.1977.10770.

    With ``normalize_by_window=False`` the weighted sum itself.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Patch, SpatialOverlapAdd
    >>> patches = [Patch(np.full((2, 2), v), (0, c), None) for v, c in [(1.0, 0), (3.0, 1)]]
    >>> SpatialOverlapAdd().merge(patches, np.empty((2, 3)))
    array([[1., 2., 3.],
           [1., 2., 3.]])

    """

    normalize_by_window: bool = True

    def finalise(self, state: SumState) -> Finished:
        """Divide by the sum of weights, unless asked not to."""
        if self.normalize_by_window:
            return super().finalise(state)
        total = state.total.copy()
        return Finished(total, super().finalise(state).covered)
