"""Several detections of one object become one: by suppression, or by fusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np

from geopatcher.features.detections import Detections
from geopatcher.features.overlaps import Overlap, pairs_of, ranked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array

#: How detections of one object become one.
Merge: TypeAlias = Literal["nms", "wbf", "center"]
MERGES: tuple[Merge, ...] = ("nms", "wbf", "center")


class Rule(Protocol):
    """Makes one of several detections."""

    def __call__(self, found: Detections, groups: NDArray[np.intp]) -> Detections:
        """Return what is left.

        Those of a group overlap each other, directly or by a chain, and none of another; what is left of a
        group follows from its own members.
        """
        ...


@dataclass(frozen=True)
class Suppression:
    """Greedy suppression: the best stays, and those that are of the same object go; then the next best.

    >>> boxes = [[0, 0, 10, 10], [1, 0, 11, 10], [8, 0, 18, 10]]
    >>> found = Detections.of_boxes(boxes, [0.5, 0.9, 0.4], [0, 0, 0])
    >>> Suppression(Overlap(0.5))(found, np.array([0, 0, 1])).scores.tolist()
    [0.9, 0.4]
    """

    overlap: Overlap

    def __call__(self, found: Detections, groups: NDArray[np.intp]) -> Detections:
        """Return those that stay, the best first: of all groups at once, as they do not touch each other."""
        _ = groups
        pairs = pairs_of(found)
        second_goes, first_goes = self.overlap.of_one(found, pairs)
        under: dict[int, list[int]] = {}
        for one, other, goes, stays in zip(
            pairs.first.tolist(), pairs.second.tolist(), second_goes, first_goes, strict=True
        ):
            if goes:
                under.setdefault(one, []).append(other)
            if stays:
                under.setdefault(other, []).append(one)
        left = np.ones(len(found), bool)
        kept: list[int] = []
        for number in ranked(found).tolist():
            if left[number]:
                kept.append(number)
                left[[number, *under.get(number, ())]] = False
        return found.taken(np.array(kept, np.intp))


@dataclass(frozen=True)
class Fusion:
    """Weighted boxes fusion: boxes of one object become their mean, weighted by their scores.

    From the best box on each joins the fused box that it overlaps most, if that is by more than the
    threshold, or else begins one (R. Solovyev, W. Wang, T. Gabruseva, 2019, Weighted boxes fusion,
    arXiv:1910.13302, section 3). The score is the mean of theirs; it is not lowered where few of the patches
    saw the object (step 6 there), since how many did follows from where it lies. Boxes that a border has cut
    off count for the score, and for the place only where there are no others.
    """

    overlap: Overlap

    def __call__(self, found: Detections, groups: NDArray[np.intp]) -> Detections:
        """Return the fused boxes; one that is alone in its group stays as it is."""
        _, first, n_members = np.unique(groups, return_index=True, return_counts=True)
        order = np.argsort(groups, kind="stable")
        members = np.split(order, np.cumsum(n_members)[:-1]) if len(order) else []
        fused = [self._fused(found.taken(some)) for some in members if len(some) > 1]
        return Detections.joined([found.taken(np.sort(first[n_members == 1])), *fused])

    def _fused(self, found: Detections) -> Detections:
        """Return the fused boxes of a group, in the order in which they were begun."""
        clusters: list[list[int]] = []
        fused = np.zeros((0, 4))
        for number in ranked(found).tolist():
            match = self._match(found, number, fused)
            if match is None:
                clusters.append([number])
                fused = np.concatenate([fused, found.bounds[[number]]])
            else:
                clusters[match].append(number)
                fused[match] = self._mean(found, clusters[match])
        scores = np.array([found.scores[members].mean() for members in clusters])
        labels = np.array([found.labels[members[0]] for members in clusters])
        return Detections.of_boxes(fused, scores, labels)

    def _match(self, found: Detections, number: int, fused: NDArray[np.float64]) -> int | None:
        if not len(fused):
            return None
        box = found.bounds[number]
        sides = np.minimum(fused[:, 2:], box[2:]) - np.maximum(fused[:, :2], box[:2])
        shared = np.prod(np.maximum(sides, 0), axis=1)
        areas = np.prod(fused[:, 2:] - fused[:, :2], axis=1)
        measure = shared / (areas + found.areas[number] - shared)
        if found.cut[number]:
            measure = np.maximum(measure, shared / found.areas[number])
        best = int(measure.argmax())
        return best if measure[best] > self.overlap.iou else None

    def _mean(self, found: Detections, members: list[int]) -> Array:
        whole = [number for number in members if not found.cut[number]] or members
        weights, first = found.scores[whole], found.bounds[whole[0]]
        beside = found.bounds[whole] - first  # so that the mean of boxes that are the same is that box
        return np.asarray(first + np.average(beside, axis=0, weights=weights if weights.any() else None))


@dataclass(frozen=True)
class OfOwnCore:
    """All of them: what is not of a patch's own core was left out before."""

    def __call__(self, found: Detections, groups: NDArray[np.intp]) -> Detections:
        """Return them as they are."""
        _ = groups
        return found


def rule_of(merge: Merge, overlap: Overlap) -> Rule:
    """Return what a name stands for."""
    if merge == "center":
        return OfOwnCore()
    return Suppression(overlap) if merge == "nms" else Fusion(overlap)
