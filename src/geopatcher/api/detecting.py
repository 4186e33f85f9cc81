"""The patches of a raster through a detector, row by row: here, or on processes of this machine."""

from __future__ import annotations

import itertools
from collections import deque
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from geopatcher.core.box import Box
from geopatcher.core.protocols import Bounded
from geopatcher.core.sources import packing_of
from geopatcher.engine.batching import Batching
from geopatcher.engine.run import contributions
from geopatcher.engine.stats import RunStats
from geopatcher.engine.watch import StopRequested, Watch
from geopatcher.errors import WorkerLostError
from geopatcher.executors.workers.pickling import pack_parts
from geopatcher.executors.workers.process_main import Done, Failed, ProgressEvent
from geopatcher.executors.workers.process_pool import Lost, Pool
from geopatcher.executors.workers.region_task import Assignment
from geopatcher.executors.workers.shared_arrays import plain, shared
from geopatcher.features.detections import Detections
from geopatcher.features.finding import Finding, Placing
from geopatcher.operators.wrappers import wants_mask, wants_position
from geopatcher.planning.anchors import Lattice
from geopatcher.planning.part_lattice import PartLattice
from geopatcher.runs.row_files import RowKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from geopatcher.engine.error_policy import PatchErrorRecord
    from geopatcher.engine.job import Job
    from geopatcher.executors.workers.process_main import Channel
    from geopatcher.features.finding import Found
    from geopatcher.planning.anchors import Strip
    from geopatcher.planning.plan import Plan

#: Tasks for each worker, so that none has much left to do when the others are done.
TASKS_EACH = 4
#: How often a task is begun again whose process was killed.
MAX_LOSSES = 3
#: Seconds after which a loop that hears nothing looks whether it is to stop.
LISTEN_S = 0.2


class Task(NamedTuple):
    """Rows ``[first, stop)`` of the patches of a lattice, and columns ``[left, right)``, by their numbers."""

    first: int
    stop: int
    left: int
    right: int


@dataclass(frozen=True)
class FoundRow:
    """What was found in a row of patches, and which of them failed."""

    key: RowKey
    detections: Detections
    n_patches: int
    errors: Sequence[PatchErrorRecord]


@dataclass(frozen=True)
class Search:
    """A job whose operator is a detector, and the least score that counts."""

    job: Job
    score: float

    @property
    def lattice(self) -> Lattice:
        """Where the patches are.

        Raises
        ------
        TypeError
            They are not on a lattice.

        """
        anchors = self.job.plan.anchors
        if not isinstance(anchors, Lattice):
            raise TypeError("patches for a detector lie on a lattice: give size and step")
        return anchors

    @property
    def rows(self) -> range:
        """The rows of patches that touch the region, by their numbers."""
        region = self.job.plan.region
        return self.lattice.rows.touching(region.row0, region.row1)

    def columns(self) -> tuple[int, ...]:
        """Return the borders, in patches, at which rows are cut to keep the memory limit."""
        region, plan = self.job.plan.region, self.job.plan
        cols = self.lattice.cols.touching(region.col0, region.col1)
        n_parts = max(1, min(plan.n_regions, len(cols)))
        return tuple(cols.start + len(cols) * part // n_parts for part in range(n_parts + 1))

    def key_of(self, row: int, left: int, right: int) -> RowKey:
        """Return the key of a row by its number."""
        return RowKey(self.lattice.rows.anchor(row), left, right)

    def left(self, columns: Sequence[int], done: Callable[[RowKey], bool], most: int) -> Iterator[Task]:
        """Yield what is left to do, in tasks of ``most`` rows one below the other."""
        for left, right in itertools.pairwise(columns):
            rows = [row for row in self.rows if not done(self.key_of(row, left, right))]
            while rows:
                n = next((n for n in range(1, len(rows)) if rows[n] != rows[0] + n or n == most), len(rows))
                yield Task(rows[0], rows[n - 1] + 1, left, right)
                rows = rows[n:]

    def plan_of(self, task: Task) -> Plan:
        """Return the plan of a task."""
        part = PartLattice(self.lattice, range(task.first, task.stop), range(task.left, task.right))
        return replace(self.job.plan, anchors=part)

    def finding(self, stats: RunStats) -> Finding:
        """Return what calls the detector."""
        job = self.job
        domain = job.source.domain
        batching = Batching.of(job.batch_size)
        batching.bound(job.plan.model.batch_size, job.plan.room_bytes)
        return Finding(
            operator=job.operator,
            name=job.name,
            source_name=job.source.name,
            stats=stats,
            policy=job.policy,
            batching=batching,
            lengths=domain.lengths,
            masked=wants_mask(job.operator),
            grid=domain if wants_position(job.operator) else None,
            packing=packing_of(job.source),
            area=job.source.area if isinstance(job.source, Bounded) else None,
            skip_empty=job.skip_empty,
            score=self.score,
            placing=Placing(self.lattice, domain.grid_shape),
        )

    def carry_out(
        self, task: Task, finding: Finding, give: Callable[[FoundRow], None], stop: Callable[[], bool]
    ) -> None:
        """Find what is in the patches of a task; ``give`` is called with each row when it is done.

        Raises
        ------
        StopRequested
            ``stop`` said so, between two rows.

        """
        rows = _Rows(task, finding, give)
        watch = Watch(stop, (rows,))
        pipelined = self.job.pipelined
        stream = contributions(self.plan_of(task), self.job.source, finding, pipelined=pipelined, watch=watch)
        with closing(stream):
            for found in stream:
                rows.add(found)


@dataclass
class _Rows:
    """Gathers what is found in each row of patches, and gives it on when all of the row are through."""

    task: Task
    finding: Finding
    give: Callable[[FoundRow], None]
    _found: dict[int, list[Detections]] = field(default_factory=dict)
    _n_errors: int = 0

    def add(self, found: Found) -> None:
        """Take what was found in a patch."""
        self._found.setdefault(found.box.row0, []).append(found.detections)

    def strip_done(self, plan: Plan, strip: Strip) -> None:
        """Give the row on."""
        _ = plan
        row, errors = strip.rows[0], self.finding.errors
        failed = [error for error in errors if error.anchor[0] == row]
        found = Detections.joined(self._found.pop(row, []))
        self.give(FoundRow(RowKey(row, self.task.left, self.task.right), found, len(strip.boxes), failed))


def search_here(
    search: Search,
    tasks: Sequence[Task],
    stats: RunStats,
    give: Callable[[FoundRow], None],
    stop: Callable[[], bool],
) -> None:
    """Carry tasks out in this process.

    Raises
    ------
    StopRequested
        ``stop`` said so.

    """
    finding = search.finding(stats)
    for task in tasks:
        search.carry_out(task, finding, give, stop)


@dataclass(frozen=True)
class _Serve:
    """The same in another process."""

    search: Search

    def __call__(self, task: object, channel: Channel) -> RunStats:
        """Carry a task out; its rows are told as they come."""
        match task:
            case _Given(region=box) | Assignment(region=box):
                stats = RunStats()
                finding = self.search.finding(stats)
                given = Task(box.row0, box.row1, box.col0, box.col1)
                try:
                    self.search.carry_out(given, finding, channel.tell, channel.stop_requested)
                except StopRequested:
                    return stats
                return stats
        raise TypeError(f"{task!r} is no task of a detector")


@dataclass
class _Given:
    """A task on its way to a process, and how often one was lost over it."""

    task: Task
    losses: int = 0
    n_done: int = 0
    handle: None = None

    @property
    def region(self) -> Box:
        """The patches by their numbers, as a cluster is sent them."""
        return Box(self.task.first, self.task.stop, self.task.left, self.task.right)

    def again(self, how: str) -> _Given:
        """Return what is left of it, after a process was lost.

        Raises
        ------
        WorkerLostError
            That happens again and again.

        """
        losses = 0 if self.n_done else self.losses + 1
        if losses > MAX_LOSSES:
            raise WorkerLostError(
                f"{losses} processes ended over the same row of patches, the last one by {how}: where memory "
                f"ran out take fewer workers or a smaller batch_size, else see what the detector does there"
            )
        return _Given(self.task._replace(first=self.task.first + self.n_done), losses)


class Crew(Protocol):
    """Workers that are given tasks, and tell what comes of them."""

    @property
    def room(self) -> int:
        """How many more tasks can be given."""
        ...

    @property
    def busy(self) -> bool:
        """Whether a task is not done yet."""
        ...

    def give(self, tasks: Sequence[_Given], /) -> None:
        """Give tasks, at least one."""
        ...

    def stop(self) -> bool:
        """Have what runs come to an end."""
        ...

    def wait(self, timeout_s: float, /) -> Sequence[tuple[_Given, object]]:
        """Return what was told."""
        ...


@runtime_checkable
class Cluster(Protocol):
    """Workers elsewhere, which read by themselves: a `geopatcher.executors.DaskExecutor`."""

    @property
    def n_slots(self) -> int:
        """How many tasks run at once."""
        ...

    def require_reach(self, job: Job) -> None:
        """Refuse a source out of reach of the workers."""
        ...

    def crew(self, payload: bytes) -> AbstractContextManager[Crew]:
        """Return the workers, to be given tasks that the payload does."""
        ...


@dataclass(frozen=True)
class Away:
    """A search on other processes: ``n_workers`` of this machine, or those of a ``cluster``.

    What was found is ``give``n row by row, until ``stop`` says so.
    """

    search: Search
    stats: RunStats
    give: Callable[[FoundRow], None]
    stop: Callable[[], bool]

    def on_processes(self, tasks: Sequence[Task], n_workers: int) -> None:
        """Carry tasks out on processes of this machine, which read by themselves.

        Raises
        ------
        StopRequested
            ``stop`` said so.
        WorkerLostError
            Processes were killed over one row, again and again.
        TransportError
            The detector or the source cannot travel to a process.

        """
        with (
            shared(self.search.job) as job,
            Pool[_Given](min(n_workers, len(tasks)), self._payload(job)) as pool,
        ):
            self._carried_out(tasks, pool)

    def on_cluster(self, tasks: Sequence[Task], cluster: Cluster) -> None:
        """Carry tasks out on the workers of a cluster.

        Raises
        ------
        StopRequested
            ``stop`` said so.
        WorkerLostError
            The cluster is gone, or could not have a task done.
        TransportError
            The detector or the source cannot travel to a worker, or is out of its reach.

        """
        cluster.require_reach(self.search.job)
        with cluster.crew(self._payload(plain(self.search.job))) as crew:
            self._carried_out(tasks, crew)

    def _payload(self, job: Job) -> bytes:
        serve = _Serve(replace(self.search, job=job))
        return pack_parts(serve, {"operator": job.operator, "source": job.source})

    def _carried_out(self, tasks: Sequence[Task], crew: Crew) -> None:
        waiting = deque(map(_Given, tasks))
        stopping = False
        while (waiting and not stopping) or crew.busy:
            given = [waiting.popleft() for _ in range(0 if stopping else min(crew.room, len(waiting)))]
            if given:
                crew.give(given)
            for task, event in crew.wait(LISTEN_S):
                self._heed(task, event, waiting)
            if self.stop() and not stopping:
                stopping = True
                crew.stop()
        if stopping:
            raise StopRequested(0)

    def _heed(self, given: _Given, event: object, waiting: deque[_Given]) -> None:
        match event:
            case ProgressEvent(message=FoundRow() as row):
                given.n_done += 1
                self.give(row)
            case Done(result=RunStats() as part):
                self.stats.add(part)
            case Failed(carried=carried):
                raise carried.revive()
            case Lost(how=how):
                waiting.appendleft(given.again(how))
