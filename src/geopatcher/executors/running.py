"""A run from its first look at the target to its outcome: the same for every executor."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geopatcher.engine.job import Job, run_region
from geopatcher.engine.stats import RunStats, peak_rss_bytes
from geopatcher.engine.watch import StopRequested, Watch
from geopatcher.errors import InterruptedRunError, MemoryLimitError, TargetError
from geopatcher.executors.runlog import RunLog
from geopatcher.executors.session import DiskSession, MemorySession
from geopatcher.executors.stopping import stop_signals
from geopatcher.planning.memory import format_bytes
from geopatcher.sinks.disk import DiskTarget
from geopatcher.sinks.zarr_store import ZarrSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from geopatcher.box import Box
    from geopatcher.domain import RasterDomain
    from geopatcher.engine.contributions import Contribution, Operate
    from geopatcher.executors.session import Session
    from geopatcher.planning.plan import Plan
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


@dataclass
class Run:
    """A run on its way: what an executor computes regions with, and what it tells of them."""

    job: Job
    session: Session
    operate: Operate
    watch: Watch

    def start(self, first: Contribution | None) -> None:
        """Make the place for the result; ``first`` says what it is, ``None`` that nothing holds data."""
        operate = self.operate
        if first is not None and operate.n_bands is None:
            operate.n_bands, operate.dtype = first.data.shape[0], first.data.dtype
        self.session.start(self.job.spec_for(first, flat=operate.flat if first is None else first.flat))

    def region(
        self,
        plan: Plan,
        contributions: Iterator[Contribution],
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        """Compute a region here, and write and record its rows of blocks.

        ``meanwhile`` is called while the last of them are still being written.
        """
        session = self.session
        if session.spec is not None and session.sink is not None:
            run_region(
                self.job,
                plan,
                session.spec,
                session.sink,
                contributions,
                session.record,
                self.operate.stats,
                meanwhile,
            )

    def nothing_in(self, region: Box) -> None:
        """Record a region that holds no data."""
        self.region(self.job.plan.restrict(region), iter(()))

    def tidy(self) -> None:
        """Remove what writers that were killed have left between the finished blocks."""
        if isinstance(self.session.sink, ZarrSink):
            self.session.sink.sweep(_any)


class LargerThanPlannedError(Exception):
    """The first result takes more memory than was assumed: the regions must be cut anew."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.name)
        self.job = job


class Executor(ABC):
    """Runs the regions of a job somewhere. `run` is the same for all: where, `compute` says."""

    @abstractmethod
    def memory_for(self, plan: Plan) -> int:
        """Return the bytes one region may take."""

    @abstractmethod
    def cut(self, job: Job) -> Iterable[Box]:
        """Cut a job's plan into regions."""

    @abstractmethod
    def compute(self, run: Run, regions: Sequence[Box]) -> None:
        """Compute what is left of the regions, and have each row of their blocks recorded.

        Raises
        ------
        LargerThanPlannedError
            Before anything is made, when regions of this size cannot keep the memory limit.

        """

    def n_patches(self, job: Job) -> int:
        """Return how many patches all regions have together, those in several counted in each."""
        return sum(map(job.plan.anchors.count_in, self.cut(job)))

    def run(self, job: Job, target: Target) -> Outcome:
        """Compute what is left to do and complete the target.

        Whatever ends a run on disk early, what it finished is kept for the next one.

        Raises
        ------
        TargetExistsError
            The target is there and was not made by this job.
        TargetLockedError
            Another live run writes it.
        TargetError
            It cannot be written; says what is kept.
        InterruptedRunError
            Ctrl-C or SIGTERM came; the run stopped between two strips.

        """
        started = time.perf_counter()
        stats = RunStats(source_bytes=_source_bytes(job))
        operate = job.operate(stats)
        session = session_for(job, target, operate, stats)
        log = None if job.log_json is None else RunLog(job.log_json, stats)
        with stop_signals(catch=session.durable) as stop:
            try:
                arrays = session.open()
                if arrays is None:
                    run = Run(job, session, operate, Watch(stop.requested, () if log is None else (log,)))
                    arrays = self._to_the_end(run, started, log)
                    job = run.job
            except BaseException as error:
                kept = session.fail()
                if log is not None:
                    log.ended(type(error).__name__)
                if isinstance(error, StopRequested):
                    raise InterruptedRunError(
                        f"stopped by {stop.name}; {kept or 'nothing is kept'}"
                    ) from None
                if kept and type(error) is TargetError:
                    raise TargetError(f"{error}; {kept}") from error
                if kept:
                    error.add_note(kept)
                raise
        if log is not None:
            log.ended("complete")
        return Outcome(arrays, session.domain, target.path, stats, once(operate.errors), job)

    def _to_the_end(self, run: Run, started: float, log: RunLog | None) -> dict[str, ResultArray]:
        """Run what is left, and let the result appear."""
        job, session, stats = run.job, run.session, run.operate.stats
        _check_storage(job, self.memory_for(job.plan))
        regions = self._left(run)
        n_patches = sum(map(job.plan.anchors.count_in, regions))
        job.advance(max(0, self.n_patches(job) - n_patches))
        if log is not None:
            log.began(job.source.name, str(session.path or "memory"), n_patches)
        job.hooks.split_start(n_patches)
        job.hooks.merge_start(n_patches)
        try:
            self.compute(run, regions)
        except LargerThanPlannedError as larger:
            run.job = larger.job
            self.compute(run, self._left(run))
        job.hooks.split_end()
        session.assemble()
        domain = session.domain
        stats.target_bytes = domain.n_bands * job.plan.region.n_pixels * domain.dtype.itemsize
        stats.elapsed = time.perf_counter() - started
        stats.peak_bytes = max(stats.peak_bytes, peak_rss_bytes())
        arrays = session.publish()
        job.hooks.merge_end(stats.bytes_written)
        return arrays

    def _left(self, run: Run) -> list[Box]:
        """Return what is left to do of each region."""
        return [box for region in self.cut(run.job) for box in run.session.left(region)]


def session_for(job: Job, target: Target, operate: Operate, stats: RunStats) -> Session:
    """Return what a run on a target stands in: on disk one with a ledger."""
    if isinstance(target, DiskTarget):
        return DiskSession(job, target, operate, stats)
    return MemorySession(job, target)


def once(errors: Iterable[PatchErrorRecord]) -> list[PatchErrorRecord]:
    """Return each failed patch once: one that straddles regions fails in both."""
    return list({(error.anchor, error.kind): error for error in errors}.values())


def _any(box: Box) -> bool:
    """Hold every block."""
    return box.n_pixels > 0


def _check_storage(job: Job, memory_bytes: int) -> None:
    """Refuse a source that is stored in blocks too large to decode in the memory a region may take."""
    height, width = job.source.block_shape
    domain = job.source.domain
    n_bytes = min(height, domain.height) * width * domain.n_bands * domain.dtype.itemsize
    if n_bytes > memory_bytes:
        raise MemoryLimitError(
            f"{job.source.name} is stored in blocks of {height}x{width} pixels, which take "
            f"{format_bytes(n_bytes)} to decode, and memory_limit is {format_bytes(memory_bytes)}: "
            f"store it in smaller blocks (gdal_translate -co TILED=YES), or raise the limit"
        )


def _source_bytes(job: Job) -> int:
    domain = job.source.domain
    return domain.n_bands * domain.height * domain.width * domain.dtype.itemsize
