"""Labels are names: where they were averaged is found out, and where they would become others is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from geopatcher.accumulators.finished import Finished
    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array


@dataclass(slots=True, eq=False)
class Disagreement:
    """Whether integers of overlapping patches differ in a cell where they are averaged.

    Shared by the tiles of a run, which look for it until it is ``found``.
    """

    found: bool = False

    def wanted_in(self, dtype: np.dtype) -> bool:
        """Whether it is still looked for, and may be in data of ``dtype``: floats are no labels."""
        return not self.found and dtype.kind in "iub"


def averaged(who: str, dtype: np.dtype, aggregation: object) -> str:
    """Say that integers were averaged, and what to do about it.

    >>> averaged("predict", np.dtype("uint8"), object())[:66]
    'predict gave uint8 values that differ where patches overlap, and o'
    """
    return (
        f"{who} gave {dtype} values that differ where patches overlap, and {type(aggregation).__name__} "
        f"averages them: of the labels 0 and 4 it makes 1, 2 and 3. For labels use "
        f'aggregation="mode" or "hard-vote:N" (N classes; SpatialMode, SpatialHardVote); where an average is '
        f'meant return floats, as with .astype("float32")'
    )


class Misfit(NamedTuple):
    """A value that a dtype cannot hold, the row and column of its tile it is at, and its own dtype."""

    value: float | int
    row: int
    col: int
    own: np.dtype

    def message(self, dtype: np.dtype, box: Box, aggregation: object) -> str:
        """Return what is said of it; ``box`` is that of the tile."""
        limits = "" if dtype.kind == "f" else f" ({np.iinfo(dtype).min} to {np.iinfo(dtype).max})"
        return (
            f"{type(aggregation).__name__} chose {self.value} at row {box.row0 + self.row}, column "
            f"{box.col0 + self.col} (block {box}), and a result of {dtype}{limits} cannot hold it: it would "
            f"become another value. Ask for dtype={self._roomy(dtype).name!r}, or leave dtype out"
        )

    def _roomy(self, dtype: np.dtype) -> np.dtype:
        """Return a dtype that holds the value, its like, and what ``dtype`` does."""
        if self.own.kind in "iu":
            own = self.own
        else:
            own = np.min_scalar_type(round(self.value)) if np.isfinite(self.value) else np.dtype(np.float32)
        both = np.promote_types(dtype, own)
        return own if both == dtype else both


def outside(finished: Finished, dtype: np.dtype) -> Misfit | None:
    """Return a value of a covered cell beyond the limits of an integer dtype, if there is one.

    Values are rounded first; NaN is none.
    """
    values = finished.values if finished.base is None else finished.base
    if dtype.kind not in "iu" or np.can_cast(values.dtype, dtype):
        return None
    limits = np.iinfo(dtype)
    if values.dtype.kind == "f":
        # One above the largest is a power of two, which floats hold; the largest itself they may not.
        rounded = np.rint(values, dtype=np.float64)
        wrong = (rounded < float(limits.min)) | (rounded >= float(limits.max) + 1.0)
    else:
        own = np.iinfo(values.dtype)
        low, high = max(int(limits.min), int(own.min)), min(int(limits.max), int(own.max))
        wrong = (values < low) | (values > high)
    return _first(values, wrong, finished.covered)


def inexact(finished: Finished, dtype: np.dtype) -> Misfit | None:
    """Return an integer of a covered cell that a floating dtype would round, if there is one."""
    values = finished.values
    if dtype.kind != "f" or values.dtype.kind not in "iu":
        return None
    if int(np.iinfo(values.dtype).max) <= largest_whole(dtype):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = values.astype(dtype)
        # The largest integers may round up to what the integer dtype cannot hold.
        wrong = (rounded.astype(values.dtype) != values) | (
            rounded >= float(np.iinfo(values.dtype).max) + 1.0
        )
    return _first(values, wrong, finished.covered)


def largest_whole(dtype: np.dtype) -> int:
    """Return the integer up to which a dtype holds every integer from 0.

    >>> largest_whole(np.dtype("uint8")), largest_whole(np.dtype("float32"))
    (255, 16777216)
    """
    return int(np.iinfo(dtype).max) if dtype.kind in "iu" else 1 << (np.finfo(dtype).nmant + 1)


def _first(values: Array, wrong: Array, covered: Array | None) -> Misfit | None:
    if not wrong.any():
        return None
    if covered is not None:
        wrong &= covered
    found = np.argwhere(wrong)
    if not len(found):
        return None
    band, row, col = found[0].tolist()
    return Misfit(values[band, row, col].item(), row, col, values.dtype)
