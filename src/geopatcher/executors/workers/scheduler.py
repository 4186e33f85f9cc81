"""A crew of workers, and the loop that has a run done by one: here or on a cluster, it is the same."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from geopatcher.core.box import Box
from geopatcher.core.sources import counted_in
from geopatcher.engine.error_policy import Failure
from geopatcher.engine.lateness import Late, too_late
from geopatcher.engine.previews import Preview
from geopatcher.engine.watch import StopRequested
from geopatcher.errors import OperatorError, TransportError, WorkerLostError
from geopatcher.executors.workers.deadline import Overdue
from geopatcher.executors.workers.pickling import Carried
from geopatcher.executors.workers.process_main import Done, Failed, ProgressEvent
from geopatcher.executors.workers.process_pool import Lost
from geopatcher.executors.workers.region_task import (
    Assignment,
    Blocks,
    Computed,
    ProbeResult,
    Progress,
    ResultHandle,
    Row,
)
from geopatcher.planning.anchors import Strip
from geopatcher.runs.run import LargerThanPlannedError
from geopatcher.targets.protocol import BlockStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from geopatcher.engine.contributions import Contribution
    from geopatcher.engine.lateness import Anchor
    from geopatcher.executors.workers.region_task import PatchEvent, RegionUpdate
    from geopatcher.runs.run import Run

#: How often a region is begun again whose worker was killed.
MAX_LOSSES = 3
#: Seconds after which a loop that hears nothing looks whether it is to stop.
LISTEN_S = 0.2


class Crew(Protocol):
    """Workers that do assignments of one job."""

    @property
    def room(self) -> int:
        """How many more assignments can be given now."""
        ...

    @property
    def busy(self) -> bool:
        """Whether an assignment is being done."""
        ...

    def give(self, tasks: Sequence[Assignment], /) -> None:
        """Have assignments done, as many as there is room for."""
        ...

    def wait(
        self, timeout_s: float, /
    ) -> Sequence[tuple[Assignment, ProgressEvent | Done | Failed | Lost | Overdue]]:
        """Return what there is to hear, waiting for it up to ``timeout_s``."""
        ...

    def stop(self) -> bool:
        """Ask all that work to end soon; what they have closed still counts. Whether any was dropped."""
        ...


@dataclass
class Scheduler:
    """Hands out the regions of a run, and takes down what comes back.

    The first regions are only looked at, until one has a result that says what is being made.
    ``memory_bytes`` is what a region may take.
    """

    run: Run
    crew: Crew
    memory_bytes: int
    _largest: Box | None = None
    _todo: Iterator[Box] = field(default_factory=lambda: iter(()))
    _again: deque[Box] = field(default_factory=deque)
    _empty: list[Box] = field(default_factory=list)
    _reached: dict[Box, int] = field(default_factory=dict)
    _losses: dict[Box, int] = field(default_factory=dict)
    _late: Late = field(default_factory=Late)
    _late_tries: dict[tuple[Anchor, bool], int] = field(default_factory=dict)
    _lost: bool = False
    _stopping: bool = False
    _unfinished: bool = False

    def work(self, regions: Sequence[Box]) -> None:
        """Have every region done.

        Raises
        ------
        LargerThanPlannedError
            The first result shows that a region takes more memory than it may.
        StopRequested
            The run was asked to stop, and every worker has.
        WorkerLostError
            Workers were killed over one region, again and again.

        """
        self._todo = iter(regions)
        self._largest = max(regions, key=_area, default=None)
        self._give()
        while self.crew.busy:
            if self.run.watch.stop() and not self._stopping:
                self._stopping = True
                self._unfinished = self.crew.stop()
            for assignment, event in self.crew.wait(LISTEN_S):
                self._handle(assignment, event)
            self._give()
        if self._stopping and (self._unfinished or self._next() is not None):
            raise StopRequested(0)
        if self.run.session.sink is None:
            self.run.start(None)
        self._record_empty()
        if self._lost:
            self.run.tidy()

    def _next(self) -> Box | None:
        return self._again.popleft() if self._again else next(self._todo, None)

    def _give(self) -> None:
        if self._stopping:
            return
        handle = self._result_handle()
        batch: list[Assignment] = []
        while len(batch) < self.crew.room and (region := self._next()) is not None:
            batch.append(Assignment(region, handle, self._late))
        if batch:
            self.crew.give(batch)

    def _result_handle(self) -> ResultHandle | None:
        """Return what is being made, once that is known."""
        session, operate = self.run.session, self.run.operate
        if session.spec is None or session.sink is None:
            return None
        sink = session.sink if isinstance(session.sink, BlockStore) else None
        return ResultHandle(session.spec, sink, operate.n_bands, operate.dtype)

    def _handle(self, assignment: Assignment, event: ProgressEvent | Done | Failed | Lost | Overdue) -> None:
        match event:
            case ProgressEvent(message=message):
                self._told(assignment.region, message)
            case Done(result=ProbeResult() as probe):
                self._take_probe(assignment.region, probe)
            case Done(result=Computed() as computed):
                self._take(computed.update)
                self._unfinished |= computed.stopped
            case Failed(carried=carried):
                raise carried.revive()
            case Lost(how=how):
                self._replace(assignment.region, how)
            case Overdue():
                self._overdue(assignment.region, event)
            case _:
                raise TransportError(f"a worker said {event!r}, which means nothing here")

    def _told(self, region: Box, message: object) -> None:
        match message:
            case Progress(n_patches=n_patches, happened=happened):
                self.run.job.advance(n_patches)
                self._replay(happened)
            case Blocks(box=box, arrays=arrays):
                if self.run.session.sink is not None:
                    self.run.session.sink.write([(box, arrays)])
            case Row(box=box, update=update, files=files):
                self._reached[region] = box.row1
                self._take(update)
                self.run.session.record(box, files)
                strip, plan = Strip((box.row0, box.row1), ()), self.run.job.plan.restrict(box)
                for listener in self.run.watch.listeners:
                    listener.strip_done(plan, strip)

    def _take_probe(self, region: Box, probe: ProbeResult) -> None:
        if probe.first is None:
            self._take(probe.update)
            self._empty.append(region)
        else:
            self.run.heed(probe.update.taken)
            self._again.append(region)
            if self.run.session.sink is None:
                self._check_memory(probe.first)
                self.run.start(probe.first)
        if self.run.session.sink is not None:
            self._record_empty()

    def _check_memory(self, first: Contribution) -> None:
        """Have regions cut anew when the largest one takes more memory than was assumed."""
        largest, job = self._largest, self.run.job
        if largest is None:
            return
        assumed, resized = job.plan.model, job.resized(first, self.run.taken.call_bytes)
        model = resized.plan.model
        needed = model.bytes_for(largest.width, largest.height)
        allowed = model.allowed(self.memory_bytes, largest.height)
        if needed > max(allowed, assumed.bytes_for(largest.width, largest.height)) and not self.run.recut:
            raise LargerThanPlannedError(resized)
        self.run.adopt(resized)

    def _record_empty(self) -> None:
        while self._empty:
            self.run.nothing_in(self._empty.pop())

    def _take(self, update: RegionUpdate) -> None:
        self.run.heed(update.taken)
        self.run.operate.stats.add(update.stats)
        self.run.operate.errors.extend(update.errors)

    def _replace(self, region: Box, how: str) -> None:
        """Have what is left of a region done by another worker."""
        left = self._left_of(region)
        losses = self._losses.pop(region, 0) + 1
        job = self.run.job
        if losses > MAX_LOSSES:
            raise WorkerLostError(
                f"{losses} workers ended over {left} of {job.source.name}, the last one by {how}: where "
                f"memory ran out lower memory_limit or take fewer workers, else see what {job.name} does"
            )
        self.run.operate.stats.notes.append(f"a worker ended by {how} over {region}; another went on")
        self._losses[left] = losses
        self._go_on(left)

    def _left_of(self, region: Box) -> Box:
        return replace(region, row0=self._reached.pop(region, region.row0))

    def _go_on(self, left: Box) -> None:
        """Have what is left of a region done, whose worker has ended."""
        self._lost = True
        if left.n_pixels:
            self._again.append(left)

    def _overdue(self, region: Box, event: Overdue) -> None:
        """Decide what becomes of patches on which an operator took too long, and go on without the worker."""
        job, anchors = self.run.job, event.anchors
        seconds = job.timeout_s or 0
        error = too_late(seconds, event.place)
        # By patch, as after a restart others may be in its batch; what it did there says little of it alone.
        counted = [(anchor, len(anchors) > 1) for anchor in anchors]
        tries = 1 + max(self._late_tries.get(patch, 0) for patch in counted)
        self._late_tries |= dict.fromkeys(counted, tries)
        decision = job.policy.decide(error, tries)
        if decision.action == "raise":
            height, width = job.plan.anchors.patch_shape
            row, col = anchors[0]
            which = f"a batch of {len(anchors)} patches, the first at " if len(anchors) > 1 else ""
            box = Box(row, row + height, col, col + width)
            raise OperatorError(
                f"{job.name} took longer than {seconds:g} s on {which}{box} of "
                f"{counted_in(job.source)}, and was "
                f"in {event.place or 'no line that is known'}: give it more by timeout= (--timeout), or have "
                f"such patches left out by on_error=skip"
            ) from error
        if decision.action != "retry" and len(anchors) > 1:
            self._late = replace(self._late, alone=self._late.alone | set(anchors))
        elif decision.action != "retry":
            error.add_note(event.trace)
            given_up = {**self._late.given_up, anchors[0]: Failure(error, tries)}
            self._late = replace(self._late, given_up=given_up)
        left = self._left_of(region)
        self._losses[left] = self._losses.pop(region, 0)
        self._go_on(left)

    def _replay(self, happened: Iterable[PatchEvent]) -> None:
        """Tell hooks what happened elsewhere."""
        hooks = self.run.job.hooks
        for event in happened:
            match event:
                case Preview():
                    hooks.block_done(event)
                case ("start", anchor):
                    hooks.patch_start(anchor)
                case ("done", anchor, float() as seconds, int() as n_bytes):
                    hooks.patch_done(anchor, seconds, n_bytes)
                case ("error", anchor, Carried() as carried):
                    error = carried.revive()
                    if isinstance(error, Exception):
                        hooks.error(anchor, error)


def _area(box: Box) -> int:
    return box.n_pixels
