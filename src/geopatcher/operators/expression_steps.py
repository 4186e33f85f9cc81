"""What an expression comes to: steps over bands, done by NumPy, in blocks that fit a core's cache."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from geopatcher.core.protocols import Array

#: Cells that are computed at once: some arrays of so many stay in a core's cache.
BLOCK = 1 << 15


class Kind(IntEnum):
    """What a part of an expression is made of; of two parts the greater one decides."""

    CONDITION = 0  #: true or false
    WHOLE = 1  #: a whole number in the text, or a condition counted as 1 or 0
    BAND = 2  #: as bands are computed with
    WIDE = 3  #: float64, which other numbers of the text are

    def dtype(self, working: np.dtype) -> np.dtype:
        """Return that of its values where bands are computed with as ``working``."""
        named = {Kind.CONDITION: np.bool_, Kind.WHOLE: np.int32, Kind.WIDE: np.float64}
        return working if self is Kind.BAND else np.dtype(named[self])


#: Computes an array of others, and of numbers, in the dtype it is told.
Function: TypeAlias = "Callable[..., Array]"


@dataclass(frozen=True, slots=True)
class Band:
    """Take a band, counted from 1."""

    number: int


@dataclass(frozen=True, slots=True)
class Number:
    """Take a number of the text."""

    value: float | int


@dataclass(frozen=True, slots=True)
class Call:
    """Put what a function makes of the last results in their place; ``kind`` is what it computes in."""

    function: Function
    n_arguments: int
    kind: Kind


Step: TypeAlias = Band | Number | Call


def compute(steps: Sequence[Step], bands: Mapping[int, Array], out: Array, *, missing: bool) -> None:
    """Fill ``out`` with what the steps make of bands of its shape; with ``missing``, NaN where one is NaN.

    Examples
    --------
    >>> out = np.empty((1, 2), "float32")
    >>> steps = (Band(1), Number(2), Call(np.multiply, 2, Kind.BAND))
    >>> compute(steps, {1: np.array([[3, 4]], "uint8")}, out, missing=False)
    >>> out
    array([[6., 8.]], dtype=float32)

    """
    flat = {number: band.ravel() for number, band in bands.items()}
    working = np.result_type(np.float32, *flat.values())
    made = out.reshape(-1)
    with np.errstate(all="ignore"):
        for start in range(0, made.size, BLOCK):
            part = slice(start, start + BLOCK)
            given = {number: band[part].astype(working, copy=False) for number, band in flat.items()}
            made[part] = _computed(steps, given, working)
            for band in given.values() if missing else ():
                made[part][np.isnan(band)] = np.nan


def _computed(steps: Sequence[Step], bands: Mapping[int, Array], working: np.dtype) -> Array | float:
    results: list[Array | float] = []
    for step in steps:
        match step:
            case Band(number):
                results.append(bands[number])
            case Number(value):
                results.append(value)
            case Call(function, n_arguments, kind):
                arguments = results[-n_arguments:]
                results[-n_arguments:] = [function(*arguments, dtype=kind.dtype(working))]
    return results.pop()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares two in the same dtype.

    >>> Comparison(np.greater)(np.array([0.3], "float32"), 0.3, dtype=np.dtype("float64"))
    array([ True])
    """

    ufunc: np.ufunc

    def __call__(self, *arguments: Array | float, dtype: np.dtype) -> Array:
        """Return where it holds."""
        held: Array = self.ufunc(*arguments, signature=(dtype, dtype, np.dtype(np.bool_)))
        return held


def choose(*arguments: Array | float, dtype: np.dtype) -> Array:
    """Return the second where the first holds, else the third.

    >>> choose(np.array([True, False]), 1.0, 0.0, dtype=np.dtype("int32"))
    array([1, 0], dtype=int32)
    """
    condition, then, other = arguments
    return np.where(condition, np.asarray(then, dtype), np.asarray(other, dtype))


def power(*arguments: Array | float, dtype: np.dtype) -> Array:
    """Return a power with a whole exponent, or one and a half: by products, which are exact longer.

    >>> power(np.array([2.0, 3.0]), -1.5, dtype=np.dtype("float64")).round(4)
    array([0.3536, 0.1925])
    """
    base, exponent = np.asarray(arguments[0], dtype), float(arguments[1])
    times, halves = divmod(int(abs(2 * exponent)), 2)
    factors, square = [], base
    while times:
        if times % 2:
            factors.append(square)
        times //= 2
        square = np.multiply(square, square) if times else square
    if halves:
        factors.append(np.sqrt(base))
    product = factors[0] if factors else np.ones_like(base)
    for factor in factors[1:]:
        product = np.multiply(product, factor)
    return np.reciprocal(product) if exponent < 0 else product
