"""Weighted sums: overlap-add and its relatives."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.aggregation.base import CellAggregation, Finished, Piece, Tile

if TYPE_CHECKING:
    from geopatcher.protocols import Array


@dataclass(slots=True, eq=False)
class SumState:
    """Weighted sum of the values, ``(bands, h, w)``, and what is needed for the sum of weights.

    As long as every cell of every piece counted, ``log`` keeps the pieces' places only; the first
    piece with gaps turns it into ``weight``, ``(bands, h, w)``, by the additions skipped so far.
    """

    tile: Tile
    total: Array
    scratch: Array
    log: list[Piece] = field(default_factory=list)
    weight: Array | None = None

    def room(self, shape: tuple[int, ...]) -> Array:
        """Return scratch space: one buffer for all pieces, whatever their shape."""
        cells = math.prod(shape)
        if self.scratch.size < cells:
            self.scratch = np.empty(cells, self.total.dtype)
        return self.scratch[:cells].reshape(shape)

    def materialise(self) -> Array:
        """Return the sum of weights per band, made from the log if need be."""
        if self.weight is None:
            self.weight = np.zeros_like(self.total)
            for piece in self.log:
                self.weight[:, *piece.where] += piece.weights
            self.log.clear()
        return self.weight


_NOTHING = np.empty(0)


@dataclass(frozen=True)
class WeightedMean(CellAggregation[SumState]):
    """Sum of weight times value over sum of weights; NaN and nodata cells do not count."""

    def zero(self, tile: Tile) -> SumState:
        """Return zeros in the accumulator's dtype."""
        return SumState(tile, np.zeros(tile.shape, tile.exact), _NOTHING)

    def update(self, state: SumState, piece: Piece) -> SumState:
        """Add ``weight * value`` in place."""
        weights, valid = piece.weights, piece.valid
        weighted = np.multiply(piece.data, weights, out=state.room(piece.data.shape), casting="same_kind")
        if not piece.taper.positive:
            weighted[:, weights == 0] = 0  # infinity times zero is NaN
        if valid is not None:
            weighted[~valid] = 0  # NaN times anything is NaN
            state.materialise()[:, *piece.where] += weights * valid
        elif state.weight is None:
            state.log.append(without_data(piece))
        else:
            state.weight[:, *piece.where] += weights
        view = state.total[:, *piece.where]
        np.add(view, weighted, out=view)
        return state

    def merge_states(self, first: SumState, second: SumState) -> SumState:
        """Add sums and weights."""
        first.materialise()
        first.total += second.total
        first.weight = first.materialise() + second.materialise()
        return first

    def finalise(self, state: SumState) -> Finished:
        """Divide where any weight arrived."""
        if state.weight is None:
            shape = (state.tile.shape[1], state.tile.shape[2])
            weight, everywhere = state.tile.sums.of(state.log, shape, state.total.dtype)
        else:
            weight, everywhere = state.weight, bool(state.weight.all())
        if everywhere:
            return Finished(np.divide(state.total, weight, out=state.total), None)
        covered = weight > 0
        np.divide(state.total, weight, out=state.total, where=covered)
        return Finished(state.total, covered)

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Total per band; the sum of weights comes on top once there are gaps."""
        _ = depth
        return n_bands * (4 if dtype.itemsize <= 2 or dtype == np.float32 else 8)


def without_data(piece: Piece) -> Piece:
    """Return a piece that remembers where it was, and holds no pixels."""
    return Piece(piece.where, piece.crop, _NOTHING, piece.taper, None, piece.anchor)
