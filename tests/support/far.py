"""Operators that workers import, and a crew without processes."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

from geopatcher.executors.workers.deadline import Overdue
from geopatcher.executors.workers.pickling import Carried, pack, unpack
from geopatcher.executors.workers.process_main import Done, Failed, ProgressEvent
from geopatcher.executors.workers.process_pool import Lost
from geopatcher.executors.workers.region_task import Row, pack_job
from geopatcher.executors.workers.scheduler import Scheduler
from geopatcher.planning.tasks import Tasks
from geopatcher.runs.executor import Executor


def bend(pixels):
    """A pure function of a patch that makes overlapping patches disagree."""
    factor = 1 + (abs(np.nan_to_num(pixels.astype(np.float64)).sum()) % 7) / 8
    return (pixels * factor).astype(pixels.dtype)


def label(pixels):
    """Return connected parts as a label image."""
    return ndimage.label(pixels)[0]


class Dies:
    """Like `bend`, but ends its process when it first sees one of some cells, once for each file."""

    def __init__(self, folder, values):
        self.folder = str(folder)
        self.values = list(values)

    def __call__(self, pixels):
        for number, value in enumerate(self.values):
            if (pixels == value).any() and self.first(number):
                os.kill(os.getpid(), signal.SIGKILL)
        return bend(pixels)

    def first(self, number):
        try:
            os.close(os.open(Path(self.folder, f"death {number}"), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True


def bent_each(pixels):
    """Return of each patch of a batch what `bend` makes of it."""
    return np.stack([bend(patch) for patch in pixels]) if pixels.ndim == 4 else bend(pixels)


class DiesInBatches(Dies):
    """Like `Dies`, for patches and for batches, each patch of which gives what it gives alone."""

    def fingerprint(self):
        return "dies in batches"

    def __call__(self, pixels):
        patches = pixels if pixels.ndim == 4 else pixels[np.newaxis]
        made = np.stack([super(DiesInBatches, self).__call__(patch) for patch in patches])
        return made if pixels.ndim == 4 else made[0]


class Slow:
    """Like `bend`, with a pause, and a mark in a file for each call."""

    def __init__(self, calls, pause_s):
        self.calls = str(calls)
        self.pause_s = pause_s

    def fingerprint(self):
        return "slow"  # how slow, and where it counts, makes no other result

    def __call__(self, pixels):
        with Path(self.calls).open("ab") as file:
            file.write(b".")
        time.sleep(self.pause_s)
        return bend(pixels)


class Counted:
    """Notes the first cell of each patch in a file, and fails behind a number of them, as a file says.

    A patch of a batch gives what it gives alone.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def fingerprint(self):
        return "counted"

    @property
    def calls(self):
        return self.folder / "calls"

    def stop_after(self, number):
        (self.folder / "stop").write_text(str(number))

    def __call__(self, pixels):
        stop = self.folder / "stop"
        if stop.exists() and self.calls.exists() and self.calls.stat().st_size >= 4 * int(stop.read_text()):
            raise ArithmeticError("stopped")
        with self.calls.open("ab") as file:
            file.write(pixels.reshape(-1, *pixels.shape[-3:])[:, 0, 0, 0].astype(np.float32).tobytes())
        return np.sqrt(pixels) * 3 + pixels[..., ::-1]


class Fails:
    """Doubles, and fails over some cells."""

    def __init__(self, *cells, error=ArithmeticError):
        self.cells, self.error = cells, error

    def __call__(self, patch):
        if any((patch == cell).any() for cell in self.cells):
            raise self.error("not here")
        return patch * 2


def fails_on_a_minimum(pixels):
    if pixels.min() < 0.0005:
        raise ArithmeticError(f"too low: {pixels.min():.5f}")
    return bend(pixels)


def sent(value):
    """Return what arrives of a value at another process."""
    return unpack(pack(value))


class Dead(BaseException):
    """The end of a worker that is none."""


class TooLate(KeyboardInterrupt):
    """What an operator raises instead of hanging: an interruption passes all that is above it."""


class InlineCrew:
    """A worker in this very thread, to which everything travels as bytes all the same.

    ``deaths`` are numbers of rows of blocks, counted over all regions, behind which it dies.
    """

    def __init__(self, payload, deaths=()):
        self.serve = unpack(payload)
        self.deaths = set(deaths)
        self.rows = 0
        self.events = []
        self.assignments = []
        self.stopped = False
        self.main = threading.current_thread()

    @property
    def room(self):
        return 1 - len(self.events)

    @property
    def busy(self):
        return bool(self.events)

    def stop(self):
        self.stopped = True
        return False

    def stop_requested(self):
        return self.stopped

    @contextlib.contextmanager
    def limited(self, anchors, seconds):
        self.limited_to = tuple(anchors)
        yield

    def tell(self, message):
        if isinstance(message, Row):
            self.rows += 1
            if self.rows in self.deaths:
                raise Dead
        self.events.append((self.task, ProgressEvent(sent(message))))

    def give(self, tasks):
        (task,) = tasks
        self.assignments.append(task)
        self.task = sent(task)
        try:
            event = Done(sent(self.serve(self.task, self)))
        except Dead:
            event = Lost("an early death")
        except TooLate:
            event = Overdue(self.limited_to, 'Thread 0x1\n  File "far.py", line 3 in hang\n')
        except BaseException as error:  # noqa: BLE001 - as a worker does
            event = Failed(sent(Carried(error)))
        self.events.append((task, event))

    def wait(self, timeout_s):
        _ = timeout_s
        events, self.events = self.events, []
        return events


class InlineExecutor(Executor):
    """Runs regions by an `InlineCrew`, cut as told: rows by columns of tasks."""

    limits_time = True

    def __init__(self, cut=(2, 2), deaths=()):
        self.shape = cut
        self.deaths = deaths
        self.crew = None

    def memory_for(self, plan):
        return plan.memory_limit

    def cut(self, job):
        return Tasks(job.plan, *self.shape)

    def compute(self, run, regions):
        self.crew = InlineCrew(pack_job(run.job), self.deaths)
        Scheduler(run, self.crew, run.job.plan.memory_limit).work(regions)
