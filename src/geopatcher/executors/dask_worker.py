"""What a Dask worker does for a run: the tasks, and what is sent to it beforehand."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from geopatcher._optional import load
from geopatcher.box import Box
from geopatcher.errors import GeopatcherError
from geopatcher.executors.child import Done, Failed
from geopatcher.executors.regional import Assignment, News, Row
from geopatcher.executors.transport import Carried, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.executors.regional import Making, RegionServer

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
            box, news, more = self._rows.box, self._rows.news, message.news
            news.stats.add(more.stats)
            box = Box(box.row0, message.box.row1, box.col0, box.col1)
            self._rows = Row(box, News(news.stats, [*news.errors, *more.errors]))

    def messages(self) -> list[object]:
        """Return what was said."""
        return self._said if self._rows is None else [*self._said, self._rows]

    def stop_requested(self) -> bool:
        """Whether the task was cancelled, as it is when the client is gone."""
        task = self._worker.state.tasks.get(self._key)
        return task is None or task.state == "cancelled"


def serve_region(job: str, making: str | None, region: tuple[int, int, int, int]) -> Said:
    """Do a region; this is the task. ``job`` and ``making`` are names of plugins."""
    worker: DaskWorker = distributed.get_worker()
    channel = _Channel(worker, worker.get_current_task())
    try:
        made = None if making is None else cast("Making", worker.plugins[making].content())
        serve = cast("RegionServer", worker.plugins[job].content())
        done = Done(serve(Assignment(Box(*region), made), channel))
    except GeopatcherError as error:  # it would come again: not for Dask to try
        return Said(channel.messages(), Failed(Carried(error)))
    return Said(channel.messages(), done)
