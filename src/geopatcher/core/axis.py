"""Where patches of one size fall along one axis of a lattice: arithmetic only.

Nothing is enumerated, so every question costs the same for 10 pixels and for 10^12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.errors import IncompleteScanConfiguration

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

BOUNDARIES = ("cover", "drop", "pad", "reflect", "shrink", "raise")


def pixel_pair(value: ArrayLike, name: str) -> tuple[int, int]:
    """Return ``(rows, columns)`` from one whole number or a pair of them, all at least 1.

    Raises
    ------
    ValueError
        Anything else; the message calls the value ``name``.

    Examples
    --------
    >>> pixel_pair(8, "size"), pixel_pair((8, 16), "size")
    ((8, 8), (8, 16))

    """
    try:
        given = np.asarray(value)
    except ValueError:  # lists of different lengths
        given = np.asarray(None)
    if given.dtype.kind not in "iu" or given.shape not in ((), (2,)) or given.min() < 1:
        msg = f"{name} is a whole number of pixels, at least 1, or a pair (rows, columns), not {value!r}"
        raise ValueError(msg)
    rows, cols = np.broadcast_to(given, 2).tolist()
    return int(rows), int(cols)


@dataclass(frozen=True, slots=True)
class Axis:
    """Anchors ``0, step, 2 step, ...`` of patches ``size`` pixels long on ``length`` pixels.

    ``boundary`` says what becomes of the last, incomplete position:

    - ``"cover"``: the last patch moves in and ends at the last pixel;
    - ``"drop"``: it is left out (pixels behind the last whole patch stay uncovered);
    - ``"pad"``, ``"reflect"``, ``"shrink"``: it stays and overhangs; its owner fills or clips it;
    - ``"raise"``: positions that do not fit exactly are an error.

    Positions are counted from pixel ``origin`` of the axis, where a part of it is looked at by itself.

    >>> [Axis(10, size=4, step=3).anchor(i) for i in range(Axis(10, size=4, step=3).count)]
    [0, 3, 6]
    >>> [Axis(9, size=4, step=3).anchor(i) for i in range(Axis(9, size=4, step=3).count)]
    [0, 3, 5]
    >>> [Axis(9, size=4, step=3, origin=2).anchor(i) for i in range(3)]
    [-2, 1, 3]
    """

    length: int
    size: int
    step: int
    boundary: str = "cover"
    origin: int = 0

    def __post_init__(self) -> None:
        if self.length < 0 or self.size < 1 or self.step < 1:
            msg = (
                f"an axis needs length >= 0, size >= 1 and step >= 1, "
                f"not length={self.length}, size={self.size}, step={self.step}"
            )
            raise ValueError(msg)
        if self.boundary not in BOUNDARIES:
            msg = f"boundary {self.boundary!r} is none of {', '.join(BOUNDARIES)}"
            raise ValueError(msg)
        if self.boundary == "raise" and (self.length < self.size or (self.length - self.size) % self.step):
            msg = (
                f"patches of {self.size} with step {self.step} do not end at pixel {self.length}, "
                f'and boundary="raise" allows nothing else: take boundary="cover" or a size and step that fit'
            )
            raise IncompleteScanConfiguration(msg)

    @property
    def _last_regular(self) -> int:
        """Index of the last anchor that is a multiple of step and fits whole (-1: none)."""
        return -1 if self.length < self.size else (self.length - self.size) // self.step

    @property
    def count(self) -> int:
        """Number of anchors."""
        if self.length == 0:
            return 0
        regular = self._last_regular + 1
        if self.boundary == "drop":
            return regular
        if regular == 0:
            return 1
        if self._last_regular * self.step + self.size == self.length:
            return regular
        if self.boundary == "cover":
            return regular + 1
        # One more overhangs, unless the step is so long that it would start behind the last pixel.
        return regular + (regular * self.step < self.length)

    def anchor(self, index: int) -> int:
        """Pixel where patch ``index`` (0 … count - 1; not checked) starts."""
        if self.boundary == "cover" and index > self._last_regular >= 0:
            return self.length - self.size - self.origin
        return index * self.step - self.origin

    def touching(self, lo: int, hi: int) -> range:
        """Return the indices of the patches that share a pixel with ``[lo, hi)``."""
        lo, hi = max(lo + self.origin, 0), min(hi + self.origin, self.length)
        count = self.count
        if lo >= hi or count == 0:
            return range(0)
        first = max(0, -(-(lo - self.size + 1) // self.step))
        stop = (hi - 1) // self.step + 1
        if self.boundary == "cover" and self.anchor(count - 1) + self.origin < hi:
            stop = count  # the last patch may start before its turn
        return range(first, min(stop, count))

    @property
    def depth(self) -> int:
        """Most patches that lie over one pixel."""
        count = self.count
        if count == 0:
            return 0
        regular = min(count, -(-self.size // self.step))
        if self.boundary != "cover":
            return regular
        # All regular anchors lie before a last patch that was moved in, so its first pixel is its deepest.
        last = self.anchor(count - 1)
        return max(regular, len(self.touching(last, last + 1)))

    @property
    def uncovered(self) -> int:
        """Pixels of the axis that no patch touches."""
        count = self.count
        if count == 0:
            return self.length
        last = self.anchor(count - 1)
        behind = max(0, self.length - self.origin - last - self.size)
        if count == 1:
            return behind
        between = max(0, self.step - self.size) * (count - 2)
        return behind + between + max(0, last - self.anchor(count - 2) - self.size)


def lattice_axes(
    shape: tuple[int, ...], size: tuple[int, int], step: tuple[int, int], boundary: str
) -> tuple[Axis, Axis]:
    """Return the axes of rows and columns of patches on an array whose last two dimensions are the grid.

    >>> lattice_axes((3, 20, 30), (8, 8), (4, 4), "cover")[1].count
    7
    """
    height, width = shape[-2:]
    return (
        Axis(int(height), size[0], step[0], boundary),
        Axis(int(width), size[1], step[1], boundary),
    )
