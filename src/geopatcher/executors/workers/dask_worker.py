"""What a Dask worker does for a run: the tasks, and what is sent to it beforehand."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol, cast

from geopatcher._optional import load
from geopatcher.core.box import Box
from geopatcher.errors import GeopatcherError, TransportError
from geopatcher.executors.workers.pickling import Carried, unpack
from geopatcher.executors.workers.process_main import Done, Failed
from geopatcher.executors.workers.region_task import Assignment, RegionUpdate, Row
from geopatcher.targets.digests import joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geopatcher.executors.workers.region_task import RegionServer, ResultHandle

distributed = load("distributed")


class HasState(Protocol):
    """A task as a worker knows it."""

    state: str


class WorkerState(Protocol):
    """The tasks of a worker."""

    tasks: Mapping[str, HasState]


class DaskWorker(Protocol):
    """What is used of a ``distributed.Worker``."""

    state: WorkerState
    plugins: Mapping[str, JobPlugin]

    def get_current_task(self) -> str:
        """Return the key of the task that runs in this thread."""
        ...


_Base: type = distributed.WorkerPlugin


class JobPlugin(_Base):  # type: ignore[misc]
    """Something a run has on each worker, as bytes: the job, or what is being made.

    It is sent to each worker once, and to those that join or are replaced later, too. So a task is
    no more than a rectangle.
    """

    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    def setup(self, worker: DaskWorker) -> None:
        """Begin on a worker."""
        _ = worker
        self.of_thread = threading.local()

    def content(self) -> object:
        """Return what was sent, one for each thread: a source is read by one thread at a time."""
        if not vars(self.of_thread):
            self.of_thread.content = unpack(self.payload)
        return self.of_thread.content


class Said(NamedTuple):
    """What a task says, all at its end."""

    messages: list[object]
    event: Done | Failed


def _as_one(above: Row, below: Row) -> Row:
    """Return the record of two rows of blocks, one below the other."""
    update, more = above.update, below.update
    update.stats.add(more.stats)
    box = Box(above.box.row0, below.box.row1, above.box.col0, above.box.col1)
    files = None if above.files is None or below.files is None else joined(above.files, below.files)
    taken = update.taken.or_more(more.taken)
    return Row(box, RegionUpdate(update.stats, [*update.errors, *more.errors], taken), files)


class _Channel:
    """Keeps what a task says until its end; rows of blocks become one record for the region."""

    def __init__(self, worker: DaskWorker, key: str) -> None:
        self._worker = worker
        self._key = key
        self._said: list[object] = []
        self._rows: Row | None = None

    def tell(self, message: object) -> None:
        """Keep a message."""
        if not isinstance(message, Row):
            self._said.append(message)
        elif self._rows is None:
            self._rows = message
        else:
            self._rows = _as_one(self._rows, message)

    def messages(self) -> list[object]:
        """Return what was said."""
        return self._said if self._rows is None else [*self._said, self._rows]

    def limited(self, anchors: Sequence[tuple[int, int]], seconds: float) -> NoReturn:
        """Refuse: a worker of a cluster does other things, too, and cannot be ended."""
        raise TransportError(f"no time limit of {seconds} s can be kept on a Dask worker, for {anchors}")

    def stop_requested(self) -> bool:
        """Whether the task was cancelled, as it is when the client is gone."""
        task = self._worker.state.tasks.get(self._key)
        return task is None or task.state == "cancelled"


def serve_region(job: str, handle: str | None, region: tuple[int, int, int, int]) -> Said:
    """Do a region; this is the task. ``job`` and ``handle`` are names of plugins."""
    worker: DaskWorker = distributed.get_worker()
    channel = _Channel(worker, worker.get_current_task())
    try:
        made = None if handle is None else cast("ResultHandle", worker.plugins[handle].content())
        serve = cast("RegionServer", worker.plugins[job].content())
        done = Done(serve(Assignment(Box(*region), made), channel))
    except GeopatcherError as error:  # it would come again: not for Dask to try
        return Said(channel.messages(), Failed(Carried(error)))
    return Said(channel.messages(), done)
