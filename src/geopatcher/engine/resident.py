"""The resident size of a process, as the system tells it: now, at its peak, and what one call adds.

A peak is ``VmHWM`` of ``/proc/self/status``. What `resource.getrusage` tells in its place begins, in a
process that was started by another one, at what that one held: it stands in only where there is no ``/proc``.
"""

from __future__ import annotations

import os
import re
import resource
import socket
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

A = TypeVar("A")
T = TypeVar("T")

_STATUS = Path("/proc/self/status")
_REFS = Path("/proc/self/clear_refs")
_PAGES = Path("/proc/self/statm")
#: Seconds between two looks at the size while a call is measured.
LOOK_S = 0.001
#: What libraries add to a process that a run loads only when it needs them.
LIBRARY_BYTES: Mapping[str, int] = {
    "numcodecs": 7 << 20,
    "zarr": 14 << 20,
    "pyproj": 12 << 20,
}

#: Those that a result on disk needs.
STORE_LIBRARIES = ("numcodecs", "zarr", "pyproj")


def this_process() -> str:
    """Return what tells this process from all others of a cluster."""
    return f"{socket.gethostname()} {os.getpid()}"


def rss_bytes() -> int:
    """Return the resident size of this process, the peak one where the system tells no other."""
    try:
        pages = int(_PAGES.read_text(encoding="ascii").split()[1])
    except OSError:
        return peak_rss_bytes()
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_rss_bytes() -> int:
    """Return the peak resident size of this process."""
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB", _STATUS.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def forget_peak() -> None:
    """Let the peak of this process begin anew, where the system can do that: Linux.

    It is for programs that do other things before a run, not for libraries.
    """
    with suppress(OSError):
        _REFS.write_text("5", encoding="ascii")


def unloaded_bytes(libraries: Iterable[str]) -> int:
    """Return what those of `LIBRARY_BYTES` will add that are not loaded yet.

    >>> unloaded_bytes([])
    0
    """
    return sum(LIBRARY_BYTES[name] for name in libraries if name not in sys.modules)


class Taken(NamedTuple):
    """What was seen of the memory of a process: bytes that are counted apart from those of its regions.

    ``idle_bytes`` is what it took before the first of them; ``call_bytes`` what a call of the operator
    added and gave back, ``kept_bytes`` what stayed, such as libraries, a model or a cache.
    """

    idle_bytes: int = 0
    call_bytes: int = 0
    kept_bytes: int = 0

    def or_more(self, other: Taken) -> Taken:
        """Return the larger of each."""
        return Taken(*map(max, self, other))


class _Quiet:
    """Lets calls run beside each other, but for one that is measured: it waits for them, and they for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._beside = 0
        self._wanted = 0

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Run when nobody measures, or wants to."""
        with self._changed:
            self._changed.wait_for(lambda: not self._wanted)
            self._beside += 1
        try:
            yield
        finally:
            with self._changed:
                self._beside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Run when all others have ended; one thread measures."""
        with self._changed:
            self._wanted += 1
            self._changed.wait_for(lambda: not self._beside)
        try:
            yield
        finally:
            with self._changed:
                self._wanted -= 1
                self._changed.notify_all()


@dataclass
class Meter:
    """Measures what calls of an operator add to the process: the first, and each of more patches than before.

    ``taken`` is what it found, 0 where the system does not tell. ``most`` is how many patches the largest
    call had, and ``grown`` the bytes at the peak of the last one, without what the first had kept.
    """

    taken: Taken = field(default_factory=Taken)
    most: int = 0
    grown: int = 0
    _told: bool = _PAGES.exists()
    _loaded: int | None = None
    _quiet: _Quiet = field(default_factory=_Quiet, repr=False)

    def beside(self, call: Callable[[A], T]) -> Callable[[A], T]:
        """Return a call that takes memory in another thread, and does not while one is measured."""

        def waiting(argument: A) -> T:
            with self._quiet.beside():
                return call(argument)

        return waiting

    def wants(self, n: int) -> bool:
        """Whether a call with ``n`` patches is to be measured."""
        return self._told and n > self.most

    def measure(self, call: Callable[[], T], n: int) -> T:
        """Return what a call with ``n`` patches of full size returns; 0 for others."""
        with self._quiet.alone():
            before, highest = rss_bytes(), peak_rss_bytes()
            with _Lookout(before) as lookout:
                result = call()
            after = peak_rss_bytes()
            kept = max(0, rss_bytes() - before)
        peak = max(lookout.most - before, after - before if after > highest else 0)
        taken = self.taken
        if self._loaded is None:  # what is loaded once does not grow with batches
            self._loaded = kept
        self.grown = taken.kept_bytes + peak - self._loaded
        self.taken = Taken(0, max(taken.call_bytes, peak - kept), taken.kept_bytes + kept)
        self.most = max(self.most, n)
        return result


class _Lookout:
    """Looks at the size of the process in a thread, again and again, and keeps the largest.

    The peak that the system keeps does not show a call that stays below an earlier one.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="geopatcher-lookout", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.most = max(self.most, rss_bytes())

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            self.most = max(self.most, rss_bytes())
