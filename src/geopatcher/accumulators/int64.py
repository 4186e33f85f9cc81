"""Arithmetic on 64-bit integers, which float64 cannot hold: halves of 32 bits, and offsets from a base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.buffers import zeros

if TYPE_CHECKING:
    from geopatcher.core.protocols import Array

_LOW = np.int64(0xFFFFFFFF)


def is_wide(dtype: np.dtype) -> bool:
    """Whether a dtype holds integers that float64 does not."""
    return dtype.kind in "iu" and dtype.itemsize == 8


def split(values: Array) -> tuple[Array, Array]:
    """Return 64-bit integers as ``high * 2**32 + low``, both int64, ``0 <= low < 2**32``.

    >>> [int(half[0]) for half in split(np.array([-1]))]
    [-1, 4294967295]
    """
    low = (values & values.dtype.type(0xFFFFFFFF)).astype(np.int64)
    return (values >> values.dtype.type(32)).astype(np.int64), low


def join(high: Array, low: Array, dtype: np.dtype) -> Array:
    """Return ``high * 2**32 + low`` as 64-bit integers, at most the limits of ``dtype``; low is any int64.

    >>> join(np.array([2**31, 0]), np.array([0, -1]), np.dtype("uint64"))
    array([9223372036854775808,                   0], dtype=uint64)
    """
    high = high + (low >> np.int64(32))
    low = low & _LOW
    limits = np.iinfo(dtype)
    top, bottom = np.int64(int(limits.max) >> 32), np.int64(int(limits.min) >> 32)
    out: Array = (high.astype(dtype) << dtype.type(32)) | low.astype(dtype)
    out[high > top] = limits.max
    out[high < bottom] = limits.min
    return out


def difference(values: Array, base: Array) -> Array:
    """Return ``values - base`` as float64, rounded once: between 64-bit integers nothing overflows.

    >>> difference(np.array([2**63 - 1]), np.array([2**63 - 2]))
    array([1.])
    """
    if not is_wide(base.dtype):
        return np.subtract(values, base, dtype=np.float64)
    high, low = split(values)
    base_high, base_low = split(base)
    offset: Array = (high - base_high) * 2.0**32 + (low - base_low)
    return offset


def halfway(low: Array, high: Array, exact: np.dtype) -> tuple[Array, Array | None]:
    """Return the mean of two arrays of one dtype, the second nowhere smaller: ``values + base``.

    Integers of 64 bits come as the integer below the mean and 0.0 or 0.5; of others there is no base.
    Floats have it in ``exact``, if that is wider; far apart or near their limits they do not overflow.
    """
    if is_wide(low.dtype):
        # The difference of the two fits the unsigned dtype even where it overflows the signed one.
        gap = high.view(np.uint64) - low.view(np.uint64)
        base = low.view(np.uint64) + (gap >> np.uint64(1))
        return (gap & np.uint64(1)).astype(np.float64) / 2.0, base.view(low.dtype)
    if low.dtype.kind == "f":
        wide = np.promote_types(low.dtype, exact)
        low, high = low.astype(wide, copy=False), high.astype(wide, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            total = low + high
            beyond = np.isinf(total)  # halved first, where halves are exact; an infinite one stays
            middle = np.where(beyond, low / 2 + high / 2, total / 2)
        return middle + low.dtype.type(0), None  # one zero, not two
    return (low.astype(np.float64) + high) / 2.0, None


@dataclass(slots=True, eq=False)
class Offsets:
    """The first contribution to each cell, and the others as their distance from it.

    ``base`` and ``seen`` are ``(bands, h, w)``. Distances between neighbours are exact, however large the
    values are: that is what means of 64-bit integers need, such as times in nanoseconds, and variances
    of anything far from zero.
    """

    base: Array
    seen: Array

    @classmethod
    def zero(cls, shape: tuple[int, ...], dtype: np.dtype) -> Offsets:
        """Return those of a tile no patch has touched; all dtypes but 64-bit integers are kept as float64."""
        kept = dtype if is_wide(dtype) else np.dtype(np.float64)
        return cls(zeros(shape, kept), zeros(shape, np.dtype(bool)))

    def of(self, where: tuple[slice, slice], data: Array, valid: Array | None) -> Array:
        """Return the distances of a piece as float64, 0 where it does not count."""
        base, seen = self.base[:, *where], self.seen[:, *where]
        fresh = ~seen if valid is None else valid & ~seen
        np.copyto(base, data, where=fresh)
        seen |= fresh
        with np.errstate(invalid="ignore", over="ignore"):  # infinities
            offset = difference(data, base)
        if valid is not None:
            offset[~valid] = 0.0
        return offset

    def join(self, other: Offsets) -> Array:
        """Take in the cells only ``other`` has seen; return how far its base is from this one's, float64."""
        fresh = other.seen & ~self.seen
        np.copyto(self.base, other.base, where=fresh)
        self.seen |= fresh
        with np.errstate(invalid="ignore", over="ignore"):
            return np.where(other.seen, difference(other.base, self.base), 0.0)
