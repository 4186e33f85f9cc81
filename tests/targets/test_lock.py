"""One writer per target."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import geopatcher
from geopatcher.errors import TargetError, TargetLockedError
from geopatcher.targets.lock import SIGNATURE, TargetLock

HOLD = """
import sys, time
from pathlib import Path
from geopatcher.targets.lock import SIGNATURE, TargetLock
lock = TargetLock(Path(sys.argv[1]))
lock.take()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "x.zarr.lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_another_live_process_is_named(tmp_path, holder):
    with pytest.raises(
        TargetLockedError,
        match=rf"x.zarr is being written by process {holder.pid} on .*, which started at 20..-..-..T..:..:..",
    ):
        TargetLock(tmp_path / "x.zarr.lock").take()


def test_the_public_verb_refuses_and_reads_nothing(tmp_path, holder):
    def operator(patch):
        raise AssertionError("no patch may be computed")

    with pytest.raises(TargetLockedError, match=f"process {holder.pid}"):
        geopatcher.reconstruct(np.zeros((1, 64, 64)), operator, tmp_path / "x.zarr", size=16)
    assert [path.name for path in tmp_path.iterdir()] == ["x.zarr.lock"]


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "x.zarr.lock").exists()  # its file is there, its lock is not
    result = geopatcher.reconstruct(np.ones((1, 64, 64)), np.copy, tmp_path / "x.zarr", size=16)
    assert (result.array[...] == 1).all()
    assert not (tmp_path / "x.zarr.lock").exists()


def test_threads_of_one_process_exclude_each_other(tmp_path):
    inside, go_on = threading.Event(), threading.Event()

    def operator(patch):
        inside.set()
        go_on.wait(30)
        return patch

    image = np.ones((1, 32, 32))
    first = threading.Thread(
        target=geopatcher.reconstruct, args=(image, operator, tmp_path / "x.zarr"), kwargs={"size": 32}
    )
    first.start()
    assert inside.wait(30)
    with pytest.raises(TargetLockedError, match=f"process {os.getpid()}"):
        geopatcher.reconstruct(image, np.copy, tmp_path / "x.zarr", size=32)
    go_on.set()
    first.join()
    assert (tmp_path / "x.zarr").is_dir()


def test_many_threads_one_at_a_time(tmp_path):
    path = tmp_path / "lock"
    inside, most, got = [], [], []

    def work():
        for _ in range(200):
            lock = TargetLock(path)
            try:
                lock.take()
            except TargetLockedError:
                continue
            inside.append(1)
            most.append(len(inside))
            got.append(1)
            inside.pop()
            lock.release()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) > 8
    assert set(most) == {1}
    assert not path.exists()


def test_taking_twice_and_releasing_twice_is_harmless(tmp_path):
    lock = TargetLock(tmp_path / "lock")
    lock.take()
    lock.take()
    assert lock.held
    assert re.match(rf"process {os.getpid()} on ", (tmp_path / "lock").read_text())
    lock.release()
    lock.release()
    assert not lock.held


def test_a_folder_that_is_missing_or_read_only_is_a_plain_error(tmp_path):
    with pytest.raises(TargetError, match=r"cannot make the lock .*missing"):
        TargetLock(tmp_path / "missing" / "lock").take()


@pytest.mark.parametrize("left", [b"", b"\0" * 60, b"proc", b"process 12 on a"])
def test_what_a_loss_of_power_leaves_of_a_lock_is_one(tmp_path, left):
    path = tmp_path / "x.zarr.lock"
    path.write_bytes(left)
    lock = TargetLock(path)
    lock.take()
    assert path.read_bytes().startswith(SIGNATURE)
    lock.release()
    assert not path.exists()


@pytest.mark.parametrize("other", [b"notes", b"processes", b"p\0rocess 12"])
def test_a_file_of_somebody_else_is_none(tmp_path, other):
    path = tmp_path / "x.zarr.lock"
    path.write_bytes(other)
    with pytest.raises(TargetError, match="is in the way and is not a lock"):
        TargetLock(path).take()
    assert path.read_bytes() == other
