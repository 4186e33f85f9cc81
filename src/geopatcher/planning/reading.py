"""What is read of a source for a patch, or for a rectangle around patches: arithmetic only."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from typing import TYPE_CHECKING, Self

import numpy as np

from geopatcher.core.box import Box

if TYPE_CHECKING:
    from geopatcher.core.protocols import Array

#: Boundaries under which a patch and its margin may overhang the raster wherever they lie.
OVERHANGING = ("pad", "reflect")
#: Pixels of a source for one of a result at most, where a float says so: such fractions are told apart.
FINEST = 1 << 16


@dataclass(frozen=True, slots=True)
class Reading:
    """What an operator is shown of a source for a patch of its result.

    ``margin`` is how many rows and columns of pixels are read on each side of a patch; what an operator
    makes of them is not used. ``scale`` is how many pixels of the result a pixel of the source is, along
    each axis. Patches and boxes are in pixels of the result, what is read of the source in those of the
    source; ``extent`` is all of it that can be read.

    >>> extent = Box(0, 20, 0, 20)
    >>> Reading((2, 2)).shown(Box(4, 8, 4, 8), extent, "cover")
    Box(row0=2, row1=10, col0=2, col1=10)
    >>> Reading((2, 2)).shown(Box(0, 4, 4, 8), extent, "cover")  # moved in, and as large as others
    Box(row0=0, row1=8, col0=2, col1=10)
    >>> Reading(scale=Fraction(2)).shown(Box(8, 16, 0, 8), extent, "cover")
    Box(row0=4, row1=8, col0=0, col1=4)
    """

    margin: tuple[int, int] = (0, 0)
    scale: Fraction = Fraction(1)

    @classmethod
    def of(cls, margin: object, scale: object) -> Self:
        """Return what a caller asks for: pixels or a pair of them, and a number or text.

        Raises
        ------
        ValueError
            One of them is nothing of the kind.

        """
        return cls(margin_pair(margin), scale_from(scale))

    @property
    def is_plain(self) -> bool:
        """Whether an operator is shown the patch, and nothing else."""
        return self.margin == (0, 0) and self.scale == 1

    def nominal(self, box: Box) -> Box:
        """Return the pixels of the source that lie under a rectangle of the result."""
        if self.scale == 1:
            return box
        top, bottom = self.scale.numerator, self.scale.denominator
        return Box(
            box.row0 * bottom // top,
            -(-box.row1 * bottom // top),
            box.col0 * bottom // top,
            -(-box.col1 * bottom // top),
        )

    def shown(self, box: Box, extent: Box, boundary: str) -> Box:
        """Return the rectangle an operator is shown of a patch.

        At the border of the raster it is moved in, so that where the raster ends the pixels do: what an
        operator takes to lie beyond them, such as zeros, is what it would take to lie beyond the raster.
        Under ``"pad"`` and ``"reflect"``, and where the raster is smaller, it overhangs; under
        ``"shrink"`` it is cut off.
        """
        rows, cols = (_shown(*axis, boundary) for axis in self._axes(box, extent))
        return Box(*rows, *cols).shift(extent.row0, extent.col0)

    def reach(self, box: Box, extent: Box, boundary: str) -> Box:
        """Return the pixels of a raster that all patches within ``box`` are made of, and it, too."""
        if box.empty:
            return self.nominal(box).intersect(extent)
        rows, cols = (_reach(*axis, boundary) for axis in self._axes(box, extent))
        return Box(*rows, *cols).shift(extent.row0, extent.col0)

    def made(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return the height and width of what is made of so many rows and columns of the source."""
        height, width = (self.scaled(length) for length in shape)
        return height, width

    def scaled(self, length: int) -> int:
        """Return how many pixels of the result so many of the source are.

        Raises
        ------
        ValueError
            They are no whole number.

        """
        if self.scale == 1:  # asked for every patch
            return length
        scaled = length * self.scale
        if scaled.denominator != 1:
            raise ValueError(f"{length} pixels scaled by {self.scale} are no whole number of pixels")
        return scaled.numerator

    def made_of(self, box: Box) -> Box:
        """Return what is made of whole pixels of the source."""
        return Box(*map(self.scaled, (box.row0, box.row1, box.col0, box.col1)))

    def on_result(self, mask: Array | None) -> Array | None:
        """Return which cells of the result lie over pixels that are all true, ``None`` for all.

        ``mask`` is ``(bands, h, w)`` on the source.
        """
        if mask is None or self.scale == 1:
            return mask
        top, bottom = self.scale.numerator, self.scale.denominator
        fine: Array = mask.repeat(top, axis=1).repeat(top, axis=2) if top > 1 else mask
        if bottom == 1:
            return fine
        bands, height, width = fine.shape
        blocks = fine.reshape(bands, height // bottom, bottom, width // bottom, bottom)
        coarse: Array = np.logical_and.reduce(blocks, axis=(2, 4))
        return None if coarse.all() else coarse

    def _axes(self, box: Box, extent: Box) -> tuple[tuple[int, int, int, int], ...]:
        """Return first and last pixel, margin and length of each axis, counted from the extent's corner."""
        under = self.nominal(box).shift(-extent.row0, -extent.col0)
        return (
            (under.row0, under.row1, self.margin[0], extent.height),
            (under.col0, under.col1, self.margin[1], extent.width),
        )

    def __str__(self) -> str:
        said = []
        if any(self.margin):
            rows, cols = self.margin
            said.append(f"margin {rows}" if rows == cols else f"margin {rows}x{cols}")
        if self.scale != 1:
            said.append(f"scale {self.scale}")
        return ", ".join(said)


def _shown(lo: int, hi: int, margin: int, length: int, boundary: str) -> tuple[int, int]:
    """Return what is shown of an axis ``length`` pixels long for a patch on ``[lo, hi)``."""
    if boundary == "shrink":
        return max(0, max(lo, 0) - margin), min(length, min(hi, length) + margin)
    size = hi - lo + 2 * margin
    if boundary in OVERHANGING or lo < 0 or hi > length or size > length:
        return lo - margin, hi + margin
    start = min(max(lo - margin, 0), length - size)
    return start, start + size


def _reach(lo: int, hi: int, margin: int, length: int, boundary: str) -> tuple[int, int]:
    """Return the pixels of an axis that all patches on ``[lo, hi)`` are made of."""
    if boundary in ("pad", "shrink"):
        return max(0, lo - margin), min(length, hi + margin)
    grown = mirrored(lo - margin, hi + margin, length)
    if boundary == "reflect" or not margin:
        return grown
    if hi - lo + 2 * margin > length:
        return 0, length
    # Some patches may overhang, and others be moved in.
    start, stop = _shown(max(lo, 0), min(hi, length), margin, length, boundary)
    return min(start, grown[0]), max(stop, grown[1])


def mirrored(lo: int, hi: int, length: int) -> tuple[int, int]:
    """Return what ``[lo, hi)`` shows of an axis that is mirrored about its first and last pixel.

    >>> mirrored(-3, 2, 10), mirrored(7, 14, 10), mirrored(2, 5, 10)
    ((0, 4), (5, 10), (2, 5))
    """
    first = min(lo, length - 1 - max(0, hi - length))
    stop = max(hi, 1 - min(0, lo))
    return max(0, first), min(length, stop)


def margin_pair(value: object) -> tuple[int, int]:
    """Return the margin of rows and of columns from a whole number or a pair of them, 0 or more.

    Raises
    ------
    ValueError
        Anything else.

    Examples
    --------
    >>> margin_pair(32), margin_pair((0, 8))
    ((32, 32), (0, 8))

    """
    try:
        given = np.asarray(value)
    except ValueError:  # lists of different lengths
        given = np.asarray(None)
    if given.dtype.kind not in "iu" or given.shape not in ((), (2,)) or given.min() < 0:
        msg = f"margin is a whole number of pixels, 0 or more, or a pair (rows, columns), not {value!r}"
        raise ValueError(msg)
    rows, cols = np.broadcast_to(given, 2).tolist()
    return int(rows), int(cols)


def scale_from(value: object) -> Fraction:
    """Return how many pixels of a result a pixel of the source is, from a number or a text.

    A float is the fraction of small numbers that it is nearest to.

    Raises
    ------
    ValueError
        It is no whole number or fraction above 0.

    Examples
    --------
    >>> scale_from(4), scale_from("1/4"), scale_from(0.1)
    (Fraction(4, 1), Fraction(1, 4), Fraction(1, 10))

    """
    scale = Fraction(0)
    if isinstance(value, Rational | str | float) and not isinstance(value, bool):
        with suppress(ValueError, ZeroDivisionError, OverflowError):
            scale = Fraction(value)
            scale = scale.limit_denominator(FINEST) if isinstance(value, float) else scale
    if scale <= 0:
        raise ValueError(
            f'output_scale is a whole number or a fraction above 0, such as 2, 0.25 or "1/3", not {value!r}'
        )
    return scale


def check_scale(
    reading: Reading, grid: tuple[int, int], size: tuple[int, int], step: tuple[int, int] | None
) -> None:
    """Refuse a raster, patches, steps and margins that do not become whole pixels of the result.

    Raises
    ------
    ValueError
        Names what does not, and the nearest that would.

    """
    unit = reading.scale.denominator
    given = {"size": size, "step": step or (unit, unit), "margin": reading.margin, "raster": grid}
    for what, pair in given.items():
        less = tuple(length // unit * unit for length in pair)
        if less == pair:
            continue
        more = tuple(-(-length // unit) * unit for length in pair)
        every = f"output_scale={reading.scale} makes whole pixels of multiples of {unit} only"
        if what == "raster":
            pixels, fewer = ("x".join(map(str, lengths)) for lengths in (pair, less))
            raise ValueError(f"{every}, and the raster has {pixels} pixels: cut it to {fewer}")
        nearest = f"{_by(less)} or {_by(more)}" if min(less) else _by(more)
        raise ValueError(f"{every}, and {what} is {_by(pair)}: use {what}={nearest}")


def _by(pair: tuple[int, ...]) -> str:
    return "x".join(map(str, pair)) if len(set(pair)) > 1 else str(pair[0])
