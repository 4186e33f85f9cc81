"""A region as a task: what is sent to a worker, what the worker does, and what it says of it.

A task is a pure function of the job and the region: run twice, or on two workers at once, it writes
the same bytes twice. Only small records come back, but where the result is in memory.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from geopatcher.engine.job import Job, peeked, run_region
from geopatcher.engine.stats import RunStats, peak_rss_bytes
from geopatcher.engine.watch import StopRequested, Watch
from geopatcher.executors.transport import Carried, pack_parts
from geopatcher.hooks import Hooks
from geopatcher.progress import no_progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from geopatcher.box import Box
    from geopatcher.domain import ResultSpec
    from geopatcher.engine.contributions import Contribution, Operate
    from geopatcher.executors.child import Channel
    from geopatcher.planning.anchors import Strip
    from geopatcher.planning.plan import Plan
    from geopatcher.policy import PatchErrorRecord
    from geopatcher.protocols import Array, FinishedTile
    from geopatcher.sinks.zarr_store import ZarrSink

#: Seconds between two reports of progress.
REPORT_S = 0.2


@dataclass(frozen=True)
class Making:
    """What is being made, once the first result has said it.

    ``sink`` is where workers write; ``None`` when the result is in the memory of who gives the tasks.
    ``n_bands`` and ``dtype`` are those of the operator's results, ``None`` when no patch held data.
    """

    spec: ResultSpec
    sink: ZarrSink | None
    n_bands: int | None
    dtype: np.dtype | None


@dataclass(frozen=True)
class Assignment:
    """A region to compute. Without ``making``, only to be looked at until something is in it."""

    region: Box
    making: Making | None = None


@dataclass(frozen=True)
class News:
    """What came since the news before: counts and seconds as of `RunStats`, and patches that failed."""

    stats: RunStats = field(default_factory=RunStats)
    errors: Sequence[PatchErrorRecord] = ()


@dataclass(frozen=True)
class Looked:
    """A region was looked at; when ``first`` is ``None`` it holds nothing, and is done.

    ``first`` is its first contribution, without the cells.
    """

    first: Contribution | None
    news: News


@dataclass(frozen=True)
class Computed:
    """A region was computed, or as much of it as was closed when it was ``stopped``."""

    news: News
    stopped: bool = False


#: ``("start", anchor)``, ``("done", anchor, seconds, nbytes)`` or ``("error", anchor, Carried)``.
Happening: TypeAlias = (
    "tuple[str, tuple[int, int]] | tuple[str, tuple[int, int], float, int]"
    " | tuple[str, tuple[int, int], Carried]"
)


@dataclass(frozen=True)
class Progress:
    """Patches are done; ``happened`` is what hooks are to hear of them."""

    n_patches: int
    happened: list[Happening]


@dataclass(frozen=True)
class Row:
    """The store has a row of a region's blocks."""

    box: Box
    news: News


@dataclass(frozen=True)
class Blocks:
    """A finished row of blocks, on its way to who holds the result."""

    box: Box
    arrays: Mapping[str, Array]


@dataclass(frozen=True)
class RegionServer:
    """Does assignments of one job; travels to the workers, packed by `pack_job`."""

    job: Job

    def __call__(self, task: object, channel: Channel) -> Looked | Computed:
        """Look at a region, or compute it; says `Progress`, `Row` and `Blocks` on the way."""
        if not isinstance(task, Assignment):
            raise TypeError(f"{type(task).__name__} is not an assignment")
        reporter = _Reporter(channel)
        hooks = Hooks.of(reporter) if self.job.hooks else Hooks()
        job = replace(self.job, advance=reporter.advance, hooks=hooks)
        operate = job.operate(RunStats())
        plan = job.plan.restrict(task.region)
        if task.making is None:
            return _look(job, plan, operate, reporter)
        operate.n_bands, operate.dtype = task.making.n_bands, task.making.dtype
        region = _Region(job, plan, operate, task.making, reporter)
        stopped = region.compute(Watch(channel.stop_requested, (reporter,)))
        return Computed(reporter.news_of(operate), stopped)


def pack_job(job: Job) -> bytes:
    """Return what makes a worker do assignments of a job.

    What hears of the job stays here: hooks, progress and log are told by who gives the tasks.

    Raises
    ------
    TransportError
        Something in the job cannot travel; names it.

    """
    hooks = Hooks(any=bool(job.hooks))
    bare = replace(job, advance=no_progress, hooks=hooks, log_json=None)
    parts = {"operator": job.operator, "source": job.source, "aggregation": (job.aggregation, job.layers)}
    return pack_parts(RegionServer(bare), parts)


def _look(job: Job, plan: Plan, operate: Operate, reporter: _Reporter) -> Looked | Computed:
    """Find the first result of a region."""
    watch = Watch(reporter.channel.stop_requested)
    try:
        with closing(job.stream(plan, operate, watch)) as stream:
            first, _ = peeked(stream)
    except StopRequested:
        return Computed(News(), stopped=True)
    if first is not None:  # computed again with the region: what hooks would hear of it is dropped
        return Looked(first._replace(data=first.data[:, :0, :0], valid=None, weights=None), News())
    reporter.flush()
    return Looked(None, reporter.news_of(operate))


@dataclass(frozen=True)
class _Region:
    """One region on its way through the engine."""

    job: Job
    plan: Plan
    operate: Operate
    making: Making
    reporter: _Reporter

    def compute(self, watch: Watch) -> bool:
        """Compute and write the region; return whether it was stopped early."""
        job, making = self.job, self.making
        sink = making.sink or _Relay(self.reporter.channel)
        stopped = False
        with closing(job.stream(self.plan, self.operate, watch)) as stream:
            try:
                run_region(job, self.plan, making.spec, sink, stream, self._written, self.operate.stats)
            except StopRequested:
                stopped = True
        self.reporter.flush()
        return stopped

    def _written(self, box: Box) -> None:
        """Say that the store has a row of blocks; called in the thread that writes."""
        self.reporter.channel.tell(Row(box, self.reporter.news_of(self.operate)))


@dataclass(frozen=True)
class _Relay:
    """A sink that hands blocks over to who holds the result."""

    channel: Channel

    def write(self, tiles: Iterable[FinishedTile]) -> int:
        """Send tiles; waits while the other side is busy with others."""
        n_bytes = 0
        for box, arrays in tiles:
            self.channel.tell(Blocks(box, dict(arrays)))
            n_bytes += sum(array.nbytes for array in arrays.values())
        return n_bytes


@dataclass
class _Reporter:
    """Collects what happens and says it a few times a second; also hook and listener of the run."""

    channel: Channel
    _n_patches: int = 0
    _happened: list[Happening] = field(default_factory=list)
    _told: float = field(default_factory=time.perf_counter)
    _n_errors: int = 0
    _known: RunStats = field(default_factory=RunStats)

    def advance(self, n_patches: int) -> None:
        """Count patches."""
        self._n_patches += n_patches

    def on_patch_start(self, anchor: tuple[int, int]) -> None:
        """Note a patch."""
        self._happened.append(("start", anchor))

    def on_patch_done(self, anchor: tuple[int, int], seconds: float, nbytes: int) -> None:
        """Note a patch."""
        self._happened.append(("done", anchor, seconds, nbytes))

    def on_error(self, anchor: tuple[int, int], exc: Exception) -> None:
        """Note a patch that failed."""
        self._happened.append(("error", anchor, Carried(exc)))

    def strip_done(self, plan: Plan, strip: Strip) -> None:
        """Say what has happened, unless that was done just now."""
        _ = plan, strip
        if time.perf_counter() - self._told >= REPORT_S:
            self.flush()

    def flush(self) -> None:
        """Say what has happened."""
        if self._n_patches or self._happened:
            self.channel.tell(Progress(self._n_patches, self._happened))
        self._n_patches, self._happened, self._told = 0, [], time.perf_counter()

    def news_of(self, operate: Operate) -> News:
        """Return what came since the last call."""
        errors = operate.errors[self._n_errors :]
        self._n_errors += len(errors)
        operate.stats.peak_bytes = peak_rss_bytes()
        return News(operate.stats.since(self._known), errors)
