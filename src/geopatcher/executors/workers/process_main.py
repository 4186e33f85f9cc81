"""A worker process: what runs in it, from its start to its end.

It is started by a pool as a fresh interpreter and never forked: libraries that hold threads or locks do
not survive a fork. It hears from its parent by a pipe, and ends at once when the parent does.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from geopatcher.errors import TransportError
from geopatcher.executors.workers.deadline import Deadline
from geopatcher.executors.workers.pickling import Carried, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from multiprocessing.connection import Connection


@dataclass(frozen=True)
class Ready:
    """A worker has taken over its work."""


@dataclass(frozen=True)
class ProgressEvent:
    """Something a task says before it is done."""

    message: object


@dataclass(frozen=True)
class Done:
    """A task is done; ``result`` is what it returned."""

    result: object


@dataclass(frozen=True)
class Failed:
    """A task raised."""

    carried: Carried


#: Asks the task that runs to end soon; what that means is the task's own business.
STOP = b"stop"
#: Says that there are no more tasks.
END = b""


class Channel(Protocol):
    """What a task and the process that gave it say to each other. Any thread may use it."""

    def tell(self, message: object) -> None:
        """Say something; waits while the other side does not listen."""
        ...

    def stop_requested(self) -> bool:
        """Whether the task was asked to end soon."""
        ...

    def limited(self, anchors: Sequence[tuple[int, int]], seconds: float) -> AbstractContextManager[None]:
        """Give a call on some patches so many seconds, after which the process ends."""
        ...


#: What a worker does with a task.
Serve: TypeAlias = Callable[[object, Channel], object]


@dataclass
class PipeChannel:
    """A channel over the pipe to the parent."""

    pipe: Connection
    deadline: Deadline
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, message: object) -> None:
        """Send a message; those of several threads do not mix."""
        self.send(ProgressEvent(message))

    def send(self, message: Ready | ProgressEvent | Done | Failed) -> None:
        """Send a message as it is."""
        with self._lock:
            self.pipe.send(message)

    def stop_requested(self) -> bool:
        """Whether `Stop` came since the task began."""
        return self._stop.is_set()

    def limited(self, anchors: Sequence[tuple[int, int]], seconds: float) -> AbstractContextManager[None]:
        """End this process if a call takes longer."""
        return self.deadline.limited(anchors, seconds)

    def stop(self) -> None:
        """Let `stop_requested` say so."""
        self._stop.set()


def main(pipe: Connection, notes: int) -> None:
    """Serve tasks until there are no more, or the parent is gone; ``notes`` is a file for a `Deadline`."""
    channel = PipeChannel(pipe, Deadline(notes))
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(channel, inbox), daemon=True).start()
    serve = _work(inbox.get())
    channel.send(Ready())
    while task := inbox.get():
        try:
            channel.send(Done(serve(unpack(task), channel)))
        except BaseException as error:  # noqa: BLE001 - raised again by the parent
            channel.send(Failed(Carried(error)))


def _work(payload: bytes) -> Serve:
    """Return what to do with tasks; where that cannot be taken over, each of them says so."""
    try:
        return cast("Serve", unpack(payload))
    except TransportError as error:
        broken = error

    def refuse(task: object, channel: Channel) -> object:
        _ = task, channel
        raise broken

    return refuse


def _listen(channel: PipeChannel, inbox: queue.SimpleQueue[bytes]) -> None:
    """Take what the parent sends; when it is gone, so is the reason for this process.

    Messages stay bytes here: what unpacking them may raise belongs to the thread that does the tasks.
    """
    while True:
        try:
            message = channel.pipe.recv_bytes()
        except (EOFError, OSError):
            os._exit(1)
        if message == STOP:
            channel.stop()
        else:
            inbox.put(message)
