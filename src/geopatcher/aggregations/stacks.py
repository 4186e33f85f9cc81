"""Aggregations over every contribution to a cell: median, and a model of the caller's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

from geopatcher.accumulators.stacks import Learned, Median, Stack
from geopatcher.core.typevars import Place_co
from geopatcher.merging.base import Mergeable

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class SpatialMedian(Mergeable[Stack, Place_co], Median, Generic[Place_co]):
    """The median of the patches over each cell; of an even number, the mean of the middle two.

    The window does not matter. Exact, however many patches there are: a row of blocks keeps as many
    values per cell as patches overlap there, and nothing is kept of rows that are finished.

    Examples
    --------
    >>> import numpy as np, warnings
    >>> from geopatcher import Patch, SpatialMedian
    >>> patches = [Patch(np.full((1, 2), v), (0, 0), None) for v in (1.0, 9.0, 2.0)]
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # it says that merging in memory keeps every contribution
    ...     SpatialMedian().merge(patches, np.empty((1, 2)))
    array([[2., 2.]])

    """

    dtype: str | np.dtype | None = None


@dataclass(frozen=True, kw_only=True)
class SpatialLearned(Mergeable[Stack, Place_co], Learned, Generic[Place_co]):
    """What a model makes of the patches over each cell.

    Parameters
    ----------
    model
        Called as ``model(stack, weights)``, or ``model(stack)`` if it takes but one argument. ``stack``,
        ``(depth, bands, h, w)`` floats, holds the contributions to each cell in row-major order of their
        patches; NaN where a cell has fewer, or a band no data. ``weights``, ``(depth, h, w)``, are those of
        the window, 0 where there is no contribution. It returns ``(bands, h, w)`` (or ``(h, w)`` for one
        band); NaN is no data.
        Height, width and depth differ from call to call, so it must treat each cell by itself.

    Examples
    --------
    >>> import numpy as np, warnings
    >>> from geopatcher import Patch, SpatialLearned
    >>> patches = [Patch(np.full((1, 2), v), (0, 0), None) for v in (1.0, 9.0)]
    >>> widest = SpatialLearned(lambda stack, weights: np.nanmax(stack, axis=0) - np.nanmin(stack, axis=0))
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # it says that merging in memory keeps every contribution
    ...     widest.merge(patches, np.empty((1, 2)))
    array([[8., 8.]])

    """
