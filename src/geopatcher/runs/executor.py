"""The door for executors: a run from its first look at the target to its outcome, the same for all."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from geopatcher.core.containment import of_a_signal, stray
from geopatcher.core.protocols import InPlace, Masking
from geopatcher.engine.prepare import check_blocks
from geopatcher.engine.resident import peak_rss_bytes, this_process
from geopatcher.engine.stats import RunStats
from geopatcher.engine.watch import StopRequested, Watch
from geopatcher.errors import GeopatcherError, TargetError
from geopatcher.fields.declared import outline_of
from geopatcher.runs.disk_session import DiskSession
from geopatcher.runs.json_log import RunLog
from geopatcher.runs.remarks import Remarks
from geopatcher.runs.run import LargerThanPlannedError, Outcome, Run, unique_errors
from geopatcher.runs.session import MemorySession
from geopatcher.runs.signals import stop_signals
from geopatcher.targets.open import assembly_bytes
from geopatcher.targets.protocol import DurableTarget, Placed
from geopatcher.targets.replacing import require_apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import PixelSource
    from geopatcher.engine.contributions import Operate
    from geopatcher.engine.job import Job
    from geopatcher.planning.footprint import Setting
    from geopatcher.planning.plan import Plan
    from geopatcher.runs.session import Session
    from geopatcher.targets.product import ResultArray
    from geopatcher.targets.protocol import Target


class Executor(ABC):
    """Runs the regions of a job somewhere. `run` is the same for all: where, `compute` says.

    All is called in one thread, that which called `run`, and an executor stays in its process: jobs and
    regions travel to workers, and it does not. It may be used for one run after another. Of a region only
    whole rows of blocks are recorded, from top to bottom, each when the sink has it; regions come in any
    order.
    """

    #: Whether calls of the operator can be given a time limit.
    limits_time: ClassVar[bool] = False

    @property
    def threads(self) -> int | None:
        """How many threads numerical libraries may start in each process; ``None``: that is not known."""
        return None

    def check(self, job: Job, target: Target) -> None:
        """Refuse, before anything is begun, what cannot be run here; nothing, where nobody says more.

        Parameters
        ----------
        job
            What is to be run.
        target
            Where its result is to go.

        """
        _ = job, target

    @abstractmethod
    def memory_for(self, plan: Plan) -> int:
        """Return the bytes one region may take.

        Parameters
        ----------
        plan
            Of the whole run; its ``memory_limit`` is for all regions at once.

        Returns
        -------
        int
            Bytes.

        """

    @abstractmethod
    def cut(self, job: Job) -> Iterable[Box]:
        """Cut a job's plan into regions.

        Parameters
        ----------
        job
            Its plan is that of the whole run.

        Returns
        -------
        iterable of Box
            Rectangles of whole blocks, in pixels, which together are the region of the plan.

        """

    def setting(self, plan: Plan, source: PixelSource) -> Setting:
        """Return where the regions of a plan would run: in this process, one after another.

        Parameters
        ----------
        plan
            It knows already what becomes of its result.
        source
            Where the pixels come from.

        Returns
        -------
        Setting
            Processes, threads, and what they take beside the regions.

        """
        _ = source
        return plan.setting

    def settled(self, plan: Plan, source: PixelSource, *, in_memory: bool, assembly_bytes: int) -> Plan:
        """Return a plan that knows where its run takes place, and what becomes of its result there.

        Parameters
        ----------
        plan
            Of the whole run.
        source
            Where the pixels come from.
        in_memory
            Whether the result stays in memory.
        assembly_bytes
            What the result takes to be put together from its blocks.

        Returns
        -------
        Plan
            The same but for its ``setting``.

        """
        mapped = source.mapped_bytes if isinstance(source, InPlace) else 0
        gaps = source.has_nodata or outline_of(source).dtype.kind == "f"
        share = self.memory_for(plan)
        here = replace(
            plan.setting,
            in_memory=in_memory,
            gaps=gaps,
            assembly_bytes=assembly_bytes,
            mapped_bytes=mapped,
            share_bytes=share,
        )
        fitted = replace(plan, model=plan.model.fitted(share, plan.region.height), setting=here)
        return replace(fitted, setting=self.setting(fitted, source))

    @abstractmethod
    def compute(self, run: Run, regions: Sequence[Box]) -> None:
        """Compute what is left of the regions, and have each row of their blocks recorded.

        Parameters
        ----------
        run
            The job, the session that records, and what stops it.
        regions
            Rectangles of whole blocks, in pixels.

        Raises
        ------
        LargerThanPlannedError
            Before anything is made, when regions of this size cannot keep the memory limit.

        """

    def n_patches(self, job: Job) -> int:
        """Return how many patches all regions have together, those in several counted in each.

        Parameters
        ----------
        job
            Its plan is cut as it would be to run.

        Returns
        -------
        int
            Patches.

        """
        return sum(map(job.plan.anchors.count_in, self.cut(job)))

    def run(self, job: Job, target: Target) -> Outcome:
        """Compute what is left to do and complete the target.

        Whatever ends a run on disk early, what it finished is kept for the next one.

        Parameters
        ----------
        job
            The plan, the source, the operator and how its results are stitched.
        target
            Where the result goes.

        Returns
        -------
        Outcome
            The arrays, the domain they lie on, and what the run came to.

        Raises
        ------
        TargetExistsError
            The target is there and was not made by this job.
        TargetLockedError
            Another live run writes it.
        TargetError
            It cannot be written, or is where the pixels come from; says what is kept.
        OperatorError, SourceError
            Every patch failed, whatever ``on_error`` says.
        GeopatcherError
            Something of the operator's ended the run that is no ordinary error, such as ``sys.exit()``.
        InterruptedRunError
            Ctrl-C or SIGTERM came; the run stopped between two strips.

        """
        started = time.perf_counter()
        self.check(job, target)
        _require_apart(job, target)
        stats = RunStats(source_bytes=_source_bytes(job))
        operate = job.operate(stats)
        session = session_for(job, target, operate, stats, self.threads)
        log = None if job.log_json is None else RunLog(job.log_json, stats)
        remarks = Remarks(job, operate)
        listeners = (remarks,) if log is None else (log, remarks)
        with stop_signals(catch=session.durable) as stop:
            try:
                arrays = session.open()
                if arrays is None:
                    job = self._placed(self._ready(job, session, operate), session, target)
                    run = Run(job, session, operate, Watch(stop.requested, listeners))
                    arrays = self._to_the_end(run, target, started, log, remarks)
                    job = run.job
                else:
                    remarks.say()
            except BaseException as error:
                kept = session.fail()
                if log is not None:
                    log.ended(type(error).__name__)
                if isinstance(error, StopRequested):
                    raise stop.interruption(kept or "nothing is kept") from None
                if kept and type(error) is TargetError:
                    raise TargetError(f"{error}; {kept}") from error
                if not isinstance(error, Exception | KeyboardInterrupt) and not of_a_signal(error):
                    said = f"{job.name} over {job.source.name} ended with {stray(error)}"
                    raise GeopatcherError(f"{said}; {kept}" if kept else said) from error
                if kept:
                    error.add_note(kept)
                raise
        stats.count_traffic()
        if log is not None:
            log.ended("complete")
        if stop.requested():  # it came when no strip was left: whoever loops over scenes is to hear of it
            raise stop.interruption(f"the result is complete: {target.path}")
        return Outcome(arrays, session.domain, target.path, stats, unique_errors(operate.errors), job)

    def _ready(self, job: Job, session: Session, operate: Operate) -> Job:
        """Return a job whose plan knows what an earlier session has written down of the operator."""
        if session.spec is None or operate.n_bands is None:
            return job
        return job.sized(session.spec, operate.n_bands)

    def _placed(self, job: Job, session: Session, target: Target) -> Job:
        """Return a job whose plan knows where it runs."""
        spec = session.spec or job.assumed_spec
        n_bytes = assembly_bytes(target, job.output.storage, spec)
        in_memory = target.path is None
        plan = self.settled(job.plan, job.source, in_memory=in_memory, assembly_bytes=n_bytes)
        return replace(job, plan=plan)

    def _to_the_end(
        self, run: Run, target: Target, started: float, log: RunLog | None, remarks: Remarks
    ) -> dict[str, ResultArray]:
        """Run what is left, and let the result appear."""
        job, session, stats = run.job, run.session, run.operate.stats
        check_blocks(job.source, self.memory_for(job.plan))
        regions = self._left(run)
        n_patches = sum(map(job.plan.anchors.count_in, regions))
        job.advance(max(0, self.n_patches(job) - n_patches))
        if log is not None:
            log.began(job.source.name, str(session.path or "memory"), n_patches, job.plan.domain.grid_shape)
        job.hooks.split_start(n_patches)
        job.hooks.merge_start(n_patches)
        try:
            self.compute(run, regions)
        except LargerThanPlannedError as larger:
            run.cut_again(self._placed(larger.job, session, target))
            self.compute(run, self._left(run))
        self._after(run, target)
        remarks.at_end()
        job.hooks.split_end()
        if run.watch.stop():  # the last strip is done, and a large result takes minutes to assemble
            raise StopRequested(job.plan.region.row1)
        session.assemble()
        domain = session.domain
        stats.target_bytes = domain.n_bands * job.plan.region.n_pixels * domain.dtype.itemsize
        stats.elapsed = time.perf_counter() - started
        stats.count_traffic()
        _note_peak(run)
        arrays = session.publish()
        _note_peak(run)  # a result may be sent away
        sink: object = session.sink
        if isinstance(sink, Masking):  # it is known only now whether cells are missing
            run.heed_gaps(sink.has_mask)
        job.hooks.merge_end(stats.bytes_written)
        return arrays

    def _after(self, run: Run, target: Target) -> None:
        """Let the plan know what all of the regions have told, before the result is assembled."""
        run.heed(run.operate.meter.taken)
        plan, spec, taken = run.job.plan, run.session.spec, run.taken
        setting = plan.setting.seen(taken.idle_bytes, taken.kept_bytes)
        if spec is not None:
            n_bytes = assembly_bytes(target, run.job.output.storage, spec)
            setting = replace(setting, assembly_bytes=n_bytes)
        plan = replace(plan, model=plan.model.grown(taken.call_bytes), setting=setting)
        run.adopt(replace(run.job, plan=plan))

    def _left(self, run: Run) -> list[Box]:
        """Return what is left to do of each region."""
        return [box for region in self.cut(run.job) for box in run.session.left(region)]


def _note_peak(run: Run) -> None:
    stats = run.operate.stats
    stats.note_peak(this_process(), peak_rss_bytes())
    stats.sum_peaks(this_process(), run.job.plan.setting.n_workers)


def _require_apart(job: Job, target: Target) -> None:
    """Refuse a target, or a log, that would write over what the pixels come from."""
    places = target.places(job.layers) if isinstance(target, Placed) else []
    require_apart(job.source, places if job.log_json is None else [*places, job.log_json])


def session_for(
    job: Job, target: Target, operate: Operate, stats: RunStats, threads: int | None = None
) -> Session:
    """Return what a run on a target stands in: on one that outlives it, a session with a ledger."""
    if isinstance(target, DurableTarget):
        return DiskSession(job=job, target=target, stats=stats, threads=threads, operate=operate)
    return MemorySession(job, target, stats, threads)


def _source_bytes(job: Job) -> int:
    domain = job.source.domain
    return domain.n_bands * domain.height * domain.width * domain.dtype.itemsize
