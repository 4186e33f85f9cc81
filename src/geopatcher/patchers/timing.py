"""Which steps of a series its patches have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geopatcher.temporal.geometry import windows_of
from geopatcher.temporal.samplers import anchors_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geopatcher.core.protocols import Array
    from geopatcher.temporal.geometry import TemporalGeometry
    from geopatcher.temporal.samplers import TemporalSampler
    from geopatcher.temporal.steps import Steps


@dataclass(frozen=True)
class Timing:
    """The windows of a series: which steps each anchor sees."""

    geometry: TemporalGeometry
    sampler: TemporalSampler
    n_steps: int
    coord: Array | None

    def anchors(self) -> Steps:
        """Return the steps that patches belong to."""
        return anchors_of(self.sampler, self.n_steps, self.coord)

    def at(self, anchor: int) -> list[slice]:
        """Return the steps of each patch of an anchor."""
        return windows_of(self.geometry, self.n_steps, self.coord, anchor)

    def __iter__(self) -> Iterator[tuple[int, slice]]:
        for anchor in self.anchors():
            for steps in self.at(anchor):
                yield anchor, steps

    def __len__(self) -> int:
        return sum(len(self.at(anchor)) for anchor in self.anchors())
