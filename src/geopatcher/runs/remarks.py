"""What a person should hear of a run's results while it goes on, rather than after hours."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geopatcher.accumulators.labels import averaged
from geopatcher.core.gaps import VALID
from geopatcher.formats.rasterio_warnings import caller_level

if TYPE_CHECKING:
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.gaps import Gaps
    from geopatcher.engine.contributions import Operate
    from geopatcher.engine.job import Job
    from geopatcher.engine.stats import RunStats
    from geopatcher.planning.anchors import Strip
    from geopatcher.planning.plan import Plan

#: What stays with the result of such a run.
NOTE = "integers of overlapping patches differed and were averaged: labels need another aggregation"


@dataclass
class Remarks:
    """Warns once when integers were averaged, wherever their patches were computed."""

    job: Job
    operate: Operate
    said: bool = False

    def strip_done(self, plan: Plan, strip: Strip) -> None:
        """Look what is known now."""
        _ = plan, strip
        self.say()

    def say(self) -> None:
        """Warn, if there is something to say that was not said.

        Warns
        -----
        RuntimeWarning
            Integers of overlapping patches differed, and were averaged; names what keeps labels.

        """
        stats, dtype = self.operate.stats, self.operate.dtype
        if self.said or not stats.averaged or dtype is None:
            return
        self.said = True
        stats.notes.append(NOTE)
        text = averaged(self.job.name, dtype, self.job.aggregation)
        warnings.warn(text, RuntimeWarning, stacklevel=caller_level())

    def at_end(self) -> None:
        """Warn where there is nothing in the result, though there is in the pixels it was made from.

        Warns
        -----
        RuntimeWarning
            The operator returned only NaN or masked cells for every patch, or cells were clipped.

        """
        self.say()
        stats = self.operate.stats
        scaling = self.job.output.scale_to
        if stats.clipped and scaling is not None:
            low, high = scaling.range
            told = f"{stats.clipped:,} cells were beyond the range of scale_to, {low:g} to {high:g}"
            told += ", and became its ends"
            stats.notes.append(told)
            warnings.warn(f"{told}: a wider range keeps them", RuntimeWarning, stacklevel=caller_level())
        if not stats.blank or stats.blank < stats.patches - stats.failed:
            return
        note = (
            f"{self.job.name} returned nothing but missing cells for all patches with data ({stats.blank:,})"
        )
        stats.notes.append(note)
        text = f"{note}: a model may overflow where its input is not scaled as it was in training"
        warnings.warn(text, RuntimeWarning, stacklevel=caller_level())


def tell_gaps(job: Job, stats: RunStats, begun: ResultSpec, came: ResultSpec, found: Gaps) -> None:
    """Say how many cells that hold data have the value that was to stand for missing.

    ``begun`` is what the result was to be, and ``came`` what it came to be.

    Warns where the caller named that value; one that was inherited is told in the notes only.
    """
    if found.met and begun.domain.nodata is not None:
        told = (
            f"{found.met:,} cells that hold data have the nodata value {begun.domain.nodata}: they are kept, "
            f"a mask says which cells are missing, and the result declares no nodata value"
        )
        stats.notes.append(told)
        if job.output.nodata is not None:
            warnings.warn(f"{told}. Choose a value no result has, or none", RuntimeWarning, stacklevel=2)
    if found.uneven and came.masked:
        stats.notes.append(
            f"{found.uneven:,} cells are missing in some bands only, and a GeoTIFF has one mask for all: "
            f"the file beside it that ends in .{VALID}.tif says which"
        )
