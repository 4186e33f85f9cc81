"""A time limit for calls in a worker process, after which the process ends.

What hangs may hold the interpreter, so nothing written in Python could end it: the limit is kept by a
thread of the C library, by way of `faulthandler`. What was being done, and where it hung, is left in a
file that the parent holds.
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: ``(row, col)`` of patches.
Anchors = tuple[tuple[int, int], ...]
#: What `faulthandler` writes first.
_OVER = b"Timeout ("


@dataclass(frozen=True)
class Overdue:
    """A call took longer than it may: on which patches, and where its process was, as far as is known."""

    anchors: Anchors
    trace: str = ""

    @property
    def place(self) -> str:
        r"""The innermost line of Python of the thread that began first, which runs the tasks.

        >>> reads = 'Thread 0x1:\n  File "a.py", line 3 in read\n'
        >>> runs = 'Thread 0x2:\n  File "b.py", line 8 in op\n'
        >>> Overdue((), reads + runs).place
        'op (b.py, line 8)'
        """
        *_, main = self.trace.split("Thread ")
        match = re.search(r'File "(.*)", line ([0-9]+) in (.*)', main)
        return "" if match is None else f"{match[3]} ({match[1]}, line {match[2]})"


@dataclass(frozen=True)
class Deadline:
    """Ends this process when a call takes too long; ``descriptor`` is the file that says so."""

    descriptor: int

    @contextmanager
    def limited(self, anchors: Sequence[tuple[int, int]], seconds: float) -> Iterator[None]:
        """Give what is done in the context so many seconds."""
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        os.write(self.descriptor, json.dumps(list(anchors)).encode() + b"\n")
        faulthandler.dump_traceback_later(seconds, exit=True, file=self.descriptor)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def overdue(file: IO[bytes]) -> Overdue | None:
    """Return what the file of a process that has ended says, ``None`` where it ended of something else."""
    file.seek(0)
    what, _, trace = file.read().partition(b"\n")
    if not trace.startswith(_OVER):
        return None
    return Overdue(tuple((row, col) for row, col in json.loads(what)), trace.decode(errors="replace"))
