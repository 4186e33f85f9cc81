"""Aggregations that choose one of the values over a cell, or their spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

from geopatcher.accumulators.counts import HardVote, Mode, Tally
from geopatcher.accumulators.extremes import ExtremeState, Maximum, Minimum
from geopatcher.accumulators.moments import MomentState, Variance
from geopatcher.accumulators.soft import BallotState, SoftVote
from geopatcher.core.typevars import Place_co
from geopatcher.merging.base import Mergeable

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class SpatialMax(Mergeable[ExtremeState, Place_co], Maximum, Generic[Place_co]):
    """The largest of the patches' values over each cell; the window does not matter.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Patch, SpatialMax
    >>> patches = [Patch(np.full((1, 2), v), (0, c), None) for v, c in [(1.0, 0), (3.0, 1)]]
    >>> SpatialMax().merge(patches, np.empty((1, 3)))
    array([[1., 3., 3.]])

    """

    dtype: str | np.dtype | None = None


@dataclass(frozen=True, kw_only=True)
class SpatialMin(Mergeable[ExtremeState, Place_co], Minimum, Generic[Place_co]):
    """The smallest of the patches' values over each cell; the window does not matter.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Patch, SpatialMin
    >>> patches = [Patch(np.full((1, 2), v), (0, c), None) for v, c in [(1.0, 0), (3.0, 1)]]
    >>> SpatialMin().merge(patches, np.empty((1, 3)))
    array([[1., 1., 3.]])

    """

    dtype: str | np.dtype | None = None


@dataclass(frozen=True, kw_only=True)
class SpatialVariance(Mergeable[MomentState, Place_co], Variance, Generic[Place_co]):
    """The sample variance (``ddof=1``) of the patches over each cell; the window does not matter.

    Cells with fewer than two values have none: they are nodata. By Welford's updating formula, in
    double precision.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Patch, SpatialVariance
    >>> patches = [Patch(np.full((1, 2), v), (0, c), None) for v, c in [(1.0, 0), (3.0, 1)]]
    >>> SpatialVariance().merge(patches, np.empty((1, 3)))
    array([[nan,  2., nan]])

    """


@dataclass(frozen=True, kw_only=True)
class SpatialMode(Mergeable[Tally, Place_co], Mode, Generic[Place_co]):
    """The most frequent of the patches' values over each cell; of several, the smallest.

    The window does not matter. Exact for every dtype. A row of blocks keeps as many values per cell
    as its most varied cell has different ones, and nothing is kept of rows that are finished.

    Examples
    --------
    >>> import numpy as np, warnings
    >>> from geopatcher import Patch, SpatialMode
    >>> patches = [Patch(np.full((1, 2), v), (0, 0), None) for v in (7, 3, 7)]
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # it says that merging in memory keeps every contribution
    ...     SpatialMode().merge(patches, np.empty((1, 2)))
    array([[7, 7]])

    """

    dtype: str | np.dtype | None = None


@dataclass(frozen=True, kw_only=True)
class SpatialHardVote(Mergeable[Tally, Place_co], HardVote, Generic[Place_co]):
    """The class that most patches give a cell; of several, the smallest. Each patch has one vote.

    Patches hold labels, integers from 0 to ``n_classes - 1``; the window does not matter. The result
    is of the smallest unsigned dtype with room for the classes and for nodata, its largest value,
    which stands where no patch voted: 255 for up to 255 classes.

    Parameters
    ----------
    n_classes
        How many classes there are, more than 0.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Patch, SpatialHardVote
    >>> patches = [Patch(np.full((1, 2), v), (0, c), None) for v, c in [(2, 0), (1, 1), (1, 1)]]
    >>> SpatialHardVote(3).merge(patches, np.empty((1, 4)))
    array([[  2,   1,   1, 255]], dtype=uint8)

    """

    dtype: str | np.dtype | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        HardVote.__post_init__(self)


@dataclass(frozen=True, kw_only=True)
class SpatialSoftVote(Mergeable[BallotState, Place_co], SoftVote, Generic[Place_co]):
    """The class with the largest sum of probabilities, weighted by the window; of several, the smallest.

    Patches hold the probability of each class, ``(n_classes, h, w)``, from 0 to 1; the result is one
    band of labels, as in `SpatialHardVote`. Probabilities are rounded to steps of ``2**-24`` (those of
    float32 just below one) and weights to steps of ``2**-28``, at least one, and added up as integers:
    the result does not depend on the order of the patches. No more than ``n_classes`` sums per cell of
    a row of blocks are held.

    Parameters
    ----------
    n_classes
        How many classes there are, more than 0.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Patch, SpatialSoftVote
    >>> sure, unsure = np.array([[[0.1]], [[0.9]]]), np.array([[[0.6]], [[0.4]]])
    >>> SpatialSoftVote(2).merge([Patch(p, (0, 0), None) for p in (sure, unsure)], np.empty((1, 1)))
    array([[1]], dtype=uint8)

    """

    dtype: str | np.dtype | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        SoftVote.__post_init__(self)
