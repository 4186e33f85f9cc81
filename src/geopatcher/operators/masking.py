"""Operators that are shown which pixels are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher.operators.wrappers import OperatorWrapper

if TYPE_CHECKING:
    from collections.abc import Callable

    from geopatcher.core.protocols import Array


class Masked(OperatorWrapper):
    """An operator that is given masked arrays; made by `masked`."""

    @property
    def wants_mask(self) -> bool:
        """It does."""
        return True


def masked(operator: Callable[..., Array]) -> Masked:
    """Let an operator see which pixels are missing; also a decorator.

    Plain operators see missing pixels of floats as NaN, and cannot tell those of integers. This one
    is given a `numpy.ma.MaskedArray` in the source's dtype, ``(bands, h, w)``, with ``batch_size``
    above 1 ``(n, bands, h, w)``, whose mask is true where the source has no data: nodata, NaN, mask
    band, alpha, or beyond the edge with ``boundary="pad"``.

    It alone decides which cells of its result count: those that are neither masked nor NaN. So an
    operator may fill gaps, by returning an array without a mask. Any callable with a true attribute
    ``wants_mask`` is treated alike.

    Parameters
    ----------
    operator
        Takes a masked array; returns an array, masked or not, of the same height and width.

    Returns
    -------
    Masked
        A callable, which pickles where ``operator`` does.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> @geopatcher.masked
    ... def fill(patch):
    ...     return patch.filled(7)
    >>> image = np.array([[[1, 0], [3, 4]]], dtype="uint8")
    >>> field = geopatcher.RasterField(geopatcher.fields.array_source.ArraySource.of(image, nodata=0))
    >>> geopatcher.reconstruct(field, fill, size=2).array
    array([[[1, 7],
            [3, 4]]], dtype=uint8)

    """
    return Masked(operator)
