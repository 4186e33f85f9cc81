"""What probabilities of classes say of a cell: the class, how sure that is, and the probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from geopatcher.accumulators.counts import label_dtype, label_nodata, require_classes
from geopatcher.accumulators.finished import Beside, Finished
from geopatcher.accumulators.soft import PROBABILITY_UNIT, BallotState, SoftVote, leads
from geopatcher.core.metadata import ClassLabel, Metadata, of_classes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.core.protocols import Array

#: What can be asked for, and in words.
MEASURES: Mapping[str, str] = {
    "class": "the class with the largest probability",
    "probability": "the probability of each class",
    "confidence": "the largest probability",
    "entropy": "-sum(p ln p) over the classes, in nats: 0 is sure, ln(classes) knows nothing",
    "gap": "the largest probability less the second largest",
}


@dataclass(frozen=True)
class Scores(SoftVote):
    """Probabilities blended with the window, and what follows from them: ``outputs``, the first the result.

    The probability of a class is the mean of the patches' over a cell, weighted by the window. All outputs
    follow from the same sums, which are those of `SoftVote`: the class is the one a soft vote gives. Entropy
    is Shannon's (1948), https://doi.org/10.1002/j.1538-7305.1948.tb01338.x, of the probabilities divided by
    their sum.
    """

    outputs: tuple[str, ...] = ("class",)
    classes: tuple[ClassLabel, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.classes and len(self.classes) != self.n_classes:
            raise ValueError(f"{len(self.classes)} classes are named, and there are {self.n_classes}")
        unknown = [name for name in self.outputs if name not in MEASURES]
        if unknown or not self.outputs:
            raise ValueError(f"output {', '.join(unknown) or 'names'} is none of: {', '.join(MEASURES)}")
        if len(set(self.outputs)) < len(self.outputs):
            raise ValueError(f"outputs {', '.join(self.outputs)} name one of them twice")

    def get_config(self) -> dict[str, object]:
        """Return the parameters, all JSON values."""
        classes = [[label.value, label.name, list(label.color)] for label in self.classes]
        known = {"n_classes": self.n_classes, "outputs": list(self.outputs), "classes": classes}
        return super().get_config() | known

    @property
    def beside(self) -> Mapping[str, Beside]:
        """The outputs after the first."""
        return {name: self._kind(name) for name in self.outputs[1:]}

    @property
    def band_names(self) -> tuple[str, ...]:
        """The names of the classes for probabilities, or that of the first output."""
        first = self.outputs[0]
        names = tuple(label.name for label in self.classes)
        others = tuple(f"class {number}" for number in range(self.n_classes))
        return names or others if first == "probability" else (first,)

    @property
    def metadata(self) -> Metadata:
        """The names and colors of the classes, where the first output has them."""
        return self._kind(self.outputs[0]).metadata

    @property
    def _n_values(self) -> int:
        """One more than the largest value of a class."""
        return max((label.value + 1 for label in self.classes), default=self.n_classes)

    def _kind(self, name: str) -> Beside:
        if name == "class":
            dtype = label_dtype(self._n_values)
            said = of_classes(self.classes) if self.classes else Metadata()
            return Beside(dtype, label_nodata(dtype, self._n_values) or 0, metadata=said)
        return Beside(np.dtype("float32"), np.nan, self.n_classes if name == "probability" else 0)

    def finalise(self, state: BallotState) -> Finished:
        """Return the first output."""
        return self._measured(state, self.outputs[:1])[self.outputs[0]]

    def finalise_all(self, state: BallotState) -> tuple[Finished, Mapping[str, Finished]]:
        """Return all outputs: the first, and the others by name."""
        found = self._measured(state, self.outputs)
        return found.pop(self.outputs[0]), found

    def _measured(self, state: BallotState, names: tuple[str, ...]) -> dict[str, Finished]:
        voted = state.voted
        found = self._leading(state, names)
        if "entropy" in names:
            found["entropy"] = _entropy(state)
        if "probability" in names:
            found["probability"] = _probabilities(state)
        return {name: Finished(found[name], voted) for name in names}

    def _leading(self, state: BallotState, names: tuple[str, ...]) -> dict[str, Array]:
        """Return those of class, confidence and gap that are asked for, ``(1, h, w)`` each, in one pass."""
        wanted = [name for name in names if name in ("class", "confidence", "gap")]
        found = {name: np.empty((1, *state.weight.shape), self._kind(name).dtype) for name in wanted}
        if not wanted:
            return found
        for rows, lead in leads(state.total, with_second="gap" in found):
            if "class" in found:
                found["class"][0, rows] = self._labels(lead.label)
            first, unit = np.maximum(lead.first, 0), _unit(state.weight[rows])
            if "confidence" in found:
                np.divide(first, unit, out=found["confidence"][0, rows], casting="same_kind")
            if lead.second is not None:
                np.divide(first - lead.second, unit, out=found["gap"][0, rows], casting="same_kind")
        return found

    def _labels(self, indexes: Array) -> Array:
        """Return the values of classes that are told by their position."""
        values = [label.value for label in self.classes] or range(self.n_classes)
        return np.array(values, label_dtype(self._n_values))[indexes]

    def out_bands(self, n_bands: int) -> int:
        """As many as classes where probabilities come first, else one."""
        _ = n_bands
        return self.n_classes if self.outputs[0] == "probability" else 1

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return the smallest unsigned dtype with room for every class and nodata, or float32."""
        _ = dtype
        return self._kind(self.outputs[0]).dtype

    def check_dtype(self, dtype: np.dtype) -> None:
        """Refuse a dtype that does not hold every class, or that has no fractions for what are some."""
        if self.outputs[0] == "class":
            require_classes(dtype, self._n_values)
        elif dtype.kind != "f":
            raise ValueError(
                f"{self.outputs[0]} is a fraction, and dtype={dtype.name!r} has none: leave dtype out"
            )

    def nodata_for(self, dtype: np.dtype) -> float | int | None:
        """Return the largest value of an integer dtype for classes, NaN for all else."""
        return label_nodata(dtype, self._n_values) if self.outputs[0] == "class" else None

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Return what a soft vote takes, and the outputs while they are worked out."""
        shown = 4 * self.n_classes if "probability" in self.outputs else 0
        return super().state_bytes(n_bands, dtype, depth) + 48 + shown


@dataclass(frozen=True)
class FractionScores(Scores):
    """`Scores` of which the first is a fraction for each cell."""

    gives_labels: ClassVar[bool] = False


@dataclass(frozen=True)
class ProbabilityScores(FractionScores):
    """`Scores` of which probabilities are the first."""

    flat: ClassVar[bool] = False


def scores(n_classes: int, outputs: tuple[str, ...], classes: tuple[ClassLabel, ...] = ()) -> Scores:
    """Return the aggregation that gives ``outputs``; ``classes`` are in the order of the probabilities.

    Raises
    ------
    ValueError
        A name is unknown, or given twice, or there is no class.

    Examples
    --------
    >>> scores(3, ("probability", "class")).out_bands(3), list(scores(3, ("class", "gap")).beside)
    (3, ['gap'])

    """
    kinds: Mapping[str, type[Scores]] = {"class": Scores, "probability": ProbabilityScores}
    kind = kinds.get(outputs[0], FractionScores) if outputs else Scores
    return kind(n_classes, outputs, classes)


def _probabilities(state: BallotState) -> Array:
    """Return the mean probability of each class, ``(classes, h, w)`` float32."""
    unit = _unit(state.weight)
    shown = np.empty(state.total.shape, np.float32)
    for total, probability in zip(state.total, shown, strict=True):
        np.divide(total, unit, out=probability, casting="same_kind")
    return shown


def _unit(weight: Array) -> Array:
    """Return what a probability of one adds up to under sums of weights, float64."""
    unit: Array = np.maximum(weight, 1).astype(np.float64) * PROBABILITY_UNIT
    return unit


def _entropy(state: BallotState) -> Array:
    """Return the entropy, ``(1, h, w)`` float32, class after class."""
    shape = state.weight.shape
    whole = np.maximum(state.total, 0).sum(axis=0)
    whole = np.maximum(whole, 1).astype(np.float64)
    entropy = np.zeros(shape, np.float64)
    for total in state.total:
        share = np.maximum(total, 0) / whole
        entropy -= share * np.log(share, out=np.zeros(shape), where=share > 0)
    return np.maximum(entropy, 0).astype(np.float32)[np.newaxis]
