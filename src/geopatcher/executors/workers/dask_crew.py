"""The workers of a Dask cluster, given tasks as rectangles, and what they say."""

from __future__ import annotations

import queue
import uuid
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypedDict, TypeVar, cast

from geopatcher._optional import load
from geopatcher.core.containment import told
from geopatcher.errors import GeopatcherError, WorkerLostError
from geopatcher.executors.workers.dask_worker import JobPlugin, Said, serve_region
from geopatcher.executors.workers.pickling import pack
from geopatcher.executors.workers.process_main import Done, Failed, ProgressEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from geopatcher.core.box import Box
    from geopatcher.executors.workers.process_pool import Lost
    from geopatcher.executors.workers.region_task import ResultHandle

distributed = load("distributed")

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


class RegionTask(Protocol):
    """A task: a rectangle is all that is sent of it, and what the tasks before it have made known."""

    @property
    def region(self) -> Box:
        """The rectangle."""
        ...

    @property
    def handle(self) -> ResultHandle | None:
        """What is being made, once that is known."""
        ...


T = TypeVar("T", bound=RegionTask)


@dataclass
class DaskCrew(Generic[T]):
    """The workers of a cluster; a context manager, which withdraws what is not done.

    ``payload`` is what does the tasks, packed: called with an `Assignment` and a channel.
    """

    client: ClusterClient
    payload: bytes
    n_slots: int
    retries: int = RETRIES
    _name: str = field(default_factory=lambda: f"geopatcher-{uuid.uuid4().hex[:12]}")
    _result_name: str | None = None
    _given: dict[str, tuple[T, TaskFuture]] = field(default_factory=dict)
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

    def give(self, tasks: Sequence[T]) -> None:
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

    def wait(self, timeout_s: float) -> list[tuple[T, ProgressEvent | Done | Failed | Lost]]:
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

    def _result(self, task: T, future: TaskFuture) -> Said:
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
