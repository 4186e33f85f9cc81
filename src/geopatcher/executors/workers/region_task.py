"""A region as a task: what is sent to a worker, what the worker does, and what it says of it.

A task is a pure function of the job and the region: run twice, or on two workers at once, it writes
the same bytes twice. Only small records come back, but where the result is in memory.
"""

from __future__ import annotations

import functools
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from geopatcher.engine.batching import Batching
from geopatcher.engine.hooks import Hooks
from geopatcher.engine.job import Job, peeked, run_region
from geopatcher.engine.lateness import Late
from geopatcher.engine.progress import no_progress
from geopatcher.engine.resident import (
    STORE_LIBRARIES,
    Taken,
    peak_rss_bytes,
    rss_bytes,
    this_process,
    unloaded_bytes,
)
from geopatcher.engine.stats import RunStats
from geopatcher.engine.watch import StopRequested, Watch
from geopatcher.executors.workers.pickling import Carried, pack_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import Array, FinishedTile
    from geopatcher.engine.contributions import Contribution, Operate
    from geopatcher.engine.error_policy import PatchErrorRecord
    from geopatcher.engine.previews import Preview
    from geopatcher.executors.workers.process_main import Channel
    from geopatcher.planning.anchors import Strip
    from geopatcher.planning.plan import Plan
    from geopatcher.targets.digests import Digests
    from geopatcher.targets.protocol import BlockStore

#: Seconds between two reports of progress.
REPORT_S = 0.2


@dataclass(frozen=True)
class ResultHandle:
    """What is being made, once the first result has said it.

    ``sink`` is where workers write; ``None`` when the result is in the memory of who gives the tasks.
    ``n_bands`` and ``dtype`` are those of the operator's results, ``None`` when no patch held data.
    """

    spec: ResultSpec
    sink: BlockStore | None
    n_bands: int | None
    dtype: np.dtype | None


@dataclass(frozen=True)
class Assignment:
    """A region to compute. Without ``handle``, only to be looked at until something is in it.

    ``late`` are patches on which the operator took too long before.
    """

    region: Box
    handle: ResultHandle | None = None
    late: Late = field(default_factory=Late)


@dataclass(frozen=True)
class RegionUpdate:
    """What came since the update before: counts and seconds as of `RunStats`, and patches that failed.

    ``taken`` is what was seen of the worker's memory.
    """

    stats: RunStats = field(default_factory=RunStats)
    errors: Sequence[PatchErrorRecord] = ()
    taken: Taken = field(default_factory=Taken)


@dataclass(frozen=True)
class ProbeResult:
    """A region was looked at; when ``first`` is ``None`` it holds nothing, and is done.

    ``first`` is its first contribution, without the cells.
    """

    first: Contribution | None
    update: RegionUpdate


@dataclass(frozen=True)
class Computed:
    """A region was computed, or as much of it as was closed when it was ``stopped``."""

    update: RegionUpdate
    stopped: bool = False


#: ``("start", anchor)``, ``("done", anchor, seconds, nbytes)``, ``("error", anchor, Carried)``,
#: or what is known of a block.
PatchEvent: TypeAlias = (
    "tuple[str, tuple[int, int]] | tuple[str, tuple[int, int], float, int]"
    " | tuple[str, tuple[int, int], Carried] | Preview"
)


@dataclass(frozen=True)
class Progress:
    """Patches are done; ``happened`` is what hooks are to hear of them."""

    n_patches: int
    happened: list[PatchEvent]


@dataclass(frozen=True)
class Row:
    """The store has a row of a region's blocks; ``files`` is what they hold, ``None`` in memory."""

    box: Box
    update: RegionUpdate
    files: Digests | None = None


@dataclass(frozen=True)
class Blocks:
    """A finished row of blocks, on its way to who holds the result."""

    box: Box
    arrays: Mapping[str, Array]


@dataclass(frozen=True)
class RegionServer:
    """Does assignments of one job; travels to the workers, packed by `pack_job`."""

    job: Job
    batching: Batching = field(default_factory=Batching)

    def __call__(self, task: object, channel: Channel) -> ProbeResult | Computed:
        """Look at a region, or compute it; says `Progress`, `Row` and `Blocks` on the way."""
        if not isinstance(task, Assignment):
            raise TypeError(f"{type(task).__name__} is not an assignment")
        reporter = _Reporter(channel, _idle_bytes(in_memory=self.job.plan.setting.in_memory))
        hooks = Hooks.of(reporter) if self.job.hooks else Hooks()
        job = replace(self.job, advance=reporter.advance, hooks=hooks)
        seconds = job.timeout_s
        limit = None if seconds is None else partial(channel.limited, seconds=seconds)
        operate, handle = job.operate(RunStats(), limit, task.late, self.batching), task.handle
        if handle is None:
            return _probe(job, job.plan.restrict(task.region), operate, reporter)
        operate.n_bands, operate.dtype = handle.n_bands, handle.dtype
        if handle.n_bands is not None:
            job = job.sized(handle.spec, handle.n_bands)
        region = _Region(job, job.plan.restrict(task.region), operate, handle, reporter)
        stopped = region.compute(Watch(channel.stop_requested, (reporter,)))
        return Computed(reporter.update_of(operate), stopped)


@functools.cache
def _idle_bytes(*, in_memory: bool) -> int:
    """Return what this process took before its first region, with what it will load to write."""
    return rss_bytes() + unloaded_bytes(() if in_memory else STORE_LIBRARIES)


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
    return pack_parts(RegionServer(bare, Batching.of(job.batch_size)), parts)


def _probe(job: Job, plan: Plan, operate: Operate, reporter: _Reporter) -> ProbeResult | Computed:
    """Find the first result of a region."""
    watch = Watch(reporter.channel.stop_requested)
    try:
        with closing(job.stream(plan, operate, watch)) as stream:
            first, _ = peeked(stream)
    except StopRequested:
        return Computed(RegionUpdate(), stopped=True)
    if first is not None:  # computed again with the region: what hooks would hear of it is dropped
        bare = first._replace(data=first.data[:, :0, :0], valid=None, weights=None)
        return ProbeResult(bare, RegionUpdate(taken=reporter.taken(operate)))
    reporter.flush()
    return ProbeResult(None, reporter.update_of(operate))


@dataclass(frozen=True)
class _Region:
    """One region on its way through the engine."""

    job: Job
    plan: Plan
    operate: Operate
    handle: ResultHandle
    reporter: _Reporter

    def compute(self, watch: Watch) -> bool:
        """Compute and write the region; return whether it was stopped early."""
        job, handle = self.job, self.handle
        sink = _Relay(self.reporter.channel) if handle.sink is None else handle.sink
        stopped = False
        with closing(job.stream(self.plan, self.operate, watch)) as stream:
            try:
                run_region(job, self.plan, handle.spec, sink, stream, self._written, self.operate.stats)
            except StopRequested:
                stopped = True
        self.reporter.flush()
        return stopped

    def _written(self, box: Box) -> None:
        """Say that the store has a row of blocks; called in the thread that writes."""
        sink = self.handle.sink
        files = None if sink is None else sink.take(box)
        self.reporter.channel.tell(Row(box, self.reporter.update_of(self.operate), files))


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
    idle_bytes: int
    _n_patches: int = 0
    _happened: list[PatchEvent] = field(default_factory=list)
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

    def on_block_done(self, preview: Preview) -> None:
        """Say that a block is written, at once: this is another thread."""
        self.channel.tell(Progress(0, [preview]))

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

    def taken(self, operate: Operate) -> Taken:
        """Return what was seen of the memory of this process."""
        return operate.meter.taken._replace(idle_bytes=self.idle_bytes)

    def update_of(self, operate: Operate) -> RegionUpdate:
        """Return what came since the last call."""
        errors = operate.errors[self._n_errors :]
        self._n_errors += len(errors)
        operate.stats.note_peak(this_process(), peak_rss_bytes())
        return RegionUpdate(operate.stats.since(self._known), errors, self.taken(operate))
