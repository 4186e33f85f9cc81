"""Statistics of bands, counted block by block and put together in one order: the same whoever counts."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.gaps import MISSING
from geopatcher.core.statistics import Statistics
from geopatcher.targets.digests import moments_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import Array
    from geopatcher.targets.digests import Digests

#: What is kept of each band of a block: cells that hold data, their least, their greatest and their mean,
#: and the sum of the squares of what they are off that mean. What float64 has not of the least and the
#: greatest of whole numbers of 64 bits comes behind.
COUNT, LEAST, MOST, MEAN, SQUARES, LEAST_REST, MOST_REST = range(7)
#: In place of the moments of a block that was not written, which holds fill.
NOTHING = -1.0
#: Cells that are turned into floats at once, which then stay in the cache.
PIECE = 32768
#: Numbers that are summed up in their own precision; what comes of them is summed up as float64. Of more of
#: float64 BLAS would take threads, of more of float32 digits would go, and of bytes any would.
RUNS = {8: 8192, 4: 512, 1: 256}
#: Of squares of which less is left than this share, too many digits are gone.
LEFT = 0.01
#: Where they are copied to, used again by any thread: fresh memory takes as long as to count.
_BUFFERS: list[Array] = []


def n_columns(dtype: np.dtype) -> int:
    """Return how many numbers are kept of a band."""
    return 7 if dtype.kind in "iu" and dtype.itemsize == 8 else 5


def moments_of(
    cells: Array, known: Array | None, nodata: float | int | None = None, *, to_all_digits: bool = False
) -> Array:
    """Return the moments of each band of ``(bands, h, w)``: ``(bands, columns)`` float64.

    Of cells that are ``known`` (`None`: of all), and neither NaN nor ``nodata``. Those of many cells of
    float32 are good to some nine digits, or ``to_all_digits`` as float64 has them.

    >>> moments_of(np.array([[[1, 3]]], "uint8"), None).tolist()
    [[2.0, 1.0, 3.0, 2.0, 2.0]]
    """
    found = np.zeros((len(cells), n_columns(cells.dtype)))
    for row, (number, band) in zip(found, enumerate(cells), strict=True):
        held = band.ravel() if known is None else band[known[number]]
        if nodata is not None and nodata == nodata:  # noqa: PLR0124 - NaN is seen to for all
            there = held != held.dtype.type(nodata)
            held = held if there.all() else held[there]
        _fill(row, held, single=held.dtype == np.float32 and held.size > PIECE and not to_all_digits)
    return found


def _fill(row: Array, held: Array, *, single: bool) -> None:
    """Put the moments of cells, of which NaN are none, into a row."""
    most = held.max() if held.size else 0
    if most != most:  # noqa: PLR0124 - NaN passes through max
        held = held[~np.isnan(held)]
        most = held.max() if held.size else 0
    if not held.size:
        return
    least = held.min()
    row[: SQUARES + 1] = held.size, least, most, *_spread(held, float(least), float(most), single=single)
    if len(row) > LEAST_REST:
        row[LEAST_REST:] = int(least) - int(float(least)), int(most) - int(float(most))


def _spread(held: Array, least: float, most: float, *, single: bool) -> tuple[float, float]:
    """Return the mean of cells, and the sum of the squares of what they are off it.

    They are added up as float64, or as ``single`` floats.
    """
    if least == most:
        return least, 0.0
    single = single or held.itemsize == 1  # of bytes float32 has the squares, and sums of a few
    kind = np.dtype(np.float32 if single else np.float64)
    middle = float(kind.type(least / 2 + most / 2))
    shift = middle if abs(middle) > most - least else 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        sums = np.array(
            [_sums(piece, RUNS[held.itemsize if single else 8]) for piece in _floats(held, kind, shift)]
        )
        total, squared = sums.sum(axis=0).tolist()
        squares = squared - total * total / held.size
        if squares > LEFT * squared:
            return shift + total / held.size, squares
        apart = held.astype(np.float64)
        mean = float(apart.mean())
        apart -= mean
        np.multiply(apart, apart, out=apart)
        return mean, float(apart.sum())


def _floats(held: Array, kind: np.dtype, shift: float) -> Iterator[Array]:
    """Yield cells less a number, each piece until the next one."""
    if held.dtype == kind and not shift:
        yield held
        return
    try:
        buffer = _BUFFERS.pop()
    except IndexError:
        buffer = np.empty(PIECE)
    piece = buffer.view(kind)[:PIECE]
    for start in range(0, held.size, PIECE):
        part = held[start : start + PIECE]
        own = piece[: part.size]
        own[...] = part
        if shift:
            own -= kind.type(shift)
        yield own
    _BUFFERS.append(buffer)


def _sums(piece: Array, run: int) -> tuple[float, float]:
    """Return the sum of numbers, and that of their squares."""
    n_runs = len(piece) // run
    runs, rest = piece[: n_runs * run].reshape(n_runs, 1, run), piece[n_runs * run :]
    ones = np.ones((run, 1), piece.dtype)
    total = np.matmul(runs, ones).sum(dtype=np.float64) + np.dot(rest, ones[: len(rest), 0])
    squared = np.matmul(runs, runs.transpose(0, 2, 1)).sum(dtype=np.float64) + np.dot(rest, rest)
    return float(total), float(squared)


def together(moments: Array) -> Array:
    """Return the moments of all of several parts, ``(parts, columns)``, that were taken in this order.

    By the pairwise formula of Chan, Golub and LeVeque (1979), for all parts at once.

    >>> together(np.array([[1, 1.0, 1, 1, 0], [1, 3.0, 3, 3, 0], [0, 0, 0, 0, 0]])).tolist()
    [2.0, 1.0, 3.0, 2.0, 2.0]
    """
    parts = moments[moments[:, COUNT] > 0]
    whole = np.zeros(moments.shape[1])
    if not len(parts):
        return whole
    with np.errstate(invalid="ignore", over="ignore"):
        count = parts[:, COUNT].sum()
        mean = (parts[:, COUNT] * parts[:, MEAN]).sum() / count
        off = parts[:, COUNT] * (parts[:, MEAN] - mean) ** 2
        squares = parts[:, SQUARES].sum() + off.sum()
    least, most = parts[:, LEAST].min(), parts[:, MOST].max()
    whole[: SQUARES + 1] = count, least, most, mean, squares
    if len(whole) > LEAST_REST:
        whole[LEAST_REST] = parts[parts[:, LEAST] == least, LEAST_REST].min()
        whole[MOST_REST] = parts[parts[:, MOST] == most, MOST_REST].max()
    return whole


def statistics_of(moments: Array, dtype: np.dtype, n_cells: int) -> Statistics | None:
    """Return the statistics of a band of ``n_cells``; `None` where no cell holds data, or one is infinite.

    >>> statistics_of(np.array([2, 1.0, 3.0, 2.0, 2.0]), np.dtype("uint8"), 4)
    Statistics(minimum=1, maximum=3, mean=2.0, deviation=1.0, valid_percent=50.0, valid_count=2)
    """
    count, least, most, mean, squares, *rest = moments.tolist()
    if not count or not np.isfinite(moments).all():
        return None
    if dtype.kind in "iub":
        least_rest, most_rest = rest or (0, 0)
        least, most = int(least) + int(least_rest), int(most) + int(most_rest)
    return Statistics(least, most, mean, (squares / count) ** 0.5, 100 * count / n_cells, int(count))


def of_fill(fill: np.generic, nodata: float | int | None) -> Array:
    """Return the moments of a cell that holds fill: those of a cell without data where that is ``nodata``.

    >>> of_fill(np.uint8(7), None).tolist(), of_fill(np.uint8(7), 7).tolist()
    ([1.0, 7.0, 7.0, 7.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0])
    """
    moments: Array = moments_of(np.full((1, 1, 1), fill), None, nodata)[0]
    return moments


@dataclass(frozen=True)
class Counting:
    """How the cells of an array are counted: all but those that hold ``nodata``, or that a mask hides."""

    dtype: np.dtype
    nodata: float | int | None

    @property
    def n_columns(self) -> int:
        """Numbers of a block."""
        return n_columns(self.dtype)

    def moments(self, cells: Array, said: Array | None) -> Array:
        """Return the moments of cells, ``(h, w)``; ``said`` is what a mask holds there, if there is one."""
        if said is None:
            found: Array = moments_of(cells[None], None, self.nodata)[0]
            return found
        known = said != MISSING
        masked: Array = moments_of(cells[None], None if known.all() else known[None])[0]
        return masked


class Tally:
    """Moments of the blocks of a result, each at its place: their sum does not depend on who came first.

    A block that is written again counts as it was written last, and one that is not written holds fill.
    """

    def __init__(self, spec: ResultSpec) -> None:
        self._spec, self._block = spec, spec.shards or spec.chunks
        self._moments: Array | None = None
        self._is_whole = True

    def add(self, box: Box, digests: Digests) -> None:
        """Take what is known of a rectangle of whole blocks."""
        moments = moments_in(digests["data"])
        if moments is None:
            self._is_whole = False
        if moments is None or not self._is_whole:
            return
        if self._moments is None:
            self._moments = self._blank()
        height, width = self._block
        rows = slice(box.row0 // height, -(-box.row1 // height))
        cols = slice(box.col0 // width, -(-box.col1 // width))
        written = moments[..., COUNT] != NOTHING
        self._moments[:, rows, cols][written] = moments[written]

    def _blank(self) -> Array:
        """Return the moments of blocks of which none is written."""
        spec = self._spec
        lengths = [
            np.diff([*range(0, size, block), size])
            for size, block in zip(spec.domain.grid_shape, self._block, strict=True)
        ]
        dtype = spec.domain.dtype
        blank = np.zeros((prod(spec.domain.array_shape[:-2]), *map(len, lengths), n_columns(dtype)))
        fill = of_fill(dtype.type(spec.fill), spec.domain.nodata)
        if fill[COUNT] and not spec.masked:
            blank[...] = fill
            blank[..., COUNT] = np.outer(*lengths)
        return blank

    def statistics(self) -> tuple[Statistics | None, ...]:
        """Return the statistics of each band; none where not all blocks were counted."""
        if self._moments is None or not self._is_whole:
            return ()
        n_columns_, n_cells = self._moments.shape[-1], prod(self._spec.domain.grid_shape)
        bands = self._moments.reshape(len(self._moments), -1, n_columns_)
        return tuple(statistics_of(together(band), self._spec.domain.dtype, n_cells) for band in bands)
