"""Detections of overlapping patches made one from top to bottom: only those near the front are held."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.features.detections import Detections
from geopatcher.features.merging import Merge, rule_of
from geopatcher.features.overlaps import Overlap, pairs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Part:
    """Detections that are fetched when it is their turn; none reaches above ``top``, in pixels."""

    top: float
    fetch: Callable[[], Detections]


@dataclass
class Front:
    """Makes one of the detections of each object; ``most_held`` is how many were held at most.

    Parts come by their tops. Detections that overlap, directly or by a chain, are resolved together when all
    of them end above the top of the next part, which can reach none of them. So the result is that of all
    detections at once, and what is held is what lies around one row. It comes sorted: by its upper edge, then
    by its left one.
    """

    merge: Merge
    iou: float
    most_held: int = field(default=0, init=False)

    def merged(self, parts: Sequence[Part]) -> Iterator[Detections]:
        """Yield what is left, in order."""
        overlap = Overlap(self.iou)
        rule = rule_of(self.merge, overlap)
        held, ready = Detections.none(), Detections.none()
        groups: NDArray[np.intp] = np.zeros(0, np.intp)
        for number, part in enumerate(parts):
            front = parts[number + 1].top if number + 1 < len(parts) else np.inf
            held, groups = self._with(held, groups, part.fetch(), overlap)
            self.most_held = max(self.most_held, len(held) + len(ready))
            closed = self._closed(held, groups, front)
            done = rule(held.taken(closed), groups[closed])
            held, groups = held.taken(~closed), groups[~closed]
            ready = Detections.joined([ready, done])
            limit = min(front, held.bounds[:, 1].min(initial=np.inf))
            ends = ready.bounds[:, 1] < limit
            if ends.any():
                yield _sorted(ready.taken(ends))
                ready = ready.taken(~ends)

    def _with(
        self, held: Detections, groups: NDArray[np.intp], new: Detections, overlap: Overlap
    ) -> tuple[Detections, NDArray[np.intp]]:
        """Return all that is held with what is new, and of which group each is."""
        if self.merge == "center":
            new = new.taken(new.core)
        n_held = len(held)
        both = Detections.joined([held, new])
        first_new = groups.max(initial=-1) + 1
        joint = np.concatenate([groups, np.arange(first_new, first_new + len(new))])
        if self.merge == "center" or not len(new):
            return both, joint
        pairs = pairs_of(both, n_held)
        one, other = overlap.of_one(both, pairs)
        linked = one | other
        return both, _united(joint, pairs.first[linked], pairs.second[linked])

    def _closed(self, held: Detections, groups: NDArray[np.intp], front: float) -> NDArray[np.bool_]:
        """Return which are of groups that no later part can reach."""
        if not len(held):
            return np.zeros(0, bool)
        lowest = np.full(int(groups.max()) + 1, -np.inf)
        np.maximum.at(lowest, groups, held.bounds[:, 3])
        return np.asarray(lowest[groups] <= front)


def _united(groups: NDArray[np.intp], first: Iterable[int], second: Iterable[int]) -> NDArray[np.intp]:
    """Return groups in which those of each pair are one."""
    parents = np.arange(int(groups.max(initial=-1)) + 1)

    def root(group: int) -> int:
        while parents[group] != group:
            parents[group] = parents[parents[group]]
            group = int(parents[group])
        return group

    for one, other in zip(first, second, strict=True):
        low, high = sorted((root(int(groups[one])), root(int(groups[other]))))
        parents[high] = low
    roots = np.array([root(int(group)) for group in groups], np.intp)
    _, numbers = np.unique(roots, return_inverse=True)
    return np.asarray(numbers, np.intp)


def _sorted(found: Detections) -> Detections:
    x0, y0, x1, y1 = found.bounds.T
    cx, cy = found.centres.T
    return found.taken(np.lexsort((cx, cy, x1, y1, -found.scores, found.labels, x0, y0)))
