"""What operators of the soak do beside their work, when an environment variable asks for it."""

from __future__ import annotations

import os
import threading
import time
import types
from pathlib import Path

from geopatcher.executors.workers import process_main as child

#: Names the folder in which a worker that outlives its parent says that it waits, and finds its gate.
DEAF = "SOAK_DEAF"
#: Calls in a process after which it waits: by then it is known what is being made.
FREE_CALLS = 3


class Calls:
    """How many calls there were in this process."""

    n = 0


def interfere():
    """Wait, where a folder says so: in the midst of a row, deaf to the death of the parent."""
    folder = os.environ.get(DEAF)
    Calls.n += 1
    if folder is None or Calls.n <= FREE_CALLS:
        return
    # A worker of a pool ends when its parent does. One whose network is gone notices nothing.
    child.os = types.SimpleNamespace(_exit=lambda _: threading.Event().wait())
    child.PipeChannel.tell = child.PipeChannel.send = lambda _channel, _message: None
    Path(folder, f"waits {os.getpid()}").touch()
    while not Path(folder, "gate").exists():
        time.sleep(0.01)


def record_syncs(log):
    """Write down every file that is synced, as it was then: inode, size and time of change."""
    real, descriptor = os.fsync, os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def fsync(file):
        status = os.fstat(file)
        real(file)
        os.write(descriptor, f"{status.st_ino} {status.st_size} {status.st_mtime_ns}\n".encode())

    os.fsync = fsync
