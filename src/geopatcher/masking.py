"""Operators that are shown which pixels are missing."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from geopatcher.protocols import Array


class Masked:
    """An operator that is given masked arrays; made by `masked`."""

    wants_mask: Literal[True] = True

    def __init__(self, operator: Callable[[np.ma.MaskedArray], Array]) -> None:
        self._operator = operator
        functools.update_wrapper(self, operator)

    def __call__(self, patch: np.ma.MaskedArray) -> Array:
        """Return what the operator returns."""
        return self._operator(patch)

    def __reduce__(
        self,
    ) -> str | tuple[Callable[..., Masked], tuple[Callable[[np.ma.MaskedArray], Array]]]:
        # As a decorator this object has taken the function's name in its module, and is found by it.
        home = None if self.__module__ == "__main__" else sys.modules.get(self.__module__)
        name = vars(self).get("__qualname__", "")
        if home is not None and vars(home).get(name) is self:
            return str(name)
        return (masked, (self._operator,))


def masked(operator: Callable[[np.ma.MaskedArray], Array]) -> Masked:
    """Let an operator see which pixels are missing; also a decorator.

    Plain operators see missing pixels of floats as NaN, and cannot tell those of integers. This one
    is given a `numpy.ma.MaskedArray` in the source's dtype, ``(bands, h, w)``, with ``batch_size``
    above 1 ``(n, bands, h, w)``, whose mask is true where the source has no data: nodata, NaN, mask
    band, alpha, or beyond the edge with ``boundary="pad"``.

    It alone decides which cells of its result count: those that are neither masked nor NaN. So an
    operator may fill gaps, by returning an array without a mask. Any callable with a true attribute
    ``wants_mask`` is treated alike.

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
