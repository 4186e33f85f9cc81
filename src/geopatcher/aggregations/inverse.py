"""The mean of patches that carry their own variance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

import numpy as np

from geopatcher.accumulators.moments import InverseVarianceMean, PrecisionState
from geopatcher.core.typevars import Place_co
from geopatcher.errors import OperatorError
from geopatcher.fields.plain_field import array_of
from geopatcher.merging.base import Stitching
from geopatcher.merging.merge import Planned, PlannedPatches

if TYPE_CHECKING:
    from types import EllipsisType

    from geopatcher.core.patch import Patch
    from geopatcher.core.protocols import Array, HasShape
    from geopatcher.targets.product import ResultArray

#: What a mean and a variance may be called in the dict a patch carries.
MEANS, VARIANCES = ("mean", "mu"), ("var", "variance")


@dataclass(frozen=True, kw_only=True)
class SpatialInvVarWeightedMean(Stitching[PrecisionState, Place_co], InverseVarianceMean, Generic[Place_co]):
    """The mean of the patches over each cell, each weighted by one over its variance.

    Patches carry a pair ``(mean, variance)``, a dict with ``"mean"`` (or ``"mu"``) and ``"var"`` (or
    ``"variance"``), or one array, its bands the means followed by those of the variances. Means are
    ``(h, w)`` or ``(bands, h, w)``, variances alike. The window does not matter. A cell counts where its mean
    is a number and its variance positive and finite; one over it must be finite, too.

    The mean is ``sum(mean / var) / sum(1 / var)``, and its variance ``1 / sum(1 / var)``: that of
    independent estimates, https://en.wikipedia.org/wiki/Inverse-variance_weighting.

    Used in `reconstruct`, where the result is one array, its bands are the means, then the variances.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Patch, SpatialInvVarWeightedMean
    >>> pairs = [(np.full((1, 2), 1.0), np.full((1, 2), 1.0)), (np.full((1, 2), 4.0), np.full((1, 2), 0.5))]
    >>> result = SpatialInvVarWeightedMean().merge([Patch(p, (0, 0), None) for p in pairs], np.empty((1, 2)))
    >>> result["mu"], result["var"].round(3)
    (array([[3., 3.]]), array([[0.333, 0.333]]))

    """

    def merge(self, patches: Iterable[Patch[object]], domain: HasShape) -> dict[str, ResultArray]:
        """Stitch patches into two fields, ``{"mu": …, "var": …}``; ``"mean"`` is the first by another name.

        ``(height, width)`` for one band of means, else ``(bands, height, width)``.

        Parameters
        ----------
        patches
            Any iterable of patches that carry a mean and its variance.
        domain
            Anything with a ``shape`` that ends in height and width.

        Returns
        -------
        dict
            ``{"mu": …, "var": …, "mean": …}``.

        """
        pairs: Iterator[Patch[object]] = (patch.with_data(halves(patch)) for patch in patches)
        stream = PlannedPatches(patches.plan, pairs) if isinstance(patches, Planned) else pairs
        whole = self.stitch(stream, domain)
        if len(whole.shape) == 2:  # no patch came
            return {"mu": whole, "var": whole, "mean": whole}
        bands = whole.shape[0] // 2
        mean = BandView(whole, 0, bands).open()
        return {"mu": mean, "var": BandView(whole, bands, 2 * bands).open(), "mean": mean}


@dataclass(frozen=True)
class BandView:
    """Some bands of a three-dimensional array, which is read when this is sliced; one band is ``(h, w)``."""

    array: ResultArray
    first: int
    stop: int

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(bands, height, width)``."""
        grid = tuple(self.array.shape[1:])
        return grid if self.stop - self.first == 1 else (self.stop - self.first, *grid)

    @property
    def dtype(self) -> np.dtype:
        """That of the whole."""
        return self.array.dtype

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.shape)

    def open(self) -> ResultArray:
        """Return a view of what is in memory, and this of what is on disk."""
        return self[...] if isinstance(self.array, np.ndarray) else self

    def __getitem__(self, index: EllipsisType | slice | tuple[EllipsisType | slice | int, ...]) -> Array:
        """Read the bands, or, of a single one, what is asked of its rows and columns."""
        if self.ndim == 2:
            inner = index if isinstance(index, tuple) else (index,)
            return np.asarray(self.array[(self.first, *inner)])
        return np.asarray(self.array[self.first : self.stop])[index]

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> Array:
        """Read everything."""
        _ = copy
        return self[...] if dtype is None else self[...].astype(dtype)


def halves(patch: Patch[object]) -> Array:
    """Return what a patch carries as one array: the bands of the means, then those of the variances.

    Raises
    ------
    OperatorError
        It carries neither a pair, nor such a dict, nor an array of an even number of bands.

    """
    data = patch.data
    if isinstance(data, Mapping):
        pair = tuple(data[name] for names in (MEANS, VARIANCES) for name in names if name in data)
    elif isinstance(data, tuple | list):
        pair = tuple(data)
    else:
        return array_of(data)
    arrays = [array_of(item) for item in pair]
    if len(arrays) != 2 or arrays[0].shape != arrays[1].shape or arrays[0].ndim not in (2, 3):
        keys = f"a dict of {', '.join(map(str, data))}" if isinstance(data, Mapping) else f"{len(pair)} items"
        raise OperatorError(
            f"the patch at {patch.anchor} carries {keys}, shaped {[a.shape for a in arrays]}: "
            f"expected a mean and a variance of one shape, (h, w) or (bands, h, w)"
        )
    bands = [array if array.ndim == 3 else array[np.newaxis] for array in arrays]
    if not any(map(np.ma.isMaskedArray, bands)):
        return np.concatenate(bands)
    masks = np.concatenate([np.ma.getmaskarray(band) for band in bands])
    return np.ma.array(np.concatenate([np.ma.getdata(band) for band in bands]), mask=masks)
