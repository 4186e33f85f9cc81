"""A step and a window that were tried, and what was measured of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from geopatcher.report.seams import Seams


@dataclass(frozen=True, slots=True)
class Choice:
    """A step and a window that were tried.

    ``patches_per_mpx`` is how many patches a million pixels take on a large raster, ``seconds_per_mpx``
    what operating and stitching them took here; patches cost the same whatever their step. ``disagreement``
    is the share of labels, such as classes, that are others where patches lie otherwise; NaN of quantities.
    """

    step: tuple[int, int]
    window: str
    overlap: float
    patches_per_mpx: float
    seconds_per_mpx: float
    seams: Seams
    disagreement: float = float("nan")

    @property
    def of_labels(self) -> bool:
        """Whether labels were compared."""
        return not np.isnan(self.disagreement)

    @property
    def is_measured(self) -> bool:
        """Whether anything could be told of it."""
        return self.of_labels or not np.isnan(self.seams.strongest.ratio)

    @property
    def found(self) -> str:
        """What was measured, in a few words."""
        if self.of_labels:
            return f"{self.disagreement:.3%} of the labels differ"
        seam = self.seams.strongest
        if not self.is_measured:
            return seam.verdict
        return f"{seam.ratio:.2f} ({seam.low:.2f}-{seam.high:.2f}) {seam.verdict}"

    @property
    def name(self) -> str:
        """Such as ``hann, step 64``."""
        rows, cols = self.step
        return f"{self.window}, step {rows if rows == cols else f'{rows}x{cols}'}"
