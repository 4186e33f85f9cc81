"""Regions as tasks of a Dask cluster: one task per region, nothing but small records through the scheduler."""

from __future__ import annotations

import queue
import threading
import uuid
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Self, TypedDict, cast

from geopatcher._optional import load
from geopatcher.box import Box
from geopatcher.errors import GeopatcherError, TransportError, WorkerLostError
from geopatcher.executors.child import Done, Failed, Told
from geopatcher.executors.crew import Foreman
from geopatcher.executors.regional import Assignment, News, Row, pack_job
from geopatcher.executors.running import Executor
from geopatcher.executors.sharing import SHARED_BYTES, array_in_memory, block_width, plain
from geopatcher.executors.transport import Carried, pack, unpack
from geopatcher.planning.tasks import cut_tasks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from distributed import Client, Future, Worker

    from geopatcher.engine.job import Job
    from geopatcher.executors.pool import Lost
    from geopatcher.executors.regional import Making, RegionServer
    from geopatcher.executors.running import Outcome, Run
    from geopatcher.planning.plan import Plan
    from geopatcher.planning.tasks import Tasks
    from geopatcher.sinks.targets import Target

distributed = load("distributed")

#: Share of a Dask worker's memory a region may take: the rest is the process's own and Dask's.
MEMORY_SHARE = 0.6
#: Tasks at once that are counted on where a cluster has no workers yet.
UNKNOWN_SLOTS = 8
#: How often a task is tried again that something outside of it ended.
RETRIES = 3


class WorkerInfo(TypedDict):
    """What is used of what a scheduler knows of a worker."""

    nthreads: int
    memory_limit: int


class _Plugin(distributed.WorkerPlugin):  # type: ignore[misc]
    """Something a run has on each worker, as bytes: the job, or what is being made.

    It is sent to each worker once, and to those that join or are replaced later, too. So a task is
    no more than a rectangle.
    """

    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    def setup(self, worker: Worker) -> None:
        """Begin on a worker."""
        _ = worker
        self.of_thread = threading.local()

    def content(self) -> object:
        """Return what was sent, one for each thread: a source is read by one thread at a time."""
        if not vars(self.of_thread):
            self.of_thread.content = unpack(self.payload)
        return self.of_thread.content


class _Said(NamedTuple):
    """What a task says, all at its end."""

    messages: list[object]
    event: Done | Failed


class _Channel:
    """Keeps what a task says until its end; rows of blocks become one record for the region."""

    def __init__(self, worker: Worker, key: str) -> None:
        self._worker = worker
        self._key = key
        self.messages: list[object] = []

    def tell(self, message: object) -> None:
        """Keep a message."""
        before = self.messages[-1] if self.messages else None
        if isinstance(message, Row) and isinstance(before, Row):
            before.news.stats.add(message.news.stats)
            box = Box(before.box.row0, message.box.row1, message.box.col0, message.box.col1)
            news = News(before.news.stats, [*before.news.errors, *message.news.errors])
            self.messages[-1] = Row(box, news)
        else:
            self.messages.append(message)

    def stop_requested(self) -> bool:
        """Whether the task was cancelled, as it is when the client is gone."""
        task = self._worker.state.tasks.get(self._key)
        return task is None or task.state == "cancelled"


def _serve(job: str, making: str | None, region: tuple[int, int, int, int]) -> _Said:
    """Do a region; this is the task. ``job`` and ``making`` are names of plugins."""
    worker = distributed.get_worker()
    channel = _Channel(worker, worker.get_current_task())
    try:
        made = None if making is None else cast("Making", worker.plugins[making].content())
        serve = cast("RegionServer", worker.plugins[job].content())
        return _Said(channel.messages, Done(serve(Assignment(Box(*region), made), channel)))
    except GeopatcherError as error:  # it would come again: not for Dask to try
        return _Said(channel.messages, Failed(Carried(error)))


@dataclass
class DaskCrew:
    """The workers of a cluster; a context manager, which withdraws what is not done."""

    client: Client
    payload: bytes
    n_slots: int
    retries: int = RETRIES
    _name: str = field(default_factory=lambda: f"geopatcher-{uuid.uuid4().hex[:12]}")
    _making: str | None = None
    _given: dict[str, tuple[Assignment, Future]] = field(default_factory=dict)
    _over: queue.SimpleQueue[Future] = field(default_factory=queue.SimpleQueue)

    def __enter__(self) -> Self:
        self.client.register_plugin(_Plugin(self.payload), name=self._name)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Cancel what is not done, and take the job off the workers."""
        if self.client.status != "running":
            return
        self.stop()
        for name in (self._name, self._making):
            if name is not None:
                self.client.unregister_worker_plugin(name)

    @property
    def room(self) -> int:
        """How many more tasks can be given: as many as there are workers, until it is known what is made."""
        return max(0, self.n_slots - len(self._given)) if self._making is None else 1 << 62

    @property
    def busy(self) -> bool:
        """Whether a task is not done yet."""
        return bool(self._given)

    def give(self, tasks: Sequence[Assignment]) -> None:
        """Submit tasks; the scheduler sees their rectangles only."""
        making = tasks[0].making
        if making is not None and self._making is None:
            self._making = f"{self._name}-making"
            self.client.register_plugin(_Plugin(pack(making)), name=self._making)
        boxes = [task.region for task in tasks]
        futures = self.client.map(
            partial(_serve, self._name, None if making is None else self._making),
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

    def wait(self, timeout_s: float) -> list[tuple[Assignment, Told | Done | Failed | Lost]]:
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
        task, _ = self._given.pop(future.key, (None, None))
        if task is None:
            return []
        said = self._result(task, future)
        return [*((task, Told(message)) for message in said.messages), (task, said.event)]

    def _result(self, task: Assignment, future: Future) -> _Said:
        if future.status == "cancelled":
            raise WorkerLostError(self._gone(f"cancelled {task.region}"))
        try:
            return cast("_Said", future.result())
        except distributed.KilledWorker as error:
            raise WorkerLostError(
                f"Dask workers ended again and again over {task.region}: {error}; where memory ran out lower "
                f"memory_limit, else see the workers' logs"
            ) from error
        except GeopatcherError:
            raise
        except Exception as error:  # whatever a cluster comes up with
            raise WorkerLostError(
                f"Dask could not have {task.region} done, in {self.retries + 1} tries: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _gone(self, what: str) -> str:
        return f"the Dask scheduler {self.client.scheduler.address} {what}: look after the cluster"


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
        A connected ``distributed.Client``, or the address of a scheduler such as ``"tcp://10.0.0.1:8786"``.
    retries
        How often a task is tried again that something outside of it ended.

    Raises
    ------
    ValueError
        ``retries`` is negative.
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

    def __init__(self, client: Client | str, *, retries: int = RETRIES) -> None:
        if retries < 0:
            raise ValueError(f"retries must be 0 or more, not {retries}")
        self.client: Client = distributed.Client(client) if isinstance(client, str) else client
        self.retries = retries

    def memory_for(self, plan: Plan) -> int:
        """Return the bytes a region may take: the plan's limit, or what the smallest worker has."""
        shares = [
            int(MEMORY_SHARE * worker["memory_limit"] / worker["nthreads"])
            for worker in self._workers().values()
            if worker["memory_limit"]
        ]
        return min([plan.memory_limit, *shares])

    def cut(self, job: Job) -> Tasks:
        """Cut a job's plan into tasks for the workers there are."""
        memory = self.memory_for(job.plan)
        return cut_tasks(job.plan, self._n_slots(), memory, block_width=block_width(job.source))

    def run(self, job: Job, target: Target) -> Outcome:
        """Compute what is left to do and complete the target; see `Executor.run`.

        Raises
        ------
        TransportError
            Something in the job cannot be where the workers are; says what to do.
        WorkerLostError
            The scheduler is gone, or a region ended its workers again and again.

        """
        if target.path is None:
            raise TransportError(
                "workers on a Dask cluster cannot write into the memory of this process: give a target they "
                "all reach, x.zarr or x.tif, or use workers= for processes of this machine"
            )
        job = plain(job)
        array = array_in_memory(job.source)
        if array is not None and array.nbytes > SHARED_BYTES:
            raise TransportError(
                f"{job.source.name} takes {array.nbytes / 1e6:,.0f} MB in the memory of this process, out of "
                f"reach of Dask workers: write it to a file they all reach and give its path"
            )
        return super().run(job, target)

    def compute(self, run: Run, regions: Sequence[Box]) -> None:
        """Have the regions computed."""
        if not regions:  # an earlier run computed all, and ended before it said so
            return
        before = set(self._workers())
        with DaskCrew(self.client, pack_job(run.job), self._n_slots(), self.retries) as crew:
            Foreman(run, crew).work(regions)
        if set(self._workers()) != before:
            run.tidy()

    def _workers(self) -> Mapping[str, WorkerInfo]:
        return cast("Mapping[str, WorkerInfo]", self.client.scheduler_info()["workers"])

    def _n_slots(self) -> int:
        """Return how many tasks run at once; a cluster that starts workers on demand may have none yet."""
        return sum(worker["nthreads"] for worker in self._workers().values()) or UNKNOWN_SLOTS
