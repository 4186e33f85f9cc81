"""Regions as tasks of a Dask cluster: one each, and only small records pass the scheduler."""

from __future__ import annotations

import queue
import uuid
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, Self, TypedDict, cast

from geopatcher._optional import load
from geopatcher.core.containment import told
from geopatcher.errors import GeopatcherError, TransportError, WorkerLostError
from geopatcher.errors.redaction import shown
from geopatcher.executors.workers.dask_worker import JobPlugin, Said, serve_region
from geopatcher.executors.workers.pickling import pack
from geopatcher.executors.workers.process_main import Done, Failed, ProgressEvent
from geopatcher.executors.workers.region_task import Assignment, pack_job
from geopatcher.executors.workers.scheduler import Scheduler
from geopatcher.executors.workers.shared_arrays import SHARED_BYTES, array_in_memory, block_width, plain
from geopatcher.planning.tasks import cut_tasks
from geopatcher.runs.executor import Executor
from geopatcher.targets.protocol import DurableTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import PixelSource
    from geopatcher.engine.job import Job
    from geopatcher.executors.workers.process_pool import Lost
    from geopatcher.planning.footprint import Setting
    from geopatcher.planning.plan import Plan
    from geopatcher.planning.tasks import Tasks
    from geopatcher.runs.run import Run
    from geopatcher.targets.protocol import Target

distributed = load("distributed")

#: Share of a Dask worker's memory a region may take: the rest is the process's own and Dask's.
MEMORY_SHARE = 0.6
#: Tasks at once that are counted on where a cluster has no workers yet.
UNKNOWN_SLOTS = 8
#: How often a task is tried again that something outside of it ended.
RETRIES = 3


class WorkerInfo(TypedDict):
    """What is used of what a scheduler knows of a worker; a limit of 0 is none."""

    nthreads: int
    memory_limit: int


class TaskFuture(Protocol):
    """A task that was submitted: a ``distributed.Future``."""

    key: str
    status: str

    def done(self) -> bool:
        """Whether it is over."""
        ...

    def result(self) -> object:
        """Return what it returned, or raise what it raised."""
        ...

    def add_done_callback(self, call: Callable[[TaskFuture], None], /) -> None:
        """Call something with it, in another thread, when it is over."""
        ...


class ClusterClient(Protocol):
    """What is used of a ``distributed.Client``."""

    status: str

    def scheduler_info(self) -> Mapping[str, Mapping[str, WorkerInfo]]:
        """Return what the scheduler knows of its workers."""
        ...

    def register_plugin(self, plugin: object, /, name: str) -> object:
        """Put something on each worker, those to come included."""
        ...

    def unregister_worker_plugin(self, name: str, /) -> object:
        """Take it off."""
        ...

    def map(
        self,
        call: Callable[[tuple[int, int, int, int]], object],
        regions: Sequence[tuple[int, int, int, int]],
        /,
        *,
        pure: bool,
        retries: int,
        key: str,
    ) -> list[TaskFuture]:
        """Submit a task for each region."""
        ...

    def cancel(self, futures: Sequence[TaskFuture], /) -> object:
        """Withdraw tasks."""
        ...

    def close(self) -> object:
        """End the connection."""
        ...


@dataclass
class DaskCrew:
    """The workers of a cluster; a context manager, which withdraws what is not done."""

    client: ClusterClient
    payload: bytes
    n_slots: int
    retries: int = RETRIES
    _name: str = field(default_factory=lambda: f"geopatcher-{uuid.uuid4().hex[:12]}")
    _result_name: str | None = None
    _given: dict[str, tuple[Assignment, TaskFuture]] = field(default_factory=dict)
    _over: queue.SimpleQueue[TaskFuture] = field(default_factory=queue.SimpleQueue)

    def __enter__(self) -> Self:
        self.client.register_plugin(JobPlugin(self.payload), name=self._name)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Cancel what is not done, and take the job off the workers."""
        if self.client.status != "running":
            return
        self.stop()
        for name in (self._name, self._result_name):
            if name is not None:
                self.client.unregister_worker_plugin(name)

    @property
    def room(self) -> int:
        """How many more tasks can be given: as many as there are workers, until it is known what is made."""
        return max(0, self.n_slots - len(self._given)) if self._result_name is None else 1 << 62

    @property
    def busy(self) -> bool:
        """Whether a task is not done yet."""
        return bool(self._given)

    def give(self, tasks: Sequence[Assignment]) -> None:
        """Submit tasks; the scheduler sees their rectangles only."""
        handle = tasks[0].handle
        if handle is not None and self._result_name is None:
            self._result_name = f"{self._name}-result"
            self.client.register_plugin(JobPlugin(pack(handle)), name=self._result_name)
        boxes = [task.region for task in tasks]
        futures = self.client.map(
            partial(serve_region, self._name, None if handle is None else self._result_name),
            [(box.row0, box.row1, box.col0, box.col1) for box in boxes],
            pure=False,
            retries=self.retries,
            key="geopatcher-region",
        )
        for task, future in zip(tasks, futures, strict=True):
            self._given[future.key] = (task, future)
            future.add_done_callback(self._over.put)

    def stop(self) -> bool:
        """Cancel what is not done: tasks that run notice it between two strips. Whether there was any."""
        open_ones = {key: future for key, (_, future) in self._given.items() if not future.done()}
        self.client.cancel(list(open_ones.values()))
        for key in open_ones:
            del self._given[key]
        return bool(open_ones)

    def wait(self, timeout_s: float) -> list[tuple[Assignment, ProgressEvent | Done | Failed | Lost]]:
        """Return what finished tasks have said.

        Raises
        ------
        WorkerLostError
            The scheduler is gone, or a task ended its workers again and again.

        """
        try:
            future = self._over.get(timeout=timeout_s)
        except queue.Empty:
            if self.client.status != "running":
                raise WorkerLostError(self._gone("is gone")) from None
            return []
        if future.key not in self._given:
            return []
        task, _ = self._given.pop(future.key)
        said = self._result(task, future)
        return [*((task, ProgressEvent(message)) for message in said.messages), (task, said.event)]

    def _result(self, task: Assignment, future: TaskFuture) -> Said:
        if future.status == "cancelled":
            raise WorkerLostError(self._gone(f"cancelled {task.region}"))
        try:
            return cast("Said", future.result())
        except distributed.KilledWorker as error:
            raise WorkerLostError(
                f"Dask workers ended again and again over {task.region}: {error}; where memory ran out lower "
                f"memory_limit, else see the workers' logs"
            ) from error
        except GeopatcherError:
            raise
        except Exception as error:  # whatever a cluster comes up with
            raise WorkerLostError(
                f"Dask could not have {task.region} done, in {self.retries + 1} tries: {told(error)}"
            ) from error

    def _gone(self, what: str) -> str:
        return f"the Dask scheduler {what}: see its log, then run the same again to go on"


class DaskExecutor(Executor):
    """Runs the regions of a job on a Dask cluster, one task per region; needs the extra ``dask``.

    Workers read the source and write the result by themselves, so both must be where each of them
    finds them: files on a file system they share, or URLs. Through the scheduler go rectangles and
    small records. A worker that is lost costs its region, a lost scheduler or client the regions that
    are not finished: the same run again goes on from there.

    ``memory_limit`` is for each region that runs; it is lowered to what a worker has.

    Parameters
    ----------
    client
        A connected ``distributed.Client``, or the address of a scheduler such as ``"tcp://10.0.0.1:8786"``,
        to which it connects; `close` ends that connection.
    retries
        How often a task is tried again that something outside of it ended.

    Raises
    ------
    ValueError
        ``retries`` is negative.
    WorkerLostError
        There is no scheduler at the address.
    MissingExtraError
        ``distributed`` is not installed.

    Examples
    --------
    >>> import geopatcher
    >>> from geopatcher.executors import DaskExecutor
    >>> executor = DaskExecutor("tcp://10.0.0.1:8786")                        # doctest: +SKIP
    >>> geopatcher.reconstruct("mosaic.tif", predict, "/shared/result.zarr",  # doctest: +SKIP
    ...     executor=executor)

    """

    def __init__(self, client: ClusterClient | str, *, retries: int = RETRIES) -> None:
        if retries < 0:
            raise ValueError(f"retries must be 0 or more, not {retries}")
        self._ours = isinstance(client, str)
        self.client: ClusterClient = _connected(client) if isinstance(client, str) else client
        self.retries = retries

    def close(self) -> None:
        """Close the connection, if it was made from an address."""
        if self._ours:
            self.client.close()

    def memory_for(self, plan: Plan) -> int:
        """Return the bytes a region may take: the plan's limit, or what the smallest worker has.

        Parameters
        ----------
        plan
            Of the run.

        Returns
        -------
        int
            Bytes.

        """
        shares = [
            int(MEMORY_SHARE * worker["memory_limit"] / worker["nthreads"])
            for worker in self._workers().values()
            if worker["memory_limit"]
        ]
        return plan.model.allowed(min([plan.memory_limit, *shares]), plan.region.height)

    def cut(self, job: Job) -> Tasks:
        """Cut a job's plan into tasks for the workers there are.

        Parameters
        ----------
        job
            What is run.

        Returns
        -------
        Tasks
            The regions.

        """
        return self._tasks(job.plan, job.source)

    def setting(self, plan: Plan, source: PixelSource) -> Setting:
        """Return where the regions of a plan would run: on the workers there are.

        Parameters
        ----------
        plan
            Of the run.
        source
            Where its pixels come from.

        Returns
        -------
        Setting
            Workers, and regions at once.

        """
        tasks, n_slots = self._tasks(plan, source), self._n_slots()
        n_workers = min(len(self._workers()) or n_slots, len(tasks))
        return replace(
            plan.setting, n_workers=n_workers, n_at_once=min(n_slots, len(tasks)), task=tasks.largest
        )

    def _tasks(self, plan: Plan, source: PixelSource) -> Tasks:
        return cut_tasks(plan, self._n_slots(), self.memory_for(plan), block_width=block_width(source))

    def check(self, job: Job, target: Target) -> None:
        """Refuse what is out of reach of the workers.

        Parameters
        ----------
        job
            What is to be run.
        target
            Where its result is to go.

        Raises
        ------
        TransportError
            Something in the job cannot be where the workers are; says what to do.

        """
        if not isinstance(target, DurableTarget):
            raise TransportError(
                "workers on a Dask cluster cannot write into the memory of this process: give a target they "
                "all reach, x.zarr or x.tif, or use workers= for processes of this machine"
            )
        array = array_in_memory(plain(job).source)
        if array is not None and array.nbytes > SHARED_BYTES:
            raise TransportError(
                f"{job.source.name} takes {array.nbytes / 1e6:,.0f} MB in the memory of this process, out of "
                f"reach of Dask workers: write it to a file they all reach and give its path"
            )

    def compute(self, run: Run, regions: Sequence[Box]) -> None:
        """Have the regions computed.

        Parameters
        ----------
        run
            What is run, and where rows of blocks are recorded.
        regions
            Those left to do.

        """
        if not regions:  # an earlier run computed all, and ended before it said so
            return
        before = set(self._workers())
        with DaskCrew(self.client, pack_job(plain(run.job)), self._n_slots(), self.retries) as crew:
            Scheduler(run, crew, self.memory_for(run.job.plan)).work(regions)
        if set(self._workers()) != before:
            run.tidy()

    def _workers(self) -> Mapping[str, WorkerInfo]:
        return self.client.scheduler_info()["workers"]

    def _n_slots(self) -> int:
        """Return how many tasks run at once; a cluster that starts workers on demand may have none yet."""
        return sum(worker["nthreads"] for worker in self._workers().values()) or UNKNOWN_SLOTS


def _connected(address: str) -> ClusterClient:
    try:
        client: ClusterClient = distributed.Client(address)
    except (OSError, ValueError) as error:
        place = shown(address)
        raise WorkerLostError(
            f"there is no Dask scheduler at {place}: {error}; start one (dask scheduler), or correct it"
        ) from error
    return client
