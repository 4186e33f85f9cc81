"""Regions one after another in this process."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geopatcher.engine.job import Job, peeked, run_region
from geopatcher.engine.stats import RunStats, peak_rss_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from geopatcher.box import Box
    from geopatcher.domain import RasterDomain
    from geopatcher.policy import PatchErrorRecord
    from geopatcher.sinks.targets import ResultArray, Target


@dataclass(frozen=True)
class Outcome:
    """What an executor gives back."""

    arrays: dict[str, ResultArray]
    domain: RasterDomain
    path: Path | None
    stats: RunStats
    errors: list[PatchErrorRecord]
    job: Job


@dataclass(frozen=True)
class LocalExecutor:
    """Runs the regions of a job in this process: reading, operating and writing overlap in threads."""

    def run(self, job: Job, target: Target) -> Outcome:
        """Compute every region and complete the target; discard it when something goes wrong."""
        started = time.perf_counter()
        stats = RunStats(source_bytes=_source_bytes(job))
        target.check()
        operate = job.operate(stats)
        try:
            regions = list(job.plan.regions())
            with closing(job.stream(regions[0], operate)) as first_stream:
                first, stream = peeked(first_stream)
                spec = job.spec_for(first, flat=operate.flat if first is None else first.flat)
                sink = target.create(spec)
                run_region(job, regions[0], spec, sink, stream, _nothing, stats)
            for region in regions[1:]:
                with closing(job.stream(region, operate)) as more:
                    run_region(job, region, spec, sink, more, _nothing, stats)
            arrays = target.complete()
        except BaseException:
            target.discard()
            raise
        stats.target_bytes = spec.n_bands * job.plan.region.n_pixels * spec.domain.dtype.itemsize
        stats.elapsed = time.perf_counter() - started
        stats.peak_bytes = peak_rss_bytes()
        return Outcome(arrays, spec.domain, target.path, stats, operate.errors, job)


def _nothing(box: Box) -> None:
    """Hear of a finished row of blocks and do nothing."""


def _source_bytes(job: Job) -> int:
    domain = job.source.domain
    return domain.n_bands * domain.height * domain.width * domain.dtype.itemsize
