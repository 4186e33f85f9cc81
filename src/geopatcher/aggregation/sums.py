"""Weighted sums and means: overlap-add and its relatives."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.aggregation.base import (
    HEADROOM,
    CellAggregation,
    Finished,
    Piece,
    Tile,
    mean_dtype,
    unit_taper,
)
from geopatcher.aggregation.extremes import highest, lowest
from geopatcher.aggregation.wide import Offsets, is_wide, join, split
from geopatcher.buffers import zeros

if TYPE_CHECKING:
    from geopatcher.protocols import Array

#: Cells divided at once: they fit the processor's cache.
CELLS_AT_ONCE = 1 << 17
#: Tapers a log of pieces may hold; beyond them it would keep more weights than the sum of weights has.
LOGGED_TAPERS = 16


@dataclass(slots=True, eq=False)
class SumState:
    """Weighted sum of the values, ``(bands, h, w)``, and what is needed for the sum of weights.

    As long as every cell of every piece counted, ``log`` keeps the pieces' places only; the first
    piece with gaps turns it into ``weight``, ``(bands, h, w)``, by the additions skipped so far.
    Weights are scaled, see `Taper`, and added in double precision. ``tiny`` is the sum of products
    too small for float32. ``offsets`` is what values are measured from, where they are 64-bit
    integers; ``bounds`` their least and largest, which a mean in double precision must keep to.
    """

    tile: Tile
    total: Array
    scratch: Array
    offsets: Offsets | None = None
    bounds: tuple[Array, Array] | None = None
    log: list[Piece] = field(default_factory=list)
    tapers: set[int] = field(default_factory=set)
    weight: Array | None = None
    tiny: Array | None = None

    def room(self, shape: tuple[int, ...]) -> Array:
        """Return scratch space: one buffer for all pieces, whatever their shape."""
        cells = math.prod(shape)
        if self.scratch.size < cells:
            self.scratch = np.empty(cells, self.total.dtype)
        return self.scratch[:cells].reshape(shape)

    def materialise(self) -> Array:
        """Return the sum of weights per band, made from the log if need be."""
        if self.weight is None:
            self.weight = zeros(self.total.shape, _DOUBLE)
            for piece in self.log:
                self.weight[:, *piece.where] += piece.scaled_weights
            self.log.clear()
        return self.weight

    def summed_weights(self) -> tuple[Array, bool]:
        """Return the sum of weights, ``(h, w)`` or per band, and whether it is positive everywhere."""
        if self.weight is not None:
            return self.weight, bool(self.weight.all())
        return self.tile.sums.of(self.log, (self.tile.shape[1], self.tile.shape[2]))


_NOTHING = np.empty(0)
_DOUBLE = np.dtype(np.float64)


@dataclass(frozen=True)
class WeightedTotal(CellAggregation[SumState]):
    """Sum of weight times value; NaN and nodata cells do not count."""

    def zero(self, tile: Tile) -> SumState:
        """Return zeros in the accumulator's dtype."""
        return SumState(tile, zeros(tile.shape, tile.exact), _NOTHING)

    def update(self, state: SumState, piece: Piece) -> SumState:
        """Add ``weight * value`` in place."""
        data, weights, valid = piece.data, piece.scaled_weights, piece.valid
        if state.offsets is not None:
            data = state.offsets.of(piece.where, piece.cells(state.tile.dtype), valid)
        if state.bounds is not None:
            _widen(state.bounds, piece)
        weighted = _multiply(state, data, weights, piece.where, valid)
        if not piece.taper.positive:
            weighted[:, weights == 0] = 0  # infinity times zero is NaN
        if valid is not None:
            weighted[~valid] = 0  # NaN times anything is NaN
            state.materialise()[:, *piece.where] += weights * valid
        elif state.weight is None:
            state.log.append(without_data(piece))
            state.tapers.add(id(piece.taper))
            if len(state.tapers) > LOGGED_TAPERS:
                state.materialise()
        else:
            state.weight[:, *piece.where] += weights
        view = state.total[:, *piece.where]
        np.add(view, weighted, out=view)
        return state

    def merge_states(self, first: SumState, second: SumState) -> SumState:
        """Add sums and weights."""
        added = second.total
        if first.offsets is not None and second.offsets is not None:
            added = added + second.materialise() * first.offsets.join(second.offsets)
        first.total += added
        first.weight = first.materialise() + second.materialise()
        if first.bounds is not None and second.bounds is not None:
            np.minimum(first.bounds[0], second.bounds[0], out=first.bounds[0])
            np.maximum(first.bounds[1], second.bounds[1], out=first.bounds[1])
        if second.tiny is not None:
            first.tiny = second.tiny if first.tiny is None else first.tiny + second.tiny
        return first

    def finalise(self, state: SumState) -> Finished:
        """Return the sum where any weight arrived."""
        weight, everywhere = state.summed_weights()
        total = state.total if state.tiny is None else state.total + state.tiny
        return Finished(total * HEADROOM, None if everywhere else weight > 0)

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return a floating dtype: weights are fractions."""
        return mean_dtype(dtype)

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Total per band; in double precision, bounds."""
        _ = depth
        return n_bands * (4 if dtype == np.float32 else 24)

    def gap_bytes(self, n_bands: int, dtype: np.dtype) -> int:
        """Sum of weights per band, which is kept for tiles that have cells without data."""
        _ = dtype
        return 8 * n_bands


@dataclass(frozen=True)
class WeightedMean(WeightedTotal):
    """Sum of weight times value over sum of weights; NaN and nodata cells do not count.

    In single precision the mean of equal values is within 4 ulp of them, up to `FLOAT32_DEPTH` patches
    deep. In double precision, and of 64-bit integers, it is that value, however many there are.
    """

    def zero(self, tile: Tile) -> SumState:
        """Return zeros in the accumulator's dtype."""
        state = super().zero(tile)
        if is_wide(tile.dtype):
            state.offsets = Offsets.zero(tile.shape, tile.dtype)
        elif tile.exact == _DOUBLE:
            state.bounds = (zeros(tile.shape, tile.dtype), zeros(tile.shape, tile.dtype))
            state.bounds[0].fill(highest(tile.dtype))
            state.bounds[1].fill(lowest(tile.dtype))
        return state

    def finalise(self, state: SumState) -> Finished:
        """Divide where any weight arrived."""
        weight, everywhere = state.summed_weights()
        covered = None if everywhere else weight > 0
        weights = np.broadcast_to(weight, state.total.shape)
        if state.tiny is None:
            _divide(state.total, weights, covered)
        else:
            small = state.tiny != 0
            exact = (state.total[small] + state.tiny[small]) / weights[small]
            _divide(state.total, weights, covered)
            state.total[small] = exact
        if state.bounds is not None:
            np.maximum(state.total, state.bounds[0], out=state.total)
            np.minimum(state.total, state.bounds[1], out=state.total)
            state.total += 0.0  # zeros of both signs are one value
        return Finished(state.total, covered, None if state.offsets is None else state.offsets.base)

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return the patches' own dtype: a mean lies among the values."""
        return dtype


@dataclass(frozen=True)
class Mean(WeightedMean):
    """Mean of the values: every patch counts the same, whatever its window."""

    def update(self, state: SumState, piece: Piece) -> SumState:
        """Add the values with weights of one."""
        ones = unit_taper(piece.taper.values.shape, state.total.dtype)
        return super().update(state, replace(piece, taper=ones))


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


def _widen(bounds: tuple[Array, Array], piece: Piece) -> None:
    """Let the bounds take in the values of a piece that count."""
    data = piece.cells(bounds[0].dtype)
    here = True if piece.valid is None else piece.valid
    if not piece.taper.positive:
        here = here & (piece.weights > 0)
    for bound, keep in zip(bounds, (np.minimum, np.maximum), strict=True):
        view = bound[:, *piece.where]
        keep(view, data, out=view, where=here)


def _multiply(
    state: SumState, data: Array, weights: Array, where: tuple[slice, slice], valid: Array | None
) -> Array:
    """Return ``data * weights`` in scratch space; products float32 would lose go to ``tiny``.

    Whether a product is lost depends on that cell alone, so that the result has the same bits
    however the field was cut into tiles.
    """
    out = state.room(data.shape)
    single = state.total.dtype == np.float32
    try:
        with np.errstate(under="raise" if single else "ignore", over="ignore", invalid="ignore"):
            return np.multiply(data, weights, out=out, casting="same_kind")
    except FloatingPointError:
        with np.errstate(under="ignore", over="ignore", invalid="ignore"):
            products = np.multiply(data, weights, dtype=np.float64)
            kept = products.astype(np.float32)
            lost = (np.abs(kept) < np.finfo(np.float32).tiny) & (kept != products)
            if valid is not None:
                lost &= valid
            if state.tiny is None:
                state.tiny = zeros(state.total.shape, _DOUBLE)
            state.tiny[:, *where] += np.where(lost, products, 0.0)
            products[lost] = 0.0
            np.copyto(out, products, casting="same_kind")
        return out


def _divide(total: Array, weights: Array, covered: Array | None) -> None:
    """Divide in place where ``covered``, in double precision.

    The mean of the largest numbers of single precision may be rounded beyond it: it is put back.
    """
    if total.dtype == _DOUBLE:
        with np.errstate(over="ignore"):  # the bounds hold it
            np.divide(total, weights, out=total, where=True if covered is None else covered)
        return
    height, width = total.shape[1:]
    rows = max(1, CELLS_AT_ONCE // width)
    where = None if covered is None else np.broadcast_to(covered, total.shape)
    room = np.empty((rows, width))
    largest = np.finfo(total.dtype).max
    for band in range(len(total)):
        for row in range(0, height, rows):
            part = (band, slice(row, row + rows))
            sums, here = total[part], True if where is None else where[part]
            mean = room[: len(sums)]
            np.copyto(mean, sums)  # converted first: NumPy divides mixed dtypes half as fast
            np.divide(mean, weights[part], out=mean, where=here)
            try:
                with np.errstate(over="raise", invalid="ignore"):
                    np.copyto(sums, mean, casting="same_kind", where=here)
            except FloatingPointError:
                finite = here & np.isfinite(mean)
                np.copyto(sums, np.clip(mean, -largest, largest), casting="same_kind", where=finite)


def without_data(piece: Piece) -> Piece:
    """Return a piece that remembers where it was, and holds no pixels."""
    return Piece(piece.where, piece.crop, _NOTHING, piece.taper, None, piece.anchor)
