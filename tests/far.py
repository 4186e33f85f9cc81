"""Operators that workers import, and a crew without processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np

from geopatcher.executors.child import Done, Failed, Told
from geopatcher.executors.crew import Foreman
from geopatcher.executors.pool import Lost
from geopatcher.executors.regional import Row, pack_job
from geopatcher.executors.running import Executor
from geopatcher.executors.transport import Carried, pack, unpack
from geopatcher.planning.tasks import Tasks


def bend(pixels):
    """A pure function of a patch that makes overlapping patches disagree."""
    factor = 1 + (abs(np.nan_to_num(pixels.astype(np.float64)).sum()) % 7) / 8
    return (pixels * factor).astype(pixels.dtype)


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


class Slow:
    """Like `bend`, with a pause, and a mark in a file for each call."""

    def __init__(self, calls, pause_s):
        self.calls = str(calls)
        self.pause_s = pause_s

    def __call__(self, pixels):
        with Path(self.calls).open("ab") as file:
            file.write(b".")
        time.sleep(self.pause_s)
        return bend(pixels)


def fails_on_a_minimum(pixels):
    if pixels.min() < 0.0005:
        raise ArithmeticError(f"too low: {pixels.min():.5f}")
    return bend(pixels)


def sent(value):
    """Return what arrives of a value at another process."""
    return unpack(pack(value))


class Dead(BaseException):
    """The end of a worker that is none."""


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

    def tell(self, message):
        if isinstance(message, Row):
            self.rows += 1
            if self.rows in self.deaths:
                raise Dead
        self.events.append((self.task, Told(sent(message))))

    def give(self, tasks):
        (task,) = tasks
        self.assignments.append(task)
        self.task = sent(task)
        try:
            event = Done(sent(self.serve(self.task, self)))
        except Dead:
            event = Lost("an early death")
        except BaseException as error:  # noqa: BLE001 - as a worker does
            event = Failed(sent(Carried(error)))
        self.events.append((task, event))

    def wait(self, timeout_s):
        _ = timeout_s
        events, self.events = self.events, []
        return events


class InlineExecutor(Executor):
    """Runs regions by an `InlineCrew`, cut as told: rows by columns of tasks."""

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
        Foreman(run, self.crew, run.job.plan.memory_limit).work(regions)
