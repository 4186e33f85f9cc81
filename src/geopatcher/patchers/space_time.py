"""Where and when the patches of a field with an axis of time are, and how they are read."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from geopatcher.patchers.cubes import domain_of
from geopatcher.temporal.patch import SpatioTemporalPatch

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

    from geopatcher.api.patcher import SpatialPatcher
    from geopatcher.core.patch import Patch
    from geopatcher.patchers.cubes import Cube
    from geopatcher.patchers.temporal import TemporalPatcher
    from geopatcher.patchers.timing import Timing

#: ``(row, col)`` of a patch's upper-left pixel.
Place: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class SpaceTime:
    """Where and when the patches of a cube are, and how they are read: step by step, place by place."""

    spatial: SpatialPatcher[object]
    temporal: TemporalPatcher[object]
    cube: Cube
    timing: Timing
    coupled: bool

    def pairs(self) -> Iterator[tuple[Place, int]]:
        """Yield place and step of each patch."""
        if self.coupled:
            for place, time in self._coupled():
                yield from ((place, time) for _ in self.timing.at(time))
            return
        for time, steps in self.timing:
            for place in self.spatial.anchors(self.cube.at(steps)):
                yield (place, time)

    def count(self) -> int:
        """Return how many patches there are."""
        if self.coupled:
            return sum(len(self.timing.at(time)) for _, time in self._coupled())
        n_times = len(self.timing)
        return n_times * self.spatial.n_anchors(self.cube.at(slice(0, 1))) if n_times else 0

    def patches(self) -> Generator[SpatioTemporalPatch[object], None, None]:
        """Yield the patches."""
        if self.coupled:
            for place, time in self._coupled():
                for steps in self.timing.at(time):
                    patch = self.spatial.patch_at(self.cube.at(steps), place)
                    yield self._patch(patch, time, steps, self._weights(patch.weights, steps))
            return
        for time, steps in self.timing:
            last: NDArray[np.floating] | None = None
            weights: NDArray[np.floating] | None = None
            with closing(self.spatial.split(self.cube.at(steps))) as patches:
                for patch in patches:
                    if weights is None or patch.weights is not last:  # mostly all places have the same
                        last, weights = patch.weights, self._weights(patch.weights, steps)
                    yield self._patch(patch, time, steps, weights)

    def _coupled(self) -> Iterator[tuple[Place, int]]:
        """Pair the places with the steps, the first with the first, and so on.

        Raises
        ------
        ValueError
            There are more of one than of the other.

        """
        domain, times = domain_of(self.cube), self.timing.anchors()
        n_places = sum(1 for _ in self.spatial.sampler.anchors(domain, self.spatial.geometry))
        if n_places != len(times):
            raise ValueError(
                f'coupling="coupled" pairs each place with a step, and there are {n_places} places and '
                f'{len(times)} steps: give samplers of equal length, or coupling="product"'
            )
        return zip(self.spatial.sampler.anchors(domain, self.spatial.geometry), times, strict=True)

    def _weights(self, weights: NDArray[np.floating] | None, steps: slice) -> NDArray[np.floating]:
        by_step = self.temporal.weights_of(steps)[:, np.newaxis, np.newaxis]
        product = by_step * (1.0 if weights is None else weights)
        product.setflags(write=False)
        return product

    def _patch(
        self, patch: Patch[object], time: int, steps: slice, weights: NDArray[np.floating]
    ) -> SpatioTemporalPatch[object]:
        data = self.cube.dress(patch.data, steps)
        return SpatioTemporalPatch(data, patch.anchor, time, patch.indices, steps, weights)
