"""The largest and the smallest of the values over a cell."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from geopatcher.accumulators.base import CellAggregation
from geopatcher.accumulators.finished import Finished
from geopatcher.accumulators.int64 import is_wide
from geopatcher.accumulators.labels import outside
from geopatcher.core.buffers import zeros

if TYPE_CHECKING:
    from geopatcher.accumulators.labels import Misfit
    from geopatcher.accumulators.pieces import Piece, Tile
    from geopatcher.core.protocols import Array


@dataclass(slots=True, eq=False)
class ExtremeState:
    """The extreme so far in the patches' dtype, ``(bands, h, w)``, and which cells have one."""

    values: Array
    seen: Array


@dataclass(frozen=True)
class Extreme(CellAggregation[ExtremeState]):
    """What `Maximum` and `Minimum` share. Zeros lose their sign, in which they would be unequal equals."""

    keeps_quantity: ClassVar[bool] = True

    @abstractmethod
    def _start(self, dtype: np.dtype) -> float | int:
        """Return the value that every other one beats."""

    @abstractmethod
    def _keep(self, best: Array, values: Array, where: Array | bool) -> None:
        """Put the better of both into the first, where asked."""

    def zero(self, tile: Tile) -> ExtremeState:
        """Return the value that every other one beats."""
        values = zeros(tile.shape, tile.dtype)
        values.fill(self._start(tile.dtype))
        return ExtremeState(values, zeros(tile.shape, np.dtype(bool)))

    def update(self, state: ExtremeState, piece: Piece) -> ExtremeState:
        """Keep the better value."""
        here = True if piece.valid is None else piece.valid
        self._keep(state.values[:, *piece.where], piece.cells(state.values.dtype), here)
        state.seen[:, *piece.where] |= here
        return state

    def merge_states(self, first: ExtremeState, second: ExtremeState) -> ExtremeState:
        """Keep the better values."""
        self._keep(first.values, second.values, True)
        first.seen |= second.seen
        return first

    def finalise(self, state: ExtremeState) -> Finished:
        """Return the extremes."""
        covered = None if state.seen.all() else state.seen
        if state.values.dtype.kind == "f":
            state.values += 0
        return Finished(state.values, covered)

    def misfit(self, finished: Finished, dtype: np.dtype) -> Misfit | None:
        """Return a value beyond the limits of ``dtype``."""
        return outside(finished, dtype)

    def memory_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return float64, but the patches' own dtype for 64-bit integers, which it cannot hold."""
        return dtype if is_wide(dtype) else np.dtype("float64")

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """One value and a mark per band."""
        _ = depth
        return n_bands * (dtype.itemsize + 1)


@dataclass(frozen=True)
class Maximum(Extreme):
    """The largest value."""

    def _start(self, dtype: np.dtype) -> float | int:
        return lowest(dtype)

    def _keep(self, best: Array, values: Array, where: Array | bool) -> None:
        np.maximum(best, values, out=best, where=where)


@dataclass(frozen=True)
class Minimum(Extreme):
    """The smallest value."""

    def _start(self, dtype: np.dtype) -> float | int:
        return highest(dtype)

    def _keep(self, best: Array, values: Array, where: Array | bool) -> None:
        np.minimum(best, values, out=best, where=where)


def lowest(dtype: np.dtype) -> float | int:
    """Return a value of ``dtype`` that none is smaller than.

    >>> lowest(np.dtype("int8")), lowest(np.dtype("float32")), lowest(np.dtype("bool"))
    (-128, -inf, 0)
    """
    return -np.inf if dtype.kind == "f" else 0 if dtype.kind == "b" else int(np.iinfo(dtype).min)


def highest(dtype: np.dtype) -> float | int:
    """Return a value of ``dtype`` that none is larger than.

    >>> highest(np.dtype("uint8")), highest(np.dtype("float32")), highest(np.dtype("bool"))
    (255, inf, 1)
    """
    return np.inf if dtype.kind == "f" else 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)
