"""What a patch of a series holds, as aggregations take it: numbers, steps and weights, or why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geopatcher.errors import OperatorError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array
    from geopatcher.temporal.patch import TemporalPatch


def time_first(patch: TemporalPatch[object], data: Array, time_axis: int) -> Array:
    """Return the data of a patch with the axis of time before the others.

    Raises
    ------
    ValueError
        There is no such axis.

    """
    if not -data.ndim <= time_axis < data.ndim:
        raise ValueError(
            f"the patch at step {patch.anchor} is shaped {data.shape}, without an axis {time_axis} of time: "
            f"pass the time_axis of what the operator returns"
        )
    return np.moveaxis(data, time_axis, 0)


def floats_of(patch: TemporalPatch[object]) -> NDArray[np.float64]:
    """Return the data of a patch as float64, masked cells as NaN.

    Raises
    ------
    OperatorError
        It is no array of real numbers.

    """
    data = patch.data
    cells = data if isinstance(data, np.ma.MaskedArray) else np.asarray(data)
    objects = cells.dtype.kind == "O" and cells.ndim > 0  # such as of a table in which numbers are NA
    if cells.dtype.kind not in "biuf" and not objects:
        held = f"{cells.dtype} values" if cells.ndim else f"a {type(data).__name__}"
        parts = ", such as real and imaginary part on their own" if cells.dtype.kind == "c" else ""
        raise OperatorError(
            f"the patch at step {patch.anchor} holds {held}: what is averaged are real numbers and "
            f"booleans{parts}; TemporalFold takes what an operator returns as it is"
        )
    try:
        floats = np.ma.asarray(cells, np.float64) if cells is data else np.asarray(data, np.float64)
    except (TypeError, ValueError) as error:
        raise OperatorError(
            f"the patch at step {patch.anchor} holds objects that are no numbers ({error}): choose columns "
            f"of numbers, or make them float"
        ) from error
    filled: NDArray[np.float64] = np.ma.filled(floats, np.nan)
    return filled


def span_of(patch: TemporalPatch[object]) -> tuple[int, int]:
    """Return the first step of a patch, and the one after its last.

    Raises
    ------
    ValueError
        The patch does not say its steps, or says them by more than the first and the one after the last.

    """
    if patch.indices is None:
        raise ValueError(f"the patch at step {patch.anchor} has no indices: which steps it has is needed")
    start, stop = patch.indices.start, patch.indices.stop
    if start is None or stop is None or patch.indices.step not in (None, 1):
        raise ValueError(
            f"the patch at step {patch.anchor} has indices {patch.indices}: the first step and the one after "
            f"the last are needed"
        )
    return (int(start), int(stop))


def weights_of(patch: TemporalPatch[object], n: int) -> NDArray[np.float64]:
    """Return how much each of the steps of a patch counts, ``(n,)``; ones where it does not say.

    Raises
    ------
    ValueError
        There are more or fewer of them, or one is negative or no number.

    """
    if patch.weights is None:
        return np.ones(n)
    weights = np.asarray(patch.weights, np.float64)
    if weights.shape != (n,) or not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError(
            f"the patch at step {patch.anchor} has the weights {weights.tolist()!s:.80}: each of its {n} "
            f"steps needs one that is finite and not negative"
        )
    return weights
