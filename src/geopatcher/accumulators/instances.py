"""Objects that patches have numbered each for itself: which there are over a cell, and which one it is of."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from geopatcher.accumulators.base import CellAggregation
from geopatcher.accumulators.depth import known_depth
from geopatcher.accumulators.extremes import Maximum
from geopatcher.accumulators.finished import Finished
from geopatcher.accumulators.stacks import Stack, sorted_levels
from geopatcher.core.buffers import zeros
from geopatcher.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.accumulators.pieces import Piece, Tile
    from geopatcher.core.protocols import Array

#: What one number stands for: a patch and one of its labels.
CODE = np.dtype("int64")
#: Of the numbers of objects in a result.
NUMBER = np.dtype("uint32")
#: Labels of one patch are smaller.
MAX_LABEL = 1 << 31


@dataclass(frozen=True)
class Coding:
    """How a patch and a label of it become one number, which no other patch has.

    Numbers are more than 0, and ascend with the patches in row-major order of their anchors.

    Parameters
    ----------
    top, left
        The first row and column at which a patch can begin.
    width
        How many columns from there one can begin in.
    bits
        How many bits of a number are the label.

    Raises
    ------
    ValueError
        The raster is so large that none are left.

    Examples
    --------
    >>> coding = Coding.over((1000, 2000), (256, 256))
    >>> number = coding.number((128, 64), 7)
    >>> int(coding.label(number)), int(coding.row(number)), coding.number((128, 65), 0) > number
    (7, 128, True)

    """

    top: int
    left: int
    width: int
    bits: int

    def __post_init__(self) -> None:
        if self.bits < 1:
            raise ValueError("a raster of that many pixels has more patches than can be told apart")

    @classmethod
    def over(cls, grid: tuple[int, int], patch: tuple[int, int]) -> Coding:
        """Return the coding of patches of up to ``(height, width)`` on a grid of ``(height, width)``."""
        rows, cols = grid[0] + patch[0], grid[1] + patch[1]
        return cls(-patch[0], -patch[1], cols, min(31, 63 - (rows * cols + 1).bit_length()))

    @property
    def n_labels(self) -> int:
        """How many labels a patch can have, 0 included."""
        return 1 << self.bits

    def number(self, anchor: tuple[int, int], label: int) -> int:
        """Return the number of a label of the patch at ``(row, column)``."""
        place = (anchor[0] - self.top) * self.width + anchor[1] - self.left
        return (place + 1) << self.bits | label

    def label(self, numbers: Array | int) -> Array:
        """Return the labels in their patches, 0 for background; 0 for no patch at all."""
        labels: Array = np.bitwise_and(numbers, self.n_labels - 1)
        return labels

    def patch(self, numbers: Array | int) -> Array:
        """Return what is the same for all labels of a patch, and only for them."""
        patches: Array = np.right_shift(numbers, self.bits)
        return patches

    def row(self, numbers: Array | int) -> Array:
        """Return the first rows of the patches."""
        rows: Array = (self.patch(numbers) - 1) // self.width + self.top
        return rows


@dataclass(slots=True, eq=False)
class Candidates:
    """The numbers over each cell, in a stack, and the one that counts, ``(h, w)``, with its depth."""

    stack: Stack
    deepest: Array
    winner: Array

    def keep(self, where: tuple[slice, slice], numbers: Array, depth: Array, valid: Array | None) -> None:
        """Let numbers count where they lie deeper in their patch; where as deep, those of the first patch."""
        deepest, winner = self.deepest[where], self.winner[where]
        better = (depth > deepest) | ((depth == deepest) & (numbers < winner))
        if valid is not None:
            better &= valid
        np.copyto(deepest, depth, where=better)
        np.copyto(winner, numbers, where=better)


@dataclass(frozen=True)
class Provisional(CellAggregation[Candidates]):
    """The numbers that `Coding` gives the labels of all patches over a cell, as bands.

    The first band is the number that counts: that of the patch in which the cell lies deepest. The others
    ascend. 0 is no patch. Patches have one band, of whole numbers from 0.

    Parameters
    ----------
    coding
        What a patch and a label become.
    n_levels
        The most patches over one cell.

    """

    gives_labels: ClassVar[bool] = True

    coding: Coding
    n_levels: int

    def zero(self, tile: Tile) -> Candidates:
        """Return a tile of no patches.

        Raises
        ------
        OperatorError
            Patches have more than one band.

        """
        bands, height, width = tile.shape
        if bands != 1:
            raise OperatorError(
                f"patches have {bands} bands: aggregation='instances' wants label images, (h, w) or "
                f"(1, h, w), in which each object has a number of its own and 0 is background"
            )
        stack = Stack(tile.shape, CODE, zeros(tile.shape, np.dtype(np.uint16)))
        return Candidates(stack, zeros((height, width), CODE), zeros((height, width), CODE))

    def update(self, state: Candidates, piece: Piece) -> Candidates:
        """Add the labels of a patch.

        Raises
        ------
        OperatorError
            A label is no whole number from 0, or too large; names it and the patch.

        """
        numbers = self._labels(piece) + CODE.type(self.coding.number(piece.anchor, 0))
        valid = None if piece.valid is None else piece.valid[:1]
        state.stack.push(piece.where, numbers[np.newaxis], valid)
        state.keep(piece.where, numbers, depth_in(piece), None if valid is None else valid[0])
        return state

    def merge_states(self, first: Candidates, second: Candidates) -> Candidates:
        """Take the candidates of both."""
        first.stack.extend(second.stack)
        everywhere = (slice(None), slice(None))
        first.keep(everywhere, second.winner, second.deepest, second.winner > 0)
        return first

    def finalise(self, state: Candidates) -> Finished:
        """Return the number that counts, and below it the others in ascending order.

        Raises
        ------
        OperatorError
            Two patches lie at the same place.

        """
        n_levels = len(state.stack.levels)
        if n_levels > self.n_levels:
            raise OperatorError(
                f"{n_levels} patches lie over one cell, and the plan says at most {self.n_levels}"
            )
        bands = zeros((self.n_levels, *state.winner.shape), CODE)
        bands[0] = state.winner
        for span, depth, stack in state.stack.parts(np.iinfo(CODE).max):
            levels = sorted_levels(stack)
            self._require_apart(levels)
            winner = state.winner[span]
            for number, (level,) in enumerate(levels):
                there = depth[0] > number
                if number + 1 < len(levels):
                    np.copyto(bands[number + 1, span], level, where=there & (level < winner))
                if number:
                    np.copyto(bands[number, span], level, where=there & (level > winner))
        state.stack.levels.clear()
        return Finished(bands, None)

    def _require_apart(self, levels: Sequence[Array]) -> None:
        """Refuse two patches at one place: which of them a label is of could not be told."""
        for above, below in pairwise(levels):
            same = self.coding.patch(above) == self.coding.patch(below)
            same &= below != np.iinfo(CODE).max
            if same.any():
                row = int(self.coding.row(above[same][0]))
                raise OperatorError(
                    f"two patches begin at the same pixel, in row {row}: objects are joined between patches "
                    f"that lie apart, so leave one of them out"
                )

    def _labels(self, piece: Piece) -> Array:
        """Return the labels of a piece as integers, ``(h, w)``; 0 where they do not count."""
        data = piece.data[0]
        valid = None if piece.valid is None else piece.valid[0]
        limit = min(MAX_LABEL, self.coding.n_labels)
        if data.dtype.kind not in "biuf":
            raise OperatorError(
                f"the patch at {piece.window} holds {data.dtype} values: labels are whole numbers from 0"
            )
        with np.errstate(invalid="ignore"):  # NaN where there is no data
            wrong = (data < 0) | (data >= limit)
            if data.dtype.kind == "f":
                wrong |= data != np.rint(data)
        if valid is not None:
            wrong &= valid
        if wrong.any():
            row, col = np.argwhere(wrong)[0].tolist()
            raise OperatorError(
                f"label {data[row, col]} in the patch at {piece.window} is no whole number from 0, which is "
                f"background, to {limit - 1:,}: return label images, in which objects are numbered from 1"
            )
        labels: Array = data if valid is None else np.where(valid, data, 0)
        return labels.astype(CODE)

    def out_bands(self, n_bands: int) -> int:
        """Return one for each patch over a cell."""
        _ = n_bands
        return self.n_levels

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return that of the numbers."""
        _ = dtype
        return CODE

    def memory_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return that of the numbers."""
        return self.out_dtype(dtype)

    def nodata_for(self, dtype: np.dtype) -> int:
        """Return 0: no patch has it."""
        _ = dtype
        return 0

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """As many numbers as patches lie over a cell, how many, and what counts."""
        _ = n_bands, dtype, depth
        return candidate_bytes(self.n_levels)


def candidate_bytes(depth: int) -> int:
    """Return bytes of state per cell for as many patches over it."""
    return CODE.itemsize * (depth + 2) + 2


def depth_in(piece: Piece) -> Array:
    """Return how deep cells lie in their patch, ``(h, w)``: the Bartlett window, in whole numbers.

    That is the product of the distances to the nearer border along each axis, 1 for a cell at a border.
    M. S. Bartlett, Periodogram Analysis and Continuous Spectra, Biometrika 37 (1950).
    """
    height, width = piece.taper.values.shape
    rows, cols = (np.arange(length) for length in (height, width))
    down = np.minimum(rows + 1, height - rows)[piece.crop[0]]
    across = np.minimum(cols + 1, width - cols)[piece.crop[1]]
    depth: Array = np.multiply.outer(down.astype(CODE), across.astype(CODE))
    return depth


@dataclass(frozen=True)
class Numbered(Maximum):
    """Numbers of objects that are settled: each cell has one patch, and 0 is background and no data."""

    flat: ClassVar[bool] = True
    gives_labels: ClassVar[bool] = True

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return `NUMBER`."""
        _ = dtype
        return NUMBER

    def memory_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return `NUMBER`."""
        return self.out_dtype(dtype)

    def nodata_for(self, dtype: np.dtype) -> int:
        """Return 0: what is no object may be left out."""
        _ = dtype
        return 0


@dataclass(frozen=True)
class Instances(CellAggregation[Candidates]):
    """Objects of overlapping patches, joined and numbered through: see `geopatcher.SpatialInstances`."""

    flat: ClassVar[bool] = True
    gives_labels: ClassVar[bool] = True

    iou: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.iou < 1:
            raise ValueError(f"iou must be from 0 to less than 1, not {self.iou}")

    def out_bands(self, n_bands: int) -> int:
        """Return 1."""
        _ = n_bands
        return 1

    def check_dtype(self, dtype: np.dtype) -> None:
        """Refuse what is no integer: numbers of objects are names.

        Raises
        ------
        ValueError
            Says what to ask for.

        """
        if dtype.kind not in "iu":
            raise ValueError(
                f"a result of {dtype} cannot hold the numbers of objects: leave dtype out for {NUMBER}"
            )

    def zero(self, tile: Tile) -> Candidates:
        """Refuse to begin: no part of the result is known before all patches are.

        Raises
        ------
        OperatorError
            Says what does it.

        """
        _ = tile
        raise OperatorError(
            "aggregation='instances' numbers objects when all patches are known, so no part of its result "
            "can be had by itself: use reconstruct, or the merge of a patcher"
        )

    def update(self, state: Candidates, piece: Piece) -> Candidates:
        """Return the state; there is none, see `zero`."""
        _ = piece
        return state

    def merge_states(self, first: Candidates, second: Candidates) -> Candidates:
        """Return the first; there is none, see `zero`."""
        _ = second
        return first

    def finalise(self, state: Candidates) -> Finished:
        """Return what counts; there is none, see `zero`."""
        return Finished(state.winner[np.newaxis], None)

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return `NUMBER`."""
        return Numbered().out_dtype(dtype)

    def memory_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return `NUMBER`."""
        return Numbered().memory_dtype(dtype)

    def nodata_for(self, dtype: np.dtype) -> int:
        """Return 0."""
        return Numbered().nodata_for(dtype)

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Bytes of the candidates of a cell."""
        _ = n_bands, dtype
        return candidate_bytes(known_depth(depth))
