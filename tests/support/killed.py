"""Runs jobs in children that are killed: at a moment, or before a certain step on the file system.

Started as a process of its own it answers requests, a line of JSON each, and forks for every one: a
child is up in milliseconds, and whatever it does to itself is its own affair.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

import geopatcher

#: What `sys.addaudithook` tells of steps that change files.
STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}
SIZE, STEP, CHUNK = 32, 16, 64
#: Longest that a child may take.
CHILD_S = 240
#: Of the first band of `image`, with ``labels``, what is more belongs to objects.
LABELLED = 0.45


def image(height, width):
    return np.random.default_rng(7).random((2, height, width), dtype=np.float32)


def operator_of(request):
    """Return an operator that counts its calls in a file, and takes its time."""
    calls, delay = request["calls"], request.get("delay_s", 0.0)

    def operator(patch):
        with Path(calls).open("ab") as file:
            file.write(b".")
        time.sleep(delay)
        if request.get("fail_on") and patch[0, 0, 0] in np.float32(request["fail_on"]):
            raise ArithmeticError("told to fail")
        if request.get("labels"):
            return ndimage.label(patch[0] > LABELLED)[0]
        return np.sqrt(patch[::-1]) * 3 + patch[:, ::-1]

    class Same:
        """Whatever it counts and however long it takes, it makes the same result."""

        __name__ = "operator"

        def fingerprint(self):
            return "square roots"

        def __call__(self, patch):
            return operator(patch)

    return Same()


def run(request):
    """Reconstruct as the request says."""
    return geopatcher.reconstruct(
        image(*request["shape"]),
        operator_of(request),
        request["target"],
        size=SIZE,
        step=STEP,
        chunks=CHUNK,
        **request.get("keywords", {}),
    )


def kill_before_step(number, folder, report):
    """Kill this process before its ``number``-th step that changes files in ``folder``; count them."""
    count = 0

    def hear(event, arguments):
        nonlocal count
        if event not in STEPS or not any(folder in str(argument) for argument in arguments[:2]):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE):
            return
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)
    return lambda: report and Path(report).write_text(str(count))


def child(request):
    """Be the child: run, and leave without a word to the parent's buffers."""
    code = 1
    try:
        if request.get("kill_before_step"):
            report = kill_before_step(
                request["kill_before_step"], str(Path(request["target"]).parent), request.get("report")
            )
            run(request)
            report()
        else:
            run(request)
        code = 0
    except geopatcher.GeopatcherError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        code = 3
    finally:
        os._exit(code)


def answer(request, child):
    """Fork, run, kill in time, and tell how it ended: 0, 1 for an error, or minus the signal."""
    pid = os.fork()
    if pid == 0:
        faulthandler.dump_traceback_later(CHILD_S, exit=True)  # who waits for it has no limit
        child(request)
    if request.get("kill_after_s") is not None:
        deadline = time.monotonic() + request["kill_after_s"]
        while time.monotonic() < deadline:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.001)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, getattr(signal, request.get("signal", "SIGKILL")))
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


class Server:
    """The process that forks, and how tests talk to it; ``program`` is one that calls `serve`."""

    def __init__(self, *program):
        environment = {**os.environ, "GDAL_PAM_ENABLED": "NO"}
        self.process = subprocess.Popen(
            [sys.executable, *(program or (__file__,))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __call__(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the server died"
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


def seeded(number):
    return random.Random(number)  # noqa: S311 - to be drawn again, not to be secret


def serve(child):
    """Fork for every request, which ``child`` then carries out."""
    geopatcher.reconstruct  # noqa: B018 - imports what a run needs, once for all children
    for line in sys.stdin:
        print(answer(json.loads(line), child), flush=True)


if __name__ == "__main__":
    serve(child)
