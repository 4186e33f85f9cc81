"""Votes that carry probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from geopatcher.accumulators.base import CellAggregation
from geopatcher.accumulators.cache_blocks import block_cells, cache_blocks
from geopatcher.accumulators.counts import Classes, label_dtype
from geopatcher.accumulators.finished import Finished
from geopatcher.accumulators.labels import outside
from geopatcher.core.buffers import zeros
from geopatcher.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geopatcher.accumulators.labels import Misfit
    from geopatcher.accumulators.pieces import Piece, Tile
    from geopatcher.core.protocols import Array

#: A probability of one, in the integers votes are added in: steps of 6e-8, those of float32 below one.
PROBABILITY_UNIT = 1 << 24
#: A weight of one: steps of 4e-9. A positive weight counts as one step at least, so that a cell that only
#: the corner of a taper covers is decided by its probabilities, to the last of their bits.
WEIGHT_UNIT = 1 << 28
#: Probabilities may miss [0, 1] by this much: softmax in half precision does.
SLACK = 1e-3
#: Sums stay below this; at full weight two thousand patches may lie over a cell.
_LIMIT = 1 << 63


@dataclass(slots=True, eq=False)
class BallotState:
    """Sums of weight times probability, ``(classes, h, w)``, and of weights, ``(h, w)``, both int64.

    No sum is larger than ``bound``.
    """

    total: Array
    weight: Array
    bound: int = 0

    @property
    def voted(self) -> Array | None:
        """Where any weight arrived, ``(h, w)``; ``None`` for everywhere."""
        return None if self.weight.all() else self.weight > 0


@dataclass(frozen=True)
class SoftVote(Classes, CellAggregation[BallotState]):
    """The class with the largest sum of probabilities, weighted by the window.

    Probabilities and weights are rounded to fixed point and added as integers, whose sums do not
    depend on the order: the result is the same for patches in any order and any grouping.
    """

    flat: ClassVar[bool] = True
    gives_labels: ClassVar[bool] = True

    def zero(self, tile: Tile) -> BallotState:
        """Return sums of zero.

        Raises
        ------
        OperatorError
            The number of bands is not that of the classes.

        """
        if tile.shape[0] != self.n_classes:
            raise OperatorError(
                f"patches have {tile.shape[0]} bands and there are {self.n_classes} classes: return the "
                f"probability of each class, ({self.n_classes}, h, w), or change n_classes"
            )
        whole = np.dtype(np.int64)
        return BallotState(zeros(tile.shape, whole), zeros(tile.shape[1:], whole))

    def update(self, state: BallotState, piece: Piece) -> BallotState:
        """Add ``weight * probability``; a cell without the probability of some class does not vote.

        Raises
        ------
        OperatorError
            A probability lies outside [0, 1], or more votes lie over a cell than can be added up.

        """
        counts, data = _voting(piece), piece.data
        _require_probabilities(piece, counts)
        heaviest = int(_whole(piece.weights.max(initial=0)))
        _make_room(state, heaviest * int(PROBABILITY_UNIT * (1 + 2 * SLACK)), piece)
        all_weights = piece.taper.made_by(_whole)[piece.crop]
        total, weight = state.total[:, *piece.where], state.weight[piece.where]
        # Times a power of two floats of any precision stay what they are, and single ones are faster.
        exact = np.result_type(data, np.float32)
        cells, rows = block_cells(data.shape), None
        scratch, whole_votes = np.empty(cells, exact), np.empty(cells, np.int64)
        for block in cache_blocks(data.shape):
            if block[1] != rows:
                rows = block[1]
                weights = all_weights[rows]
                weight[rows] += weights if counts is None else weights * counts[rows]
            share = data[block] if counts is None else np.where(counts[rows], data[block], 0)
            votes = scratch[: share.size].reshape(share.shape)
            np.multiply(share, PROBABILITY_UNIT, out=votes, dtype=exact)
            np.rint(votes, out=votes)
            whole = whole_votes[: share.size].reshape(share.shape)
            np.copyto(whole, votes.astype(np.int32))  # by way of 32 bits, which hold them, NumPy is faster
            whole *= weights
            total[block] += whole
        return state

    def merge_states(self, first: BallotState, second: BallotState) -> BallotState:
        """Add the votes of both.

        Raises
        ------
        OperatorError
            64 bits do not hold the votes of both.

        """
        first.bound += second.bound
        if first.bound >= _LIMIT:
            raise OperatorError("more votes lie over a cell than 64 bits can add up: use smaller weights")
        first.total += second.total
        first.weight += second.weight
        return first

    def finalise(self, state: BallotState) -> Finished:
        """Return the class with the most, the smallest of several."""
        labels = np.empty(state.weight.shape, label_dtype(self.n_classes))
        for rows, lead in leads(state.total):
            labels[rows] = lead.label
        return Finished(labels[np.newaxis], state.voted)

    def out_bands(self, n_bands: int) -> int:
        """One: the label."""
        _ = n_bands
        return 1

    def misfit(self, finished: Finished, dtype: np.dtype) -> Misfit | None:
        """Return a label beyond the limits of ``dtype``."""
        return outside(finished, dtype)

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """One sum per class and one of weights, and the labels while they are looked for."""
        _ = n_bands, dtype, depth
        return 8 * self.n_classes + 16


class Lead(NamedTuple):
    """Of some rows: which class has the most, the smallest of several, and how much that and the next have.

    ``second`` is not below 0, and ``None`` where it was not asked for. The arrays, ``(rows, w)``, are written
    over for the next rows.
    """

    label: Array
    first: Array
    second: Array | None


def leads(total: Array, *, with_second: bool = False) -> Iterator[tuple[slice, Lead]]:
    """Yield who leads in sums ``(classes, h, w)``, for as many rows at a time as stay in a core's cache.

    >>> sums = np.array([[[3, 5]], [[4, 5]], [[2, 1]]])
    >>> [(rows, *lead) for rows, lead in leads(sums, with_second=True)]
    [(slice(0, 1, None), array([[1, 0]], dtype=uint8), array([[4, 5]]), array([[3, 5]]))]
    """
    dtype = label_dtype(len(total))
    for _, rows in cache_blocks((1, *total.shape[1:])):
        first = total[0, rows].copy()
        label, mark = np.zeros(first.shape, dtype), np.empty(first.shape, dtype)
        more = np.empty(first.shape, bool)
        second, least = (np.zeros_like(first), np.empty_like(first)) if with_second else (None, None)
        for number, its in enumerate(total[1:, rows], start=1):
            np.greater(its, first, out=more)
            np.multiply(more, dtype.type(number), out=mark)
            np.maximum(label, mark, out=label)
            if second is not None:
                np.maximum(second, np.minimum(first, its, out=least), out=second)
            np.maximum(first, its, out=first)
        yield rows, Lead(label, first, second)


def _voting(piece: Piece) -> Array | None:
    """Return the cells of a piece that vote, ``(h, w)``; ``None`` for all."""
    if piece.valid is None and piece.taper.positive:
        return None
    counts: Array = piece.weights > 0
    if piece.valid is not None:
        counts &= piece.valid.all(axis=0)
    return counts


def _require_probabilities(piece: Piece, counts: Array | None) -> None:
    """Refuse what is no probability in a cell that votes."""
    shares = piece.data if counts is None else np.where(counts, piece.data, 0)
    low, high = float(shares.min(initial=0)), float(shares.max(initial=0))
    if low < -SLACK or high > 1 + SLACK:
        wrong = low if low < -SLACK else high
        raise OperatorError(
            f"probability {wrong:g} in the patch at {piece.window} is outside [0, 1]: "
            f"scale the operator's output, for example by softmax"
        )


def _whole(weights: Array) -> Array:
    """Return weights as the integers that are counted with, one at least."""
    exact = np.result_type(weights, np.float32).type(WEIGHT_UNIT)  # of half precision it would be infinite
    whole: Array = np.maximum(np.rint(weights * exact), 1).astype(np.int64)
    return whole


def _make_room(state: BallotState, most: int, piece: Piece) -> None:
    """See to it that ``most`` can be added anywhere; pieces that lie apart count together until then."""
    if state.bound + most >= _LIMIT:
        state.bound = int(np.abs(state.total).max(initial=0))
    state.bound += most
    if state.bound >= _LIMIT:
        raise OperatorError(
            f"with the patch at {piece.window} more votes lie over a cell than 64 bits can add up: "
            f"use smaller weights, or fewer patches"
        )
