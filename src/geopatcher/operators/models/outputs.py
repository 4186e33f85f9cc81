"""What is made of the result of a network: bands first, probabilities, gaps where the patch had some."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.errors import OperatorError
from geopatcher.operators.models.record import CHANNELS_LAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array
    from geopatcher.operators.models.inputs import Missing
    from geopatcher.operators.models.record import ModelClass
    from geopatcher.operators.models.scaling import Batch


def bands_first(made: Array, n: int, order: tuple[str, ...] | None, name: str) -> Array:
    """Return ``(n, bands, h, w)`` of what a network returned for ``n`` patches.

    ``(n, h, w)`` is one band, ``(n, k)`` are ``k`` values for each patch as a whole.

    Raises
    ------
    OperatorError
        It is no such array; says what it is.

    Examples
    --------
    >>> bands_first(np.zeros((2, 8, 8)), 2, None, "net").shape
    (2, 1, 8, 8)

    """
    if made.ndim not in (2, 3, 4) or made.shape[0] != n or made.dtype.kind not in "biuf":
        raise OperatorError(
            f"{name} returned {made.dtype} {made.shape} for {n} patch(es): it must return (n, bands, h, w)"
        )
    if made.ndim == 2:
        return made[:, :, np.newaxis, np.newaxis]
    if made.ndim == 3:
        return made[:, np.newaxis]
    return made.transpose(0, 3, 1, 2) if order == CHANNELS_LAST else made


def activated(made: Array, activation: str | None) -> Batch:
    """Return float32 after the activation, along the bands of ``(n, bands, h, w)``.

    >>> activated(np.array([[[[0.0]], [[0.0]]]]), "softmax").ravel().tolist()
    [0.5, 0.5]
    """
    values: Batch = np.asarray(made, np.float32)
    if activation == "softmax":
        powers: Batch = np.exp(values - values.max(axis=1, keepdims=True))
        powers /= powers.sum(axis=1, keepdims=True)
        return powers
    if activation == "sigmoid":
        half = np.float32(0.5)
        values = half * (np.tanh(half * values) + 1)  # which does not overflow
    return values


def with_classes(made: Array, activation: str | None, classes: tuple[ModelClass, ...], name: str) -> Batch:
    """Return one band for each class, where there are classes.

    Labels, whole numbers in one band, become 1 in the band of their class; of one band the probability of
    the second of two classes, both are made.

    Raises
    ------
    OperatorError
        There are other numbers of bands and of classes, or a label is that of no class.

    """
    n_bands = made.shape[1]
    if not classes or n_bands == len(classes):
        return activated(made, activation)
    if n_bands == 1 and made.dtype.kind in "iu":
        values = np.array([one.value for one in classes]).reshape(1, -1, 1, 1)
        votes = made == values
        _require_known(made, votes, classes, name)
        ones: Batch = votes.astype(np.float32)
        return ones
    if n_bands == 1 and len(classes) == 2:
        second = activated(made, activation)
        return np.concatenate([1 - second, second], axis=1)
    names = ", ".join(one.name for one in classes)
    raise OperatorError(
        f"{name} returned {n_bands} band(s) for {len(classes)} classes ({names}): name one class per band"
    )


def _require_known(made: Array, votes: NDArray[np.bool_], classes: tuple[ModelClass, ...], name: str) -> None:
    known = votes.any(axis=1, keepdims=True)
    if not known.all():
        odd = np.unique(made[~known])
        values = ", ".join(f"{one.value} {one.name}" for one in classes)
        raise OperatorError(
            f"{name} returned the label {odd[0]}, and the classes are {values}: give the class it stands for "
            f"the value {odd[0]}"
        )


def border_of(made: tuple[int, int], given: tuple[int, int], scale: Fraction, name: str) -> int:
    """Return how many pixels of the result are missing at each edge, which convolutions without padding lose.

    Raises
    ------
    OperatorError
        The size of the result is not that of the patch, nor of its inner part.

    Examples
    --------
    >>> border_of((508, 508), (512, 512), Fraction(1), "net"), border_of((8, 8), (2, 2), Fraction(4), "net")
    (2, 0)

    """
    lost = [length * scale - found for length, found in zip(given, made, strict=True)]
    if lost == [0, 0]:
        return 0
    if lost[0] == lost[1] > 0 and lost[0] % 2 == 0:
        return int(lost[0]) // 2
    ratio = Fraction(made[0], given[0])
    advice = f": is it output_scale={ratio}?" if ratio == Fraction(made[1], given[1]) else ""
    raise OperatorError(
        f"{name} returned {made[0]}x{made[1]} pixels for {given[0]}x{given[1]}, and output_scale is "
        f"{scale}{advice}"
    )


def blanked(made: Batch, missing: Missing, scale: Fraction, border: int) -> Batch:
    """Return the result with NaN where the patch had gaps.

    A pixel of a coarser result is one where all the pixels it is made of are.
    """
    if missing is None:
        return made
    gaps = missing
    if scale > 1:
        times = int(scale)
        gaps = missing.repeat(times, axis=1).repeat(times, axis=2)
    elif scale < 1:
        side = int(1 / scale)
        n, height, width = missing.shape
        blocks = missing.reshape(n, height // side, side, width // side, side)
        gaps = np.logical_and.reduce(blocks, axis=(2, 4))
    if border:
        gaps = gaps[:, border:-border, border:-border]
    blank: Batch = np.where(gaps[:, np.newaxis], np.float32(np.nan), made)
    return blank
