"""Weighted sums and means: overlap-add and its relatives."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from geopatcher.accumulators.base import CellAggregation
from geopatcher.accumulators.depth import mean_dtype
from geopatcher.accumulators.finished import Finished
from geopatcher.accumulators.int64 import Offsets, is_wide, join, split
from geopatcher.accumulators.mean_steps import DEEPEST, shares_in
from geopatcher.accumulators.pieces import Piece, Place, Taper, Tile
from geopatcher.accumulators.running_mean import approach, differ, take_over
from geopatcher.core.buffers import zeros

if TYPE_CHECKING:
    from geopatcher.core.protocols import Array

#: Tapers a log of pieces may hold; beyond them it would keep more weights than the sum of weights has.
LOGGED_TAPERS = 16


#: Cells of a side that are taken together where gaps are noted.
GAP_CELLS = 64


@dataclass(slots=True, eq=False)
class SumState:
    """Weighted sum or mean of the values so far, ``(bands, h, w)``, and what is known of the weights.

    ``log`` keeps the places of the pieces, and ``gaps`` says in which cells (`GAP_CELLS` together) some
    had no data where others may have. When that takes more than a sum of weights would, it becomes
    ``weight``, ``(bands, h, w)``, by the additions skipped so far, in double precision. ``offsets`` is
    what values are measured from, where they are 64-bit integers.
    """

    tile: Tile
    values: Array
    buffer: Array
    scratch: Array
    offsets: Offsets | None = None
    log: list[Place] = field(default_factory=list)
    logged_bytes: int = 0
    tapers: set[Taper] = field(default_factory=set)
    gaps: Array | None = None
    weight: Array | None = None

    def room(self, shape: tuple[int, ...]) -> Array:
        """Return scratch space: one buffer for all pieces, whatever their shape."""
        if self.scratch.shape != shape:
            cells = math.prod(shape)
            if self.buffer.size < cells:
                self.buffer = np.empty(cells, self.values.dtype)
            self.scratch = self.buffer[:cells].reshape(shape)
        return self.scratch

    def note(self, piece: Piece) -> None:
        """Take in the weights of a piece."""
        if self.weight is not None:
            self.weight[:, *piece.where] += _weights(piece)
            return
        place = Place.of(piece)
        self.log.append(place)
        self.tapers.add(piece.taper)
        if place.bits is not None:
            self.logged_bytes += place.bits.nbytes
        differs = piece.differs
        if differs is not None:
            self._note_gaps(piece.where, differs)
        if len(self.tapers) > LOGGED_TAPERS or self.logged_bytes > self.values.size * _DOUBLE.itemsize:
            self.materialise()

    def _note_gaps(self, where: tuple[slice, slice], differs: Array) -> None:
        if self.gaps is None:
            height, width = self.values.shape[1:]
            self.gaps = np.zeros((-(-height // GAP_CELLS), -(-width // GAP_CELLS)), dtype=bool)
        rows, cols = (_starts(span) for span in where)
        some = np.logical_or.reduceat(np.logical_or.reduceat(differs, rows, axis=1), cols, axis=2)
        self.gaps[_coarse(where)] |= np.logical_or.reduce(some, axis=0)

    def gaps_in(self, where: tuple[slice, slice]) -> tuple[slice, slice] | None:
        """Return the part of some cells in which pieces so far may differ in what counts, if any."""
        if self.weight is not None:
            return where
        if self.gaps is None:
            return None
        coarse = _coarse(where)
        found = self.gaps[coarse]
        if not found.any():
            return None
        rows, cols = np.logical_or.reduce(found, axis=1), np.logical_or.reduce(found, axis=0)
        return _spanned(rows, coarse[0].start, where[0]), _spanned(cols, coarse[1].start, where[1])

    def weights_in(self, where: tuple[slice, slice]) -> Array:
        """Return the sum of weights so far of some cells, ``(bands, h, w)``."""
        if self.weight is not None:
            found: Array = self.weight[:, *where]
            return found
        rows, cols = where
        total = np.zeros((self.values.shape[0], rows.stop - rows.start, cols.stop - cols.start))
        row0, row1, col0, col1 = rows.start, rows.stop, cols.start, cols.stop
        for place in self.log:
            its_rows, its_cols = place.where
            row, col = its_rows.start, its_cols.start
            if row >= row1 or its_rows.stop <= row0 or col >= col1 or its_cols.stop <= col0:
                continue
            top, bottom = max(row0, row), min(row1, its_rows.stop)
            left, right = max(col0, col), min(col1, its_cols.stop)
            into = total[:, top - row0 : bottom - row0, left - col0 : right - col0]
            into += place.weights(slice(top - row, bottom - row), slice(left - col, right - col))
        return total

    def shares_of(self, piece: Piece) -> Array:
        """Return the shares of a piece that was noted, ``(h, w)`` or ``(bands, h, w)``."""
        if piece.shares is None:  # patches in no order that repeats: each would go through the log
            self.materialise()
            return self._counted_shares(piece, piece.where)
        known: Array = piece.shares[piece.crop]
        part = self.gaps_in(piece.where)
        if part is None:
            return known
        counted = self._counted_shares(piece, part)
        if part == piece.where:
            return counted
        shares = np.empty(piece.data.shape, self.values.dtype)
        shares[...] = known
        shares[:, *_within(part, piece.where)] = counted
        return shares

    def _counted_shares(self, piece: Piece, part: tuple[slice, slice]) -> Array:
        """Return a piece's shares of some cells by the sums of weights there, ``(bands, h, w)``."""
        inner = _within(part, piece.where)
        shares = shares_in(_weights(piece)[..., *inner], self.weights_in(part))
        return shares.astype(self.values.dtype, copy=False)

    def materialise(self) -> Array:
        """Return the sum of weights per band, made from the log if need be."""
        if self.weight is None:
            self.weight = zeros(self.values.shape, _DOUBLE)
            for place in self.log:
                self.weight[:, *place.where] += place.weights(*place.whole)
            self.log.clear()
            self.tapers.clear()
            self.gaps = None
        return self.weight

    def covered(self) -> Array | None:
        """Return where any weight arrived, ``(h, w)`` or per band; ``None`` for everywhere."""
        if self.weight is None:
            return self.tile.coverings.of(self.log, self.tile.shape)
        return None if self.weight.all() else self.weight > 0


def _coarse(where: tuple[slice, slice]) -> tuple[slice, slice]:
    rows, cols = where
    return (
        slice(rows.start // GAP_CELLS, -(-rows.stop // GAP_CELLS)),
        slice(cols.start // GAP_CELLS, -(-cols.stop // GAP_CELLS)),
    )


def _starts(span: slice) -> Array:
    """Return where, in a span of cells, those that are taken together begin."""
    first = span.start // GAP_CELLS * GAP_CELLS
    starts: Array = np.maximum(np.arange(first, span.stop, GAP_CELLS) - span.start, 0)
    return starts


def _within(part: tuple[slice, slice], whole: tuple[slice, slice]) -> tuple[slice, slice]:
    row, col = whole[0].start, whole[1].start
    return (
        slice(part[0].start - row, part[0].stop - row),
        slice(part[1].start - col, part[1].stop - col),
    )


def _spanned(marks: Array, first: int, span: slice) -> slice:
    """Return the part of a span of cells from the first mark to the last; ``first`` is where marks begin."""
    start, stop = int(marks.argmax()), len(marks) - int(marks[::-1].argmax())
    return slice(max(span.start, (first + start) * GAP_CELLS), min(span.stop, (first + stop) * GAP_CELLS))


_DOUBLE = np.dtype(np.float64)


@dataclass(frozen=True)
class WeightedTotal(CellAggregation[SumState]):
    """Sum of weight times value; NaN and nodata cells do not count."""

    def zero(self, tile: Tile) -> SumState:
        """Return zeros in the accumulator's dtype."""
        nothing = np.empty(0, tile.exact)
        return SumState(tile, zeros(tile.shape, tile.exact), nothing, nothing)

    def update(self, state: SumState, piece: Piece) -> SumState:
        """Add ``weight * value`` in place."""
        view, products = state.values[:, *piece.where], state.room(piece.data.shape)
        with np.errstate(invalid="ignore", over="ignore"):
            np.multiply(piece.data, piece.weights, out=products, casting="same_kind")
            _leave_out(products, piece, piece.weights)
            np.add(view, products, out=view)
        state.note(piece)
        return state

    def merge_states(self, first: SumState, second: SumState) -> SumState:
        """Add sums and weights."""
        first.values += second.values
        first.weight = first.materialise() + second.materialise()
        return first

    def finalise(self, state: SumState) -> Finished:
        """Return the sum where any weight arrived."""
        return Finished(state.values, state.covered())

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return a floating dtype: weights are fractions."""
        return mean_dtype(dtype)

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Sum or mean per band."""
        _ = depth
        return n_bands * dtype.itemsize

    def gap_bytes(self, n_bands: int, depth: int) -> float:
        """Per band a bit for each patch, while shares are known; the sum of weights otherwise."""
        return n_bands * (depth / 8 if depth <= DEEPEST else _DOUBLE.itemsize)


@dataclass(frozen=True)
class WeightedMean(WeightedTotal):
    """Sum of weight times value over sum of weights; NaN and nodata cells do not count.

    It is kept as a running mean, see `History`: equal values have exactly that value as their mean,
    however many there are, and what is alike in overlapping patches is not rounded.
    """

    takes_shares: ClassVar[bool] = True
    keeps_quantity: ClassVar[bool] = True
    watches_overflow: ClassVar[bool] = True

    def zero(self, tile: Tile) -> SumState:
        """Return zeros in the accumulator's dtype."""
        state = super().zero(tile)
        if is_wide(tile.dtype):
            state.offsets = Offsets.zero(tile.shape, tile.dtype)
        return state

    def update(self, state: SumState, piece: Piece) -> SumState:
        """Go from the mean so far towards the values, as far as their share in the weights is."""
        data = piece.data
        if state.offsets is not None:
            data = state.offsets.of(piece.where, piece.cells(state.tile.dtype), piece.valid)
        state.note(piece)
        shares = state.shares_of(piece)
        step, mean = state.room(data.shape), state.values[:, *piece.where]
        everywhere = piece.valid is None and piece.taper.positive
        disagreement = state.tile.disagreement
        if looked_for := disagreement.wanted_in(state.tile.dtype):
            counts = None if everywhere else _counting(piece, shares)
            exact = state.offsets is None and np.can_cast(data.dtype, mean.dtype)
            if exact and take_over(mean, data, shares, step, counts):
                return state
            disagreement.found = exact  # of others it shows when the step is taken
        leave_out = None if everywhere else partial(_leave_out, step, piece, shares)
        approach(mean, data, shares, step, leave_out)
        if looked_for and not exact:
            disagreement.found = differ(mean, data, counts)
        return state

    def merge_states(self, first: SumState, second: SumState) -> SumState:
        """Go from one mean towards the other, as far as its share in the weights is."""
        values = second.values
        if first.offsets is not None and second.offsets is not None:
            values = values + first.offsets.join(second.offsets)
        added, so_far = second.materialise(), first.materialise()
        disagreement = first.tile.disagreement
        if disagreement.wanted_in(first.tile.dtype):
            both = (added > 0) & (so_far > 0)
            disagreement.found = second.tile.disagreement.found or differ(first.values, values, both)
        first.weight = so_far + added
        step = (values - first.values) * shares_in(added, first.weight)
        first.values += np.where(added > 0, step, 0.0)
        return first

    def finalise(self, state: SumState) -> Finished:
        """Return the mean where any weight arrived."""
        return Finished(state.values, state.covered(), None if state.offsets is None else state.offsets.base)

    def wide_bytes(self, n_bands: int) -> int:
        """Return those of the first value, which the mean is measured from, and its mark."""
        return 9 * n_bands

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return the patches' own dtype: a mean lies among the values."""
        return dtype


@dataclass(frozen=True)
class Mean(WeightedMean):
    """Mean of the values: every patch counts the same, whatever its window."""

    def weights_for(self, data: Array, weights: Array | None) -> None:
        """Return ``None``: ones."""
        _ = data, weights


@dataclass(slots=True, eq=False)
class TotalState:
    """Sum of the values, ``(bands, h, w)``, and which cells have one.

    Of 64-bit integers ``total`` adds up the lower 32 bits and ``high`` the upper ones: neither can
    overflow before two thousand million patches lie over a cell.
    """

    tile: Tile
    total: Array
    seen: Array
    high: Array | None = None


@dataclass(frozen=True)
class Total(CellAggregation[TotalState]):
    """Sum of the values, exact for integers."""

    def zero(self, tile: Tile) -> TotalState:
        """Return zeros: integers for integers, the accumulator's dtype for floats."""
        dtype = tile.exact if tile.dtype.kind == "f" else np.dtype(np.int64)
        high = zeros(tile.shape, np.dtype(np.int64)) if is_wide(tile.dtype) else None
        return TotalState(tile, zeros(tile.shape, dtype), zeros(tile.shape, np.dtype(bool)), high)

    def update(self, state: TotalState, piece: Piece) -> TotalState:
        """Add the values that count."""
        data, valid = piece.cells(state.tile.dtype), piece.valid
        here = True if valid is None else valid
        view = state.total[:, *piece.where]
        if state.high is not None:
            upper, data = split(data)
            high = state.high[:, *piece.where]
            np.add(high, upper, out=high, where=here)
        with np.errstate(invalid="ignore", over="ignore"):
            np.add(view, data, out=view, where=here, casting="same_kind")
        state.seen[:, *piece.where] |= here
        return state

    def merge_states(self, first: TotalState, second: TotalState) -> TotalState:
        """Add the sums."""
        first.total += second.total
        first.seen |= second.seen
        if first.high is not None and second.high is not None:
            first.high += second.high
        return first

    def finalise(self, state: TotalState) -> Finished:
        """Return the sum; one that even 64 bits cannot hold is at their limit."""
        total = state.total
        if state.high is not None:
            total = join(state.high, total, state.tile.dtype)
        return Finished(total, None if state.seen.all() else state.seen)

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return int64 for signed integers, uint64 for unsigned ones, floats as they are."""
        return dtype if dtype.kind == "f" else np.dtype("int64" if dtype.kind == "i" else "uint64")

    def memory_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return float64, but the patches' own dtype for 64-bit integers, which it cannot hold."""
        return dtype if is_wide(dtype) else np.dtype("float64")

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Sum, of integers in 64 bits, and a mark."""
        _ = dtype, depth
        return 9 * n_bands


def _weights(piece: Piece) -> Array:
    """Return the weights of the cells of a piece that count, ``(h, w)`` or per band."""
    return piece.weights if piece.valid is None else piece.weights * piece.valid


def _counting(piece: Piece, shares: Array) -> Array:
    """Return the cells of a piece that count: ``(bands, h, w)``, or all bands alike."""
    weighed: Array = shares != 0
    return weighed if piece.valid is None else piece.valid & weighed


def _leave_out(products: Array, piece: Piece, weights: Array) -> None:
    """Set products to zero where a cell does not count: what is not finite is no zero times zero."""
    if not piece.taper.positive:
        products[np.broadcast_to(weights == 0, products.shape)] = 0
    if piece.valid is not None:
        np.copyto(products, 0, where=~piece.valid)
