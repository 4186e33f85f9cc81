"""Counting which values a cell was given, and how often."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from geopatcher.accumulators.base import CellAggregation
from geopatcher.accumulators.depth import known_depth
from geopatcher.accumulators.finished import Finished
from geopatcher.accumulators.int64 import is_wide
from geopatcher.accumulators.labels import inexact, largest_whole, outside
from geopatcher.core.buffers import zeros
from geopatcher.errors import OperatorError

if TYPE_CHECKING:
    from geopatcher.accumulators.labels import Misfit
    from geopatcher.accumulators.pieces import Piece, Tile
    from geopatcher.core.protocols import Array

_EVERYWHERE = (slice(None), slice(None))


@dataclass(slots=True, eq=False)
class Tally:
    """The different values of each cell and their numbers.

    Entry ``k`` of ``values`` and ``counts``, each ``(bands, h, w)``, is a cell's value ``k`` in the order
    they first came; a count of 0 says that it has no more. There are as many entries as the most varied
    cell has different values: on agreeing patches one, whatever the number of classes.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    values: list[Array] = field(default_factory=list)
    counts: list[Array] = field(default_factory=list)
    n_pieces: int = 0

    def add(self, where: tuple[slice, slice], data: Array, votes: Array) -> None:
        """Count ``data`` as often as ``votes`` says; uses up ``votes``, both ``(bands, h, w)``."""
        for values, counts in zip(self.values, self.counts, strict=True):
            value, count = values[:, *where], counts[:, *where]
            here = (count == 0) | (value == data)
            here &= votes > 0
            np.copyto(value, data, where=here)
            np.add(count, votes, out=count, where=here, casting="unsafe")
            votes[here] = 0
            if not votes.any():
                return
        if votes.any():
            self.values.append(zeros(self.shape, self.dtype))
            self.counts.append(zeros(self.shape, self._count_dtype()))
            np.copyto(self.values[-1][:, *where], data, where=votes > 0)
            np.copyto(self.counts[-1][:, *where], votes, casting="unsafe")

    def agrees(self, where: tuple[slice, slice], data: Array) -> bool:
        """Count ``data`` once, if no cell has had another value first; return whether that was so."""
        if not self.values:
            return False
        value, count = self.values[0][:, *where], self.counts[0][:, *where]
        fresh = count == 0
        same = value == data
        same |= fresh
        if not same.all():
            return False
        np.copyto(value, data, where=fresh)
        np.add(count, 1, out=count)
        return True

    def expect(self, n_pieces: int) -> None:
        """Make room for the votes of that many more pieces: no cell can have more than there are pieces."""
        narrow = self._count_dtype()
        self.n_pieces += n_pieces
        wide = self._count_dtype()
        if wide != narrow:
            self.counts = [counts.astype(wide) for counts in self.counts]

    def _count_dtype(self) -> np.dtype:
        return np.dtype(np.uint16 if self.n_pieces <= np.iinfo(np.uint16).max else np.uint32)

    def winner(self) -> Finished:
        """Return the most frequent value, the smallest of several; where there is none, not covered."""
        if not self.values:
            return Finished(np.zeros(self.shape, self.dtype), np.zeros(self.shape, bool))
        best, most = self.values[0].copy(), self.counts[0].copy()
        for values, counts in zip(self.values[1:], self.counts[1:], strict=True):
            better = (counts > most) | ((counts == most) & (values < best))
            better &= counts > 0
            np.copyto(best, values, where=better)
            np.copyto(most, counts, where=better)
        if self.dtype.kind == "f":
            best += 0  # zeros of both signs are one value
        return Finished(best, None if most.all() else most > 0)


@dataclass(frozen=True)
class Counted(CellAggregation[Tally]):
    """An aggregation that counts values."""

    gives_labels: ClassVar[bool] = True

    def update(self, state: Tally, piece: Piece) -> Tally:
        """Count one vote per cell."""
        state.expect(1)
        data = piece.cells(state.dtype)
        if piece.valid is None and state.agrees(piece.where, data):
            return state
        votes = np.ones(data.shape, np.uint32) if piece.valid is None else piece.valid.astype(np.uint32)
        state.add(piece.where, data, votes)
        return state

    def merge_states(self, first: Tally, second: Tally) -> Tally:
        """Add the votes of both."""
        first.expect(second.n_pieces)
        for values, counts in zip(second.values, second.counts, strict=True):
            first.add(_EVERYWHERE, values, counts.astype(np.uint32))
        return first

    def finalise(self, state: Tally) -> Finished:
        """Return the winners."""
        return state.winner()

    def misfit(self, finished: Finished, dtype: np.dtype) -> Misfit | None:
        """Return a value beyond the limits of ``dtype``, or an integer that floats would round."""
        return outside(finished, dtype) or inexact(finished, dtype)


@dataclass(frozen=True)
class Mode(Counted):
    """The most frequent value of a cell, the smallest of several."""

    streaming_safe: ClassVar[bool] = False
    substitute: ClassVar[str] = "HardVote or ApproxMode"
    keeps_quantity: ClassVar[bool] = True

    def zero(self, tile: Tile) -> Tally:
        """Return an empty tally of the patches' own dtype."""
        return Tally(tile.shape, tile.dtype)

    def memory_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return float64, but the patches' own dtype for 64-bit integers, which it cannot hold."""
        return dtype if is_wide(dtype) else np.dtype("float64")

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """As many values and numbers as patches lie over a cell, and the winner."""
        return n_bands * (known_depth(depth) + 1) * (dtype.itemsize + 2)


@dataclass(frozen=True)
class Classes:
    """What aggregations have in common whose result is a label, 0 to ``n_classes - 1``."""

    n_classes: int

    def __post_init__(self) -> None:
        if self.n_classes < 1:
            raise ValueError(f"n_classes must be 1 or more, not {self.n_classes}")

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return the smallest unsigned dtype with room for every class and nodata."""
        _ = dtype
        return label_dtype(self.n_classes)

    def check_dtype(self, dtype: np.dtype) -> None:
        """Refuse a dtype that does not hold every class."""
        require_classes(dtype, self.n_classes)

    def memory_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return the same: labels are integers."""
        return self.out_dtype(dtype)

    def nodata_for(self, dtype: np.dtype) -> float | int | None:
        """Return the largest value of an integer dtype, which is no class."""
        return label_nodata(dtype, self.n_classes)


@dataclass(frozen=True)
class HardVote(Classes, Counted):
    """The class most patches give a cell, the smallest of several."""

    def zero(self, tile: Tile) -> Tally:
        """Return an empty tally of the smallest dtype that holds a class."""
        return Tally(tile.shape, label_dtype(self.n_classes))

    def update(self, state: Tally, piece: Piece) -> Tally:
        """Count one vote per cell.

        Raises
        ------
        OperatorError
            A label is not an integer from 0 to ``n_classes - 1``.

        """
        labels = piece.data if piece.valid is None else piece.data[piece.valid]
        whole = labels.dtype.kind != "f"
        if labels.size and not (whole and labels.min() >= 0 and labels.max() < self.n_classes):
            wrong = (labels < 0) | (labels >= self.n_classes)
            if not whole:
                wrong |= labels != np.rint(labels)
            if wrong.any():
                raise OperatorError(
                    f"label {labels[wrong][0]} in the patch at {piece.window} is not one of "
                    f"{self.n_classes} classes: labels are integers from 0 to {self.n_classes - 1}"
                )
        return super().update(state, piece)

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """As many labels and numbers as a cell can have different ones, and the winner."""
        _ = dtype
        entries = min(known_depth(depth), self.n_classes) + 1
        return n_bands * entries * (label_dtype(self.n_classes).itemsize + 2)


def label_dtype(n_classes: int) -> np.dtype:
    """Smallest unsigned dtype that holds the classes and one value more.

    >>> label_dtype(255), label_dtype(256)
    (dtype('uint8'), dtype('uint16'))
    """
    return np.min_scalar_type(n_classes)


def require_classes(dtype: np.dtype, n_classes: int) -> None:
    """Refuse a dtype that does not hold every class.

    Raises
    ------
    ValueError
        Says which dtype does.

    Examples
    --------
    >>> require_classes(np.dtype("uint8"), 256)

    """
    if n_classes - 1 > largest_whole(dtype):
        raise ValueError(
            f"a result of {dtype} has no room for {n_classes} classes: "
            f"use dtype={label_dtype(n_classes).name!r}"
        )


def label_nodata(dtype: np.dtype, n_classes: int) -> int | None:
    """Nodata of labels: the largest value of an integer dtype, ``None`` (NaN) for floats.

    Raises
    ------
    ValueError
        The dtype has no room for the classes and nodata.

    """
    if dtype.kind not in "iu":
        return None
    largest = int(np.iinfo(dtype).max)
    if largest < n_classes:
        raise ValueError(
            f"a result of {dtype} has no room for {n_classes} classes and nodata: "
            f"use dtype={label_dtype(n_classes).name!r}"
        )
    return largest
