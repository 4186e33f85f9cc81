"""Scaling of bands before a network sees them: the steps of the STAC MLM extension."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What a network is given and gives: float32, in the order of axes its record names.
Batch: TypeAlias = NDArray[np.float32]


#: What float32 holds, of numbers that are not 0.
SMALLEST, LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
#: type of a step -> the numbers it needs
NUMBERS: dict[str | None, tuple[str, ...]] = {
    "min-max": ("minimum", "maximum"),
    "z-score": ("mean", "stddev"),
    "clip": ("minimum", "maximum"),
    "clip-min": ("minimum",),
    "clip-max": ("maximum",),
    "offset": ("value",),
    "scale": ("value",),
    None: (),
}

#: A number for all bands, or one for each.
PerBand: TypeAlias = "float | Sequence[float] | None"


@dataclass(frozen=True)
class Scaling:
    """What is done to the values of a band, as a `Value Scaling Object` of the STAC MLM extension says it.

    ``"min-max"`` is ``(x - minimum) / (maximum - minimum)``, ``"z-score"`` ``(x - mean) / stddev``,
    ``"clip"``, ``"clip-min"`` and ``"clip-max"`` hold values between ``minimum`` and ``maximum``,
    ``"offset"`` is ``x - value``, ``"scale"`` ``x / value``, and ``None`` nothing.

    Raises
    ------
    ValueError
        There is no such type, a number is missing, too many, not finite, or one to divide by is 0.

    Examples
    --------
    >>> Scaling("z-score", mean=2, stddev=4).terms
    (-inf, inf, 2, 4)
    >>> Scaling("z-score", mean=2)
    Traceback (most recent call last):
    ValueError: scaling of type 'z-score' needs mean and stddev, and has mean

    """

    type: str | None
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    stddev: float | None = None
    value: float | None = None

    def __post_init__(self) -> None:
        if self.type not in NUMBERS:
            known = ", ".join(str(name) for name in NUMBERS)
            raise ValueError(f"there is no scaling of type {self.type!r}: choose one of {known}")
        needed, given = NUMBERS[self.type], self.numbers
        if tuple(given) != needed:
            has = " and ".join(given) or "none"
            raise ValueError(f"scaling of type {self.type!r} needs {' and '.join(needed)}, and has {has}")
        if not all(abs(number) <= LARGEST for number in given.values()):  # which NaN is not either
            raise ValueError(f"scaling of type {self.type!r} has numbers that no float32 is: {given}")
        if not SMALLEST <= abs(self.terms[3]) <= LARGEST or self.terms[0] > self.terms[1]:
            raise ValueError(f"scaling of type {self.type!r} cannot be computed with {given}")

    @property
    def numbers(self) -> dict[str, float]:
        """The numbers it has, by name."""
        all_of_them = {
            "minimum": self.minimum,
            "maximum": self.maximum,
            "mean": self.mean,
            "stddev": self.stddev,
            "value": self.value,
        }
        return {name: number for name, number in all_of_them.items() if number is not None}

    @property
    def terms(self) -> tuple[float, float, float, float]:
        """Low, high, shift and divisor of ``(min(max(x, low), high) - shift) / divisor``."""
        low, high, shift, divisor = -math.inf, math.inf, 0.0, 1.0
        given = self.numbers
        match self.type:
            case "min-max":
                shift, divisor = given["minimum"], given["maximum"] - given["minimum"]
            case "z-score":
                shift, divisor = given["mean"], given["stddev"]
            case "offset":
                shift = given["value"]
            case "scale":
                divisor = given["value"]
            case _:
                low, high = given.get("minimum", low), given.get("maximum", high)
        return low, high, shift, divisor


#: One step for all bands, or one for each.
Step: TypeAlias = "tuple[Scaling, ...]"


def apply_steps(batch: Batch, steps: Sequence[Step]) -> None:
    """Scale ``(n, bands, h, w)`` in place, one step after the other.

    >>> batch = np.array([1, 5], "float32").reshape(1, 2, 1, 1)
    >>> apply_steps(batch, [(Scaling("scale", value=2),), (Scaling("clip-max", maximum=2), Scaling(None))])
    >>> batch.ravel().tolist()
    [0.5, 2.5]
    """
    for step in steps:
        terms = np.array([one.terms for one in step], np.float32).T[:, :, np.newaxis, np.newaxis]
        low, high, shift, divisor = terms
        if np.isfinite(low).any() or np.isfinite(high).any():
            np.clip(batch, low, high, out=batch)
        if shift.any():
            batch -= shift
        if (divisor != 1).any():
            batch /= divisor


def steps_from_numbers(
    *, scale: PerBand, offset: PerBand, clip: tuple[float, float] | None, mean: PerBand, std: PerBand
) -> tuple[Step, ...]:
    """Return the steps of ``x * scale + offset``, then ``clip``, then ``(x - mean) / std``.

    Raises
    ------
    ValueError
        A number cannot be scaled by, ``mean`` came without ``std``, or numbers of bands differ.

    Examples
    --------
    >>> steps = steps_from_numbers(scale=0.5, offset=None, clip=(0, 1), mean=None, std=None)
    >>> [(one.type, one.numbers) for (one,) in steps]
    [('scale', {'value': 2.0}), ('clip', {'minimum': 0.0, 'maximum': 1.0})]

    """
    steps: list[Step] = []
    if scale is not None:
        factors = _numbers(scale)
        if 0 in factors:
            raise ValueError(f"scale={scale}: values times 0 say nothing")
        steps.append(tuple(Scaling("scale", value=1 / factor) for factor in factors))
    if offset is not None:
        steps.append(tuple(Scaling("offset", value=-added) for added in _numbers(offset)))
    if clip is not None:
        steps.append((Scaling("clip", minimum=float(clip[0]), maximum=float(clip[1])),))
    if mean is not None or std is not None:
        steps.append(_standardised(mean, std))
    return tuple(steps)


def _standardised(mean: PerBand, std: PerBand) -> Step:
    if mean is None or std is None:
        raise ValueError(f"mean={mean} and std={std}: give both, or none")
    means, deviations = _numbers(mean), _numbers(std)
    n_bands = max(len(means), len(deviations))
    if not {len(means), len(deviations)} <= {1, n_bands}:
        raise ValueError(
            f"mean has {len(means)} numbers and std {len(deviations)}: give one per band to both"
        )
    pairs = zip(_spread(means, n_bands), _spread(deviations, n_bands), strict=True)
    return tuple(Scaling("z-score", mean=middle, stddev=deviation) for middle, deviation in pairs)


def _spread(numbers: tuple[float, ...], n_bands: int) -> tuple[float, ...]:
    return numbers * n_bands if len(numbers) == 1 else numbers


def _numbers(given: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(np.atleast_1d(np.asarray(given, float)).tolist())
