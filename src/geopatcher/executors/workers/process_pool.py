"""Worker processes: started afresh, given tasks one at a time, replaced when they are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import IO, TYPE_CHECKING, Generic, Self, TypeVar, cast

from geopatcher.errors import WorkerLostError
from geopatcher.executors.workers.blas_threads import thread_environment, thread_share
from geopatcher.executors.workers.deadline import Overdue, overdue
from geopatcher.executors.workers.pickling import pack
from geopatcher.executors.workers.process_main import END, STOP, Done, Failed, ProgressEvent, Ready

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

T = TypeVar("T")

#: Before anything else is imported the child takes over the parent's module path.
START = (
    "import json, sys; from multiprocessing.connection import Connection; "
    "pipe = Connection(int(sys.argv[1])); sys.path[:] = json.loads(pipe.recv_bytes()); "
    "from geopatcher.executors.workers.process_main import main; main(pipe, int(sys.argv[2]))"
)
#: Seconds a worker that has nothing more to do is given to end by itself.
GRACE_S = 5.0


@dataclass(frozen=True)
class Lost:
    """A worker ended in the middle of a task; ``how`` says of what."""

    how: str


@dataclass
class _Worker(Generic[T]):
    """One process and the pipe to it."""

    process: subprocess.Popen[bytes]
    pipe: Connection
    notes: IO[bytes]
    task: T | None = None

    @property
    def how_it_ended(self) -> str:
        """What is known of its end."""
        code = self.process.wait()
        if code >= 0:
            return f"exit code {code}"
        try:
            return f"signal {-code} ({signal.Signals(-code).name})"
        except ValueError:
            return f"signal {-code}"

    def close(self) -> None:
        """Let go of what is shared with a process that has ended."""
        self.pipe.close()
        self.notes.close()


@dataclass
class Pool(Generic[T]):
    """``n_workers`` processes that serve tasks; a context manager, which ends them.

    ``payload`` is what `pack` makes of what they do with a task, a `Serve`. Each process is given its
    share of the cores, and its own pipe:
    the death of one leaves the others and what they say untouched.

    Raises
    ------
    WorkerLostError
        From `give` and `wait`: workers end as soon as they are started.

    """

    n_workers: int
    payload: bytes
    n_threads: int | None = None
    _workers: list[_Worker[T]] = field(default_factory=list)
    _stillborn: int = 0

    def __enter__(self) -> Self:
        for _ in range(self.n_workers):
            self._workers.append(self._start())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        """End the workers: those that are idle by themselves, for which nobody waits; others at once."""
        leaving = []
        for worker in self._workers:
            if worker.task is None and kind is None:
                _send(worker.pipe, END)
                leaving.append(worker)
            else:
                worker.process.kill()
                worker.process.wait()
                worker.close()
        self._workers.clear()
        threading.Thread(
            target=_shutdown_workers, args=(leaving,), name="geopatcher-shutdown", daemon=True
        ).start()

    @property
    def room(self) -> int:
        """How many workers wait for a task."""
        return sum(worker.task is None for worker in self._workers)

    @property
    def busy(self) -> bool:
        """Whether a task runs."""
        return any(worker.task is not None for worker in self._workers)

    def give(self, tasks: Sequence[T]) -> None:
        """Hand tasks to workers that wait, no more than there is `room` for."""
        waiting = [worker for worker in self._workers if worker.task is None]
        for worker, task in zip(waiting, tasks, strict=False):
            worker.task = task
            _send(worker.pipe, pack(task))  # to a dead one it is lost, which the next `wait` tells

    def stop(self) -> bool:
        """Ask the tasks that run to end soon; none is dropped, so this is false."""
        for worker in self._workers:
            _send(worker.pipe, STOP)
        return False

    def wait(
        self, timeout_s: float | None = None
    ) -> list[tuple[T, ProgressEvent | Done | Failed | Lost | Overdue]]:
        """Return what the tasks have to say, once one of them has, or nothing after ``timeout_s``.

        A task that is `Done`, `Failed`, `Lost` or `Overdue` is over; a worker that has ended is replaced.
        """
        by_pipe = {worker.pipe: worker for worker in self._workers}
        events: list[tuple[T, ProgressEvent | Done | Failed | Lost | Overdue]] = []
        for ready in wait(list(by_pipe), timeout_s):
            worker = by_pipe[cast("Connection", ready)]
            event = self._handle(worker)
            task = worker.task
            if isinstance(event, Ready):
                continue
            if isinstance(event, Lost):
                self._replace(worker, event)
            elif isinstance(event, Overdue):  # which did not die of how it was started
                self._exchange(worker)
            elif not isinstance(event, ProgressEvent):
                worker.task = None
            if task is not None:
                events.append((task, event))
        return events

    def _handle(self, worker: _Worker[T]) -> Ready | ProgressEvent | Done | Failed | Lost | Overdue:
        try:
            event = worker.pipe.recv()
        except (EOFError, OSError):
            how = worker.how_it_ended
            return overdue(worker.notes) or Lost(how)
        self._stillborn = 0
        return cast("Ready | ProgressEvent | Done | Failed", event)

    def _replace(self, worker: _Worker[T], lost: Lost) -> None:
        """Start a process in the place of one that ended; not for ever when none of them lives."""
        self._stillborn += 1
        if self._stillborn > 2 * self.n_workers:
            raise WorkerLostError(
                f"worker processes end as soon as they are started, the last one by {lost.how}: see what "
                f"they wrote to stderr; {sys.executable} must be able to import geopatcher"
            )
        self._exchange(worker)

    def _exchange(self, worker: _Worker[T]) -> None:
        worker.close()
        self._workers[self._workers.index(worker)] = self._start()

    def _start(self) -> _Worker[T]:
        ours, theirs = Pipe()
        notes = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        share = self.n_threads or thread_share(self.n_workers)
        flags = [f"-W{option}" for option in sys.warnoptions]
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - this interpreter, with a program of ours
                [sys.executable, *flags, "-c", START, str(theirs.fileno()), str(notes.fileno())],
                pass_fds=(theirs.fileno(), notes.fileno()),
                stdin=subprocess.DEVNULL,
                env=os.environ | thread_environment(share, os.environ),
                process_group=0,  # a Ctrl-C at the terminal is for the parent, who tells them to stop
            )
        worker: _Worker[T] = _Worker(process, ours, notes)
        _send(ours, json.dumps([path or str(Path.cwd()) for path in sys.path]).encode())
        _send(ours, self.payload)
        return worker


def _send(pipe: Connection, message: bytes) -> None:
    """Send to a worker; to one that has just died nothing, which `Pool.wait` will notice."""
    try:
        pipe.send_bytes(message)
    except OSError:  # a broken pipe
        return


def _shutdown_workers(workers: Sequence[_Worker[T]]) -> None:
    """Wait until workers have ended; a fifth of a second that the result need not wait for."""
    for worker in workers:
        try:
            worker.process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        worker.close()
