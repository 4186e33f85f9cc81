"""Quantities as whole numbers: which value each number stands for."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True)
class ScaleTo:
    """Stores a result as whole numbers of a few bytes, which stand for a range of its values.

    The lowest value becomes the first number of the dtype and the highest the last, but for the one number
    that says that a cell is missing. ``scale`` and ``offset`` are written with the result, by which GDAL,
    xarray and ``scale_offset=True`` give the values back, within half a step. Values beyond the range become
    its ends, and are counted in ``result.stats.clipped``.

    Parameters
    ----------
    dtype
        An integer of one, two or four bytes, such as ``"uint8"``.
    range
        The lowest and the highest value, in units of what the operator returns.

    Raises
    ------
    ValueError
        The dtype is another one, the range does not go up, or is too wide or narrow for float64.

    Examples
    --------
    >>> ScaleTo("uint8", (0, 1)).scaling(None)
    Scaling(low=0.0, high=1.0, first=0, last=254, nodata=255)

    """

    dtype: DTypeLike
    range: tuple[float, float]
    _kind: np.dtype = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kind = np.dtype(self.dtype).newbyteorder("=")
        if kind.kind not in "iu" or kind.itemsize > 4:
            raise ValueError(
                f"scale_to has the dtype {kind}: give an integer of up to four bytes, such as uint8 or int16"
            )
        low, high = map(float, self.range)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(
                f"the range of scale_to is {self.range}: give its lowest value, then its highest"
            )
        if not math.isfinite(high - low) or (high - low) / 2.0**32 < sys.float_info.min:
            raise ValueError(
                f"the range of scale_to is {self.range}: a step between two of its numbers is no float64, "
                "scale the values in the operator first"
            )
        object.__setattr__(self, "range", (low, high))
        object.__setattr__(self, "dtype", str(kind))
        object.__setattr__(self, "_kind", kind)

    @property
    def kind(self) -> np.dtype:
        """The dtype, as NumPy has it."""
        return self._kind

    def scaling(self, nodata: float | int | None) -> Scaling:
        """Return what each number stands for.

        Parameters
        ----------
        nodata
            The number that says missing; by default the last of unsigned dtypes, and the first of others.

        Returns
        -------
        Scaling
            The values at both ends, and their numbers.

        Raises
        ------
        ValueError
            The number that says missing is among those that values need.

        """
        limits = np.iinfo(self._kind)
        first, last = int(limits.min), int(limits.max)
        missing = (last if first == 0 else first) if nodata is None else nodata
        if missing not in (first, last):
            raise ValueError(
                f"nodata={nodata} lies among the numbers that stand for values: with scale_to {self._kind} "
                f"it is {first} or {last}"
            )
        low, high = self.range
        if missing == last:
            return Scaling(low, high, first, last - 1, last)
        return Scaling(low, high, first + 1, last, first)


@dataclass(frozen=True, slots=True)
class Scaling:
    """Whole numbers from ``first`` to ``last``, which stand for values from ``low`` to ``high``."""

    low: float
    high: float
    first: int
    last: int
    nodata: int

    @property
    def scale(self) -> float:
        """What a step from a number to the next is worth."""
        return (self.high - self.low) / (self.last - self.first)

    @property
    def offset(self) -> float:
        """What 0 stands for, or would."""
        return (self.low * self.last - self.high * self.first) / (self.last - self.first)

    def numbers(self, values: NDArray[np.generic]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the number of each value as float64, and which of them were beyond the range; NaN stays.

        >>> Scaling(0.0, 1.0, 0, 254, 255).numbers(np.array([0.0, 0.5, 1.001, 1.1, np.nan]))
        (array([  0., 127., 254., 254.,  nan]), array([False, False, False,  True, False]))
        """
        steps = (values.astype(np.float64) - self.low) * ((self.last - self.first) / (self.high - self.low))
        numbers = np.rint(steps)
        numbers += self.first
        beyond = (numbers < self.first) | (numbers > self.last)
        return np.clip(numbers, self.first, self.last, out=numbers), beyond

    def number(self, value: float) -> float:
        """Return the place of a value among the numbers, which need not be whole."""
        return self.first + (value - self.low) / self.scale
