"""Operators whose workers outlive who gave them their work, as after the death of a client."""

from __future__ import annotations

import os
import threading
import time
import types
from pathlib import Path

from geopatcher.executors.workers import process_main as child

#: Calls of an operator in one process after which it waits: by then it is known what is being made.
FREE_CALLS = 40


class Waits:
    """Waits in the middle of a row of blocks until a gate is opened, and then goes on."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.calls = 0

    def fingerprint(self):
        return "waits"

    def __call__(self, patch):
        self.calls += 1
        if self.calls > FREE_CALLS:
            # A worker of a pool ends when its parent does. One whose network is gone notices nothing.
            child.os = types.SimpleNamespace(_exit=for_ever)
            child.PipeChannel.tell = say_nothing
            (self.folder / f"waiting {os.getpid()} {threading.get_ident()}").touch()
            while not (self.folder / "gate").exists():
                time.sleep(0.01)
        return patch * 7


def for_ever(code):
    """Do nothing, instead of ending the process."""
    _ = code
    threading.Event().wait()


def say_nothing(channel, message):
    """Do nothing, instead of noticing that nobody listens."""
    _ = channel, message


def waiting(folder):
    """Return the processes that wait, or have waited."""
    return {int(path.name.split()[1]) for path in Path(folder).glob("waiting *")}


def wait_for(condition, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
