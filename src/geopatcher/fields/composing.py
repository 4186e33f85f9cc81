"""One picture of several that lie over each other: the first that has data, or the median."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.box import Box
from geopatcher.core.middles import middles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geopatcher.core.arrays import Array


def held_in(pixels: Array, said: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Return where pixels hold data, NaN looked for; ``None`` is everywhere.

    >>> held_in(np.array([1.0, np.nan]), None)
    array([ True, False])
    """
    if pixels.dtype.kind != "f":
        return said
    numbers: NDArray[np.bool_] = ~np.isnan(pixels)
    return numbers if said is None else numbers & said


def put_under(
    pixels: Array, known: NDArray[np.bool_], part: tuple[slice, slice], below: Array, said: Array | None
) -> None:
    """Fill what is not ``known`` of a part of a picture with one that lies below; both are changed in place.

    Parameters
    ----------
    pixels, known
        ``(bands, h, w)``: the picture, and which of its pixels have been found.
    part
        Rows and columns of it that ``below`` covers.
    below, said
        ``(bands, rows, columns)`` of the part, and where it holds data.

    Examples
    --------
    >>> top, known = np.array([[[1, 0, 0]]]), np.array([[[True, False, False]]])
    >>> below = np.array([[[7, 8]]]), np.array([[[True, False]]])
    >>> put_under(top, known, (slice(0, 1), slice(0, 2)), *below)
    >>> put_under(top, known, (slice(0, 1), slice(1, 3)), *below)
    >>> top, known
    (array([[[1, 7, 0]]]), array([[[ True,  True, False]]]))

    """
    open_to, into = known[:, *part], pixels[:, *part]
    held = held_in(below, said)
    taken = ~open_to if held is None else held & ~open_to
    np.copyto(into, below, where=taken)
    open_to |= taken


def unknown_part(known: NDArray[np.bool_], piece: Box, box: Box) -> Box:
    """Return the rectangle within ``box`` that holds all of its pixels in a piece that are not yet known.

    Parameters
    ----------
    known
        ``(bands, h, w)`` of the piece.
    piece, box
        Rectangles of one grid.

    Returns
    -------
    Box
        Empty where nothing is left.

    Examples
    --------
    >>> from geopatcher.core.box import Box
    >>> known = np.array([[[True, False, False, False]]])
    >>> unknown_part(known, Box(7, 8, 0, 4), Box(0, 9, 0, 3))
    Box(row0=7, row1=8, col0=1, col1=3)

    """
    part = piece.intersect(box)
    if part.empty:
        return part
    left: Array = np.asarray(~known[:, *part.slices(piece)].all(axis=0))
    rows, cols = np.flatnonzero(left.any(axis=1)), np.flatnonzero(left.any(axis=0))
    if not rows.size:
        return Box(part.row0, part.row0, part.col0, part.col0)
    return Box(
        part.row0 + int(rows[0]),
        part.row0 + int(rows[-1]) + 1,
        part.col0 + int(cols[0]),
        part.col0 + int(cols[-1]) + 1,
    )


class MedianStack:
    """Pixels of several pictures over one place, of which the median of those that hold data is wanted.

    Of an even number it is the mean of the two in the middle; integers are rounded, halves to even.

    Parameters
    ----------
    depth
        Pictures at most.
    shape
        ``(bands, h, w)`` of the place.
    dtype
        Integers or floats.

    Examples
    --------
    >>> stack = MedianStack(3, (1, 1, 2), np.dtype("uint8"))
    >>> for values in ([3, 9], [4, 9], [8, 9]):
    ...     stack.add((slice(0, 1), slice(0, 2)), np.array([[values]], "uint8"), np.array([[[True, False]]]))
    >>> stack.median(fill=0)
    (array([[[4, 0]]], dtype=uint8), array([[[ True, False]]]))

    """

    def __init__(self, depth: int, shape: tuple[int, int, int], dtype: np.dtype) -> None:
        # What is missing sorts last; a cell that holds the largest number is as good as missing.
        self._last = np.inf if dtype.kind == "f" else np.iinfo(dtype).max
        self._depth, self._shape, self._dtype = depth, shape, dtype
        self._levels: list[Array] = []
        self._whole = 0
        self._count: NDArray[np.uint32] | None = None

    def add(self, part: tuple[slice, slice], pixels: Array, said: NDArray[np.bool_] | None) -> None:
        """Add a picture of a part of the place: ``(bands, rows, columns)``, and where it holds data.

        The pixels are kept as they are, and not written into.
        """
        if len(self._levels) == self._depth:
            raise ValueError(f"there is room for {self._depth} pictures")
        held = held_in(pixels, said)
        if pixels.shape == self._shape and (held is None or held.all()):
            self._levels.append(pixels)
            self._whole += 1
            return
        level = np.full(self._shape, self._last, self._dtype)
        np.copyto(level[:, *part], pixels, where=True if held is None else held)
        self._levels.append(level)
        if self._count is None:
            self._count = np.zeros(self._shape, np.uint32)
        self._count[:, *part] += 1 if held is None else held

    def median(self, fill: float | int) -> tuple[Array, NDArray[np.bool_]]:
        """Return the median, ``fill`` where no picture holds data, and where one does. Only once."""
        levels = self._levels
        if not levels:
            return np.full(self._shape, fill, self._dtype), np.zeros(self._shape, np.bool_)
        if self._count is None:
            return _mean(*middles(levels)), np.ones(self._shape, np.bool_)
        self._count += self._whole
        middle, known = _mean(*middles(levels, self._count)), self._count > 0
        middle[~known] = fill
        return middle, known


def _mean(low: Array, high: Array) -> Array:
    """Return the mean of two arrays, ``low <= high``: integers exactly, halves to even.

    >>> _mean(np.array([3, 4, -128], "int8"), np.array([4, 5, 127], "int8"))
    array([4, 4, 0], dtype=int8)
    """
    if low.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # between the infinities is no number
            middle: Array = np.where(low == high, low, low / 2 + high / 2)
        return middle
    unsigned = np.dtype(f"u{low.dtype.itemsize}")
    apart = high.view(unsigned) - low.view(unsigned)  # modulo 2**n, as is the sum
    below = low.view(unsigned) + (apart >> 1)
    rounded: Array = (below + (apart & below & 1)).view(low.dtype)
    return rounded


def piece_shape(tile: tuple[int, int], cell_bytes: int, at_once: int) -> tuple[int, int]:
    """Return ``(rows, columns)``, whole tiles side by side, that take no more than ``at_once`` bytes, or one.

    >>> piece_shape((256, 512), 8, 16 << 20)
    (256, 8192)
    """
    return tile[0], tile[1] * max(1, at_once // (tile[0] * tile[1] * cell_bytes))


def blocks_shape(
    block: tuple[int, int], shape: tuple[int, int], cell_bytes: int, at_once: int
) -> tuple[int, int] | None:
    """Return ``(rows, columns)`` of blocks of a file side by side that take ``at_once`` bytes at most.

    No more blocks than ``shape`` has; ``None`` where one takes more.

    >>> blocks_shape((512, 512), (512, 10980), 8, 16 << 20)
    (512, 4096)
    >>> blocks_shape((1, 10980), (512, 10980), 8, 16 << 20), blocks_shape((512, 512), (9, 9), 100, 16 << 20)
    ((190, 10980), None)
    """
    fit = at_once // (block[0] * block[1] * cell_bytes)
    if not fit:
        return None
    down = min(fit, -(-shape[0] // block[0]))
    across = min(fit // down, -(-shape[1] // block[1]))
    return block[0] * down, block[1] * across


def tile_shape(usual: tuple[int, int], cell_bytes: float, at_once: int) -> tuple[int, int]:
    """Return ``(rows, columns)`` of a tile, halved until what is read for it takes no more than ``at_once``.

    >>> tile_shape((256, 512), 8, 16 << 20), tile_shape((256, 512), 8 * 100, 16 << 20)
    ((256, 512), (32, 512))
    """
    rows, cols = usual
    while rows * cols * cell_bytes > at_once and rows * cols > 1:
        rows, cols = (rows // 2, cols) if rows > 1 else (rows, cols // 2)
    return rows, cols


def deepest(boxes: Sequence[Box]) -> int:
    """Return how many rectangles lie over one place, at most: one of them and all that touch it.

    >>> from geopatcher.core.box import Box
    >>> deepest([Box(0, 2, 0, 2), Box(1, 3, 1, 3), Box(5, 6, 5, 6)])
    2
    """
    return max(sum(not one.intersect(other).empty for other in boxes) for one in boxes)
