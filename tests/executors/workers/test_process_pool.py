"""Worker processes by themselves."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from geopatcher.errors import TransportError, WorkerLostError
from geopatcher.executors.workers.blas_threads import THREAD_VARIABLES
from geopatcher.executors.workers.pickling import pack
from geopatcher.executors.workers.process_main import Done, Failed, ProgressEvent
from geopatcher.executors.workers.process_pool import Lost, Pool


def everything(pool, tasks):
    """Have tasks done; return what was heard, task by task."""
    heard = {task: [] for task in tasks}
    todo = list(tasks)
    while todo or pool.busy:
        pool.give([todo.pop(0) for _ in range(min(pool.room, len(todo)))])
        for task, event in pool.wait(10):
            heard[task].append(event)
    return heard


def serve(task, channel):
    if task == "environment":
        return {name: os.environ.get(name) for name in THREAD_VARIABLES}
    if task == "large":
        channel.tell(np.zeros(3_000_000))
        return os.getpid()
    if task == "raise":
        raise ValueError("told to")
    if task == "exit":
        os._exit(3)
    if task == "wait":
        while not channel.stop_requested():
            time.sleep(0.01)
        return "stopped"
    if task == "path":
        return sys.path
    channel.tell(f"{task} begins")
    return task * 2


@pytest.fixture(scope="module")
def pool():
    with Pool(2, pack(serve)) as pool:
        yield pool


def test_tasks_are_done_and_tell(pool):
    heard = everything(pool, ["a", "b", "c", "d", "e"])
    assert heard == {task: [ProgressEvent(f"{task} begins"), Done(task * 2)] for task in "abcde"}


def test_threads_are_divided_before_anything_is_imported(pool):
    (done,) = everything(pool, ["environment"])["environment"]
    share = str(max(1, len(os.sched_getaffinity(0)) // 2))
    assert done.result == dict.fromkeys(THREAD_VARIABLES, share)
    assert {name: os.environ.get(name) for name in THREAD_VARIABLES} != done.result


def test_large_messages_pass(pool):
    told, done = everything(pool, ["large"])["large"]
    assert told.message.nbytes == 24_000_000
    assert done.result != os.getpid()


def test_an_error_is_told_and_the_worker_goes_on(pool):
    (failed,) = everything(pool, ["raise"])["raise"]
    assert isinstance(failed, Failed)
    assert isinstance(failed.carried.revive(), ValueError)
    assert everything(pool, ["x"])["x"][-1] == Done("xx")


def test_a_worker_that_ends_is_replaced(pool):
    assert everything(pool, ["exit"])["exit"] == [Lost("exit code 3")]
    heard = everything(pool, ["x", "y", "z"])
    assert [events[-1] for events in heard.values()] == [Done("xx"), Done("yy"), Done("zz")]


def test_modules_are_found_where_the_parent_finds_them(pool):
    (done,) = everything(pool, ["path"])["path"]
    assert done.result == [path or str(Path.cwd()) for path in sys.path]


def test_tasks_hear_that_they_should_stop():
    with Pool(2, pack(serve)) as pool:
        threading.Timer(0.5, pool.stop).start()
        assert everything(pool, ["wait"])["wait"] == [Done("stopped")]


def test_work_that_cannot_be_taken_over_is_told():
    with Pool(1, b"cgone_module\nf\n.") as pool:
        (failed,) = everything(pool, ["x"])["x"]
        with pytest.raises(TransportError, match="No module named 'gone_module'"):
            raise failed.carried.revive()


def test_workers_that_never_live_end_the_wait(monkeypatch):
    monkeypatch.setattr("geopatcher.executors.workers.process_pool.START", "import sys; sys.exit(7)")

    def insist():
        with Pool(2, pack(serve)) as pool:
            while True:
                pool.give(["x"] * pool.room)
                pool.wait(10)

    with pytest.raises(WorkerLostError, match="end as soon as they are started, the last one by exit code 7"):
        insist()


def explode():
    raise ZeroDivisionError("while it was unpacked")


class Explodes:
    def __reduce__(self):
        return (explode, ())


def test_a_task_that_cannot_be_unpacked_is_told(pool):
    (failed,) = everything(pool, [task := Explodes()])[task]
    with pytest.raises(TransportError, match="ZeroDivisionError: while it was unpacked"):
        raise failed.carried.revive()
    assert everything(pool, ["x"])["x"][-1] == Done("xx")


def test_leaving_early_ends_the_workers():
    processes = []

    def leave():
        with Pool(2, pack(serve)) as pool:
            pool.give(["wait", "wait"])
            processes.extend(worker.process for worker in pool._workers)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert [process.returncode for process in processes] == [-signal.SIGKILL] * 2
