"""Aggregations that need every contribution of a cell: kept as a stack grown to the depth of overlap."""

from __future__ import annotations

from dataclasses import dataclass, field
from inspect import signature
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np

from geopatcher.accumulators.base import CellAggregation
from geopatcher.accumulators.depth import known_depth, mean_dtype
from geopatcher.accumulators.extremes import highest
from geopatcher.accumulators.finished import Finished
from geopatcher.accumulators.int64 import halfway
from geopatcher.accumulators.labels import Disagreement, outside
from geopatcher.core.buffers import zeros
from geopatcher.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from geopatcher.accumulators.labels import Misfit
    from geopatcher.accumulators.pieces import Piece, Tile
    from geopatcher.core.protocols import Array

#: What combines a stack, ``(depth, bands, h, w)``, and perhaps its weights, ``(depth, h, w)``, to
#: ``(bands, h, w)``.
Combine: TypeAlias = "Callable[..., Array]"

#: Cells of a tile looked at together when it is finished: their stacks fit the processor's cache.
CELLS_AT_ONCE = 1 << 16
#: Up to this depth comparing neighbours, whole arrays at a time, sorts faster than cell after cell.
NETWORK_DEPTH = 9


@dataclass(slots=True, eq=False)
class Stack:
    """The contributions of each cell, in the order they came.

    ``levels[k]``, ``(bands, h, w)``, holds contribution ``k`` of the cells that have more than
    ``k``; what it holds elsewhere means nothing. ``depth`` counts them: per band, or ``(1, h, w)``
    where bands come and go together. ``exact`` is the floating dtype that what is worked out of them has.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    depth: Array
    levels: list[Array] = field(default_factory=list)
    exact: np.dtype = field(default=np.dtype(np.float32))
    disagreement: Disagreement = field(default_factory=Disagreement)

    def push(self, where: tuple[slice, slice], data: Array, valid: Array | None) -> None:
        """Put one value on top of each cell that counts."""
        depth = self.depth[:, *where]
        for level in range(int(depth.min()), int(depth.max()) + 1):
            if level == len(self.levels):
                self.levels.append(zeros(self.shape, self.dtype))
            here = depth == level
            if valid is not None:
                here &= valid
            np.copyto(self.levels[level][:, *where], data, where=here)
        depth += 1 if valid is None else valid

    def extend(self, other: Stack) -> None:
        """Put the contributions of another stack on top of this one's."""
        everywhere = (slice(None), slice(None))
        for level, values in enumerate(other.levels):
            self.push(everywhere, values, other.depth > level)

    def parts(self, fill: float | int) -> Iterator[tuple[slice, Array, Array]]:
        """Yield spans of rows that have any contribution, their depth, and their stack.

        It is ``(levels, bands, rows, w)``; ``fill`` stands where a cell has no more contributions.
        """
        height, width = self.shape[1:]
        rows = max(1, CELLS_AT_ONCE // width)
        for row in range(0, height, rows):
            span = slice(row, row + rows)
            depth = self.depth[:, span]
            deepest = int(depth.max())
            if not deepest:
                continue
            stack = np.stack([level[:, span] for level in self.levels[:deepest]])
            for level in range(int(depth.min()), deepest):
                np.copyto(stack[level], stack.dtype.type(fill), where=depth <= level)
            yield span, depth, stack


@dataclass(frozen=True)
class Stacked(CellAggregation[Stack]):
    """An aggregation over the stack of a cell's contributions."""

    streaming_safe: ClassVar[bool] = False

    def merge_states(self, first: Stack, second: Stack) -> Stack:
        """Put the second stack on top of the first."""
        first.extend(second)
        return first


@dataclass(frozen=True)
class Median(Stacked):
    """The middle of a cell's contributions; of an even number, the mean of the middle two."""

    substitute: ClassVar[str] = "ApproxQuantile"
    keeps_quantity: ClassVar[bool] = True

    def zero(self, tile: Tile) -> Stack:
        """Return an empty stack of the patches' own dtype."""
        depth = zeros(tile.shape, np.dtype(np.uint16))
        return Stack(tile.shape, tile.dtype, depth, exact=tile.exact, disagreement=tile.disagreement)

    def update(self, state: Stack, piece: Piece) -> Stack:
        """Put the piece on top."""
        state.push(piece.where, piece.cells(state.dtype), piece.valid)
        return state

    def finalise(self, state: Stack) -> Finished:
        """Sort each cell's contributions and take the middle."""
        low, high = (zeros(state.shape, state.dtype) for _ in range(2))
        for span, depth, stack in state.parts(highest(state.dtype)):
            levels = sorted_levels(stack)
            for number in range(max(1, int(depth.min())), len(levels) + 1):
                here = depth == number
                np.copyto(low[:, span], levels[(number - 1) // 2], where=here)
                np.copyto(high[:, span], levels[number // 2], where=here)
        state.levels.clear()
        if state.disagreement.wanted_in(state.dtype):
            state.disagreement.found = not np.array_equal(low, high)
        values, base = halfway(low, high, state.exact)
        return Finished(values, None if state.depth.all() else state.depth > 0, base)

    def misfit(self, finished: Finished, dtype: np.dtype) -> Misfit | None:
        """Return a value beyond the limits of ``dtype``."""
        return outside(finished, dtype)

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """One value for each patch over a cell and their number; the middle two and their mean."""
        return n_bands * ((known_depth(depth) + 2) * dtype.itemsize + 10)


@dataclass(frozen=True)
class Learned(Stacked):
    """What a function makes of a cell's contributions and their weights."""

    substitute: ClassVar[str] = "two-pass"
    forbid_in_yaml: ClassVar[bool] = True
    function_parameter: ClassVar[str] = "model"
    kinds: ClassVar[str] = "biufc"  # a model makes of complex numbers what it likes

    model: Combine

    def zero(self, tile: Tile) -> Stack:
        """Return an empty stack of floats; its last band holds the weights."""
        bands, height, width = tile.shape
        depth = zeros((1, height, width), np.dtype(np.uint16))
        return Stack((bands + 1, height, width), mean_dtype(tile.dtype), depth)

    def update(self, state: Stack, piece: Piece) -> Stack:
        """Put the piece and its weights on top, where any band has a value."""
        data, valid = piece.data, piece.valid
        layers = np.empty((data.shape[0] + 1, *data.shape[1:]), state.dtype)
        layers[:-1], layers[-1] = data, piece.weights
        if valid is None:
            state.push(piece.where, layers, None)
        else:
            layers[:-1][~valid] = np.nan
            state.push(piece.where, layers, np.asarray(valid.any(axis=0, keepdims=True)))
        return state

    def finalise(self, state: Stack) -> Finished:
        """Call the model on spans of rows.

        Raises
        ------
        OperatorError
            It returned another shape than ``(bands, h, w)`` (or ``(h, w)`` for one band).

        """
        values = np.full((state.shape[0] - 1, *state.shape[1:]), np.nan)
        weighted = takes_weights(self.model)
        for span, depth, stack in state.parts(np.nan):
            pixels, weights = stack[:, :-1], np.where(np.isnan(stack[:, -1]), 0, stack[:, -1])
            result = np.asarray(self.model(pixels, weights) if weighted else self.model(pixels))
            one_band = len(values) == 1 and result.shape == pixels.shape[2:]
            if result.shape != pixels.shape[1:] and not one_band:
                raise OperatorError(
                    f"the model returned {result.shape} for a stack of {pixels.shape}: it must return "
                    f"(bands, h, w), here {pixels.shape[1:]}"
                )
            values[:, span] = np.where(depth > 0, result, np.nan)
        state.levels.clear()
        return Finished(values, ~np.isnan(values))

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return a floating dtype."""
        return mean_dtype(dtype)

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Every band and weight of each patch over a cell, their number, and the result."""
        return (n_bands + 1) * known_depth(depth) * dtype.itemsize + 2 + 9 * n_bands


def takes_weights(model: Callable[..., object]) -> bool:
    """Whether a model can be called with weights beside the stack.

    >>> takes_weights(lambda stack, weights: stack), takes_weights(lambda stack: stack)
    (True, False)
    """
    try:
        parameters = signature(model)
    except ValueError:  # some builtins do not say
        return True
    try:
        parameters.bind(None, None)
    except TypeError:
        return False
    return True


def sorted_levels(stack: Array) -> Sequence[Array]:
    """Return the levels of a stack in each cell's order, smallest first. No NaN; the stack is used up.

    >>> levels = np.array([[3, 1], [1, 2], [2, 0]]); np.stack(sorted_levels(levels))
    array([[1, 0],
           [2, 1],
           [3, 2]])
    """
    n_levels = len(stack)
    if n_levels > NETWORK_DEPTH:
        stack.sort(axis=0)
        return list(stack)
    levels, spare = list(stack), np.empty_like(stack[0])
    for turn in range(n_levels):  # odd-even transposition: as many turns as levels sort anything
        for level in range(turn % 2, n_levels - 1, 2):
            low, high = levels[level], levels[level + 1]
            np.minimum(low, high, out=spare)
            np.maximum(low, high, out=high)
            levels[level], spare = spare, low
    return levels
