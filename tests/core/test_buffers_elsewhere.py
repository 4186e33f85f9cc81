"""Memory that is used again in threads, in child processes and while a process ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from geopatcher.core import buffers
from geopatcher.core.buffers import recycling, zeros
from shelves import U8, N, ends, kept, on_linux


def test_threads_with_their_own_contexts_do_not_disturb_each_other():
    start = threading.Barrier(4)

    def work(tag):
        start.wait(30)
        for turn in range(15):
            with recycling():
                first = zeros((N + 8 * (turn % 2),), U8)
                assert not ends(first).any()
                first.fill(tag)
                second = zeros((N,), U8)
                assert not ends(second).any()
                second.fill(tag + 100)
                assert (ends(first) == tag).all()
                del first
                assert (ends(second) == tag + 100).all()
                del second
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(1, 5)))
    assert not kept()


def test_arrays_made_in_one_thread_and_dropped_in_another_are_whole():
    with recycling(), ThreadPoolExecutor(2) as pool:
        waiting = []
        for tag in range(60):
            array = zeros((N,), U8)
            assert not ends(array).any()
            array.fill(tag)
            waiting.append(pool.submit(lambda array, tag: bool((ends(array) == tag).all()), array, tag))
            del array
        assert all(each.result() for each in waiting)
        waiting.clear()
    assert not kept()


@on_linux
def test_a_child_process_does_not_write_into_its_parents_memory():
    program = (
        "import os, numpy as np\n"
        "from geopatcher.core.buffers import LARGE_BYTES, recycling, zeros\n"
        "with recycling():\n"
        "    array = zeros((LARGE_BYTES,), np.dtype('uint8'))\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        array.fill(9)\n"
        "        os._exit(0)\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "    assert not array.any()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_arrays_alive_at_the_end_of_the_process_end_quietly():
    program = (
        "import sys, numpy as np\n"
        "from geopatcher.core import buffers\n"
        "array, sys.kept, np.kept, buffers.kept = (\n"
        "    buffers.zeros((buffers.LARGE_BYTES,), np.dtype('uint8')) for _ in range(4)\n"
        ")\n"
        "loop = [array]\n"
        "loop.append(loop)\n"
        "context = buffers.recycling()\n"
        "context.__enter__()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=60, capture_output=True, text=True
    )
    assert done.stderr == ""


@on_linux
def test_memory_given_back_while_memory_is_given_back_stops_nothing(monkeypatch):
    """The garbage collector may drop an array at any moment, also within the shelf's own work."""
    shelf = buffers._Shelf()
    monkeypatch.setattr(buffers, "_SHELF", shelf)
    garbage = []

    class Collecting:
        """A lock, in whose hold garbage is collected."""

        def __init__(self, lock):
            self.lock = lock

        def __enter__(self):
            self.lock.__enter__()
            garbage.clear()

        def __exit__(self, *error):
            self.lock.__exit__(*error)

    shelf._lock = Collecting(shelf._lock)

    def work():
        with recycling():
            for _ in range(2):
                array = zeros((N,), U8)
                garbage.append(zeros((N,), U8))
                del array

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(2)
    assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
def test_a_process_forked_off_while_the_shelf_is_in_use_is_not_stopped_by_it():
    program = (
        "import os, threading\n"
        "import numpy as np\n"
        "from geopatcher.core import buffers\n"
        "held, done = threading.Event(), threading.Event()\n"
        "def hold():\n"
        "    with buffers._SHELF._lock:\n"
        "        held.set(); done.wait()\n"
        "threading.Thread(target=hold).start(); held.wait()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    buffers.empty((1 << 21,), np.dtype('uint8')); os._exit(7)\n"
        "_, status = os.waitpid(child, 0); done.set()\n"
        "print(os.waitstatus_to_exitcode(status))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "7\n"
