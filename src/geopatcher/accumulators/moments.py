"""Variance by the updating formulas of Welford, and means weighted by the variance patches carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.accumulators.base import CellAggregation
from geopatcher.accumulators.depth import mean_dtype
from geopatcher.accumulators.finished import Finished
from geopatcher.accumulators.int64 import Offsets
from geopatcher.core.buffers import zeros
from geopatcher.errors import OperatorError

if TYPE_CHECKING:
    from geopatcher.accumulators.pieces import Piece, Tile
    from geopatcher.core.protocols import Array


@dataclass(slots=True, eq=False)
class MomentState:
    """Number, mean and sum of squared distances from the mean, each ``(bands, h, w)``.

    The mean is that of the distances from the first value, in ``offsets``.
    """

    tile: Tile
    count: Array
    mean: Array
    squares: Array
    offsets: Offsets


@dataclass(frozen=True)
class Variance(CellAggregation[MomentState]):
    """Sample variance of the values, without cancellation.

    Welford (1962), https://doi.org/10.1080/00401706.1962.10490022; states are merged as in Chan, Golub
    & LeVeque (1983), https://doi.org/10.1080/00031305.1983.10483115.
    """

    def zero(self, tile: Tile) -> MomentState:
        """Return zeros in double precision."""
        count = zeros(tile.shape, np.dtype(np.uint32))
        mean, squares = (zeros(tile.shape, np.dtype(np.float64)) for _ in range(2))
        return MomentState(tile, count, mean, squares, Offsets.zero(tile.shape, tile.dtype))

    def update(self, state: MomentState, piece: Piece) -> MomentState:
        """Take in one more value per cell."""
        valid = piece.valid
        data = state.offsets.of(piece.where, piece.cells(state.tile.dtype), valid)
        count, mean, squares = (array[:, *piece.where] for array in (state.count, state.mean, state.squares))
        count += 1 if valid is None else valid
        with np.errstate(invalid="ignore", over="ignore"):
            step = data - mean
            if valid is not None:
                step[~valid] = 0.0
            mean += step / np.maximum(count, 1)
            squares += step * (data - mean)
        return state

    def merge_states(self, first: MomentState, second: MomentState) -> MomentState:
        """Join two samples."""
        other = second.mean + first.offsets.join(second.offsets)
        count = np.maximum(first.count + second.count, 1)
        share = second.count / count
        step = np.where(second.count > 0, other - first.mean, 0.0)
        first.squares += second.squares + step**2 * first.count * share
        first.mean += step * share
        first.count += second.count
        return first

    def finalise(self, state: MomentState) -> Finished:
        """Divide by the number less one; one value has no variance."""
        covered = state.count > 1
        np.divide(state.squares, np.maximum(state.count, 2) - 1, out=state.squares)
        return Finished(state.squares, covered)

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return a floating dtype."""
        return mean_dtype(dtype)

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Return those of number, mean, squares, and first value with its mark."""
        _ = dtype, depth
        return 29 * n_bands


@dataclass(slots=True, eq=False)
class PrecisionState:
    """Sums of precision and of precision times mean, each ``(bands, h, w)`` in double precision."""

    precision: Array
    total: Array


@dataclass(frozen=True)
class InverseVarianceMean(CellAggregation[PrecisionState]):
    """Mean weighted by one over variance, and its variance.

    The first half of a patch's bands are means, the second half their variances; so are the result's.
    """

    def zero(self, tile: Tile) -> PrecisionState:
        """Return zeros in double precision.

        Raises
        ------
        OperatorError
            The number of bands is odd.

        """
        bands, height, width = tile.shape
        if bands % 2:
            raise OperatorError(
                f"patches of {bands} bands cannot be halved into means and variances: return a pair "
                f"(mean, variance), or the bands of the means followed by those of the variances"
            )
        half = (bands // 2, height, width)
        return PrecisionState(*(zeros(half, np.dtype(np.float64)) for _ in range(2)))

    def update(self, state: PrecisionState, piece: Piece) -> PrecisionState:
        """Add what counts: cells with a mean, and a variance that is positive and finite."""
        half = len(piece.data) // 2
        mean, variance = piece.data[:half], piece.data[half:]
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            precision = np.divide(1.0, variance, dtype=np.float64)
            counts = (variance > 0) & (precision > 0) & (precision < np.inf)
            if piece.valid is not None:
                counts &= piece.valid[:half] & piece.valid[half:]
            precision[~counts] = 0.0
            total = precision * mean
            total[~counts] = 0.0
            state.total[:, *piece.where] += total
            state.precision[:, *piece.where] += precision
        return state

    def merge_states(self, first: PrecisionState, second: PrecisionState) -> PrecisionState:
        """Add the sums."""
        first.precision += second.precision
        first.total += second.total
        return first

    def finalise(self, state: PrecisionState) -> Finished:
        """Return means, then variances."""
        covered = state.precision > 0
        np.divide(state.total, state.precision, out=state.total, where=covered)
        np.divide(1.0, state.precision, out=state.precision, where=covered)
        values = np.concatenate([state.total, state.precision])
        return Finished(values, np.concatenate([covered, covered]))

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return a floating dtype."""
        return mean_dtype(dtype)

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Two sums per band of means, and both again while they are put together."""
        _ = dtype, depth
        return 16 * n_bands
