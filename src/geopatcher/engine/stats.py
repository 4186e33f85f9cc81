"""What a run did, and where its time went."""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Stages of a run, in the order of the data's way.
STAGES = ("read", "operate", "accumulate", "finalise", "write")

#: Numbers of `RunStats`, but for the seconds by stage.
COUNTS = (
    "patches",
    "skipped",
    "failed",
    "blocks",
    "bytes_read",
    "bytes_written",
    "source_bytes",
    "target_bytes",
    "elapsed",
    "peak_bytes",
)

#: Those that parts of a run add up to.
ADDED = ("patches", "skipped", "failed", "blocks", "bytes_read", "bytes_written")


@dataclass
class RunStats:
    """Counts and times of a run.

    ``seconds`` is time spent in each stage; stages overlap, so they may add up to more than
    ``elapsed``. ``bytes_read`` counts decoded pixels asked of the source, ``bytes_written`` encoded
    blocks handed to the sink before compression. ``peak_bytes`` is the process's peak resident size.
    ``notes`` say what a person should know about the run.
    """

    patches: int = 0
    skipped: int = 0
    failed: int = 0
    blocks: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    source_bytes: int = 0
    target_bytes: int = 0
    elapsed: float = 0.0
    peak_bytes: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.spend(name, time.perf_counter() - start)

    def spend(self, name: str, seconds: float) -> None:
        """Add seconds to a stage; any thread may."""
        with self._lock:
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    @property
    def read_amplification(self) -> float:
        """Bytes read over the raster's own bytes: 1.0 when no pixel was read twice."""
        return self.bytes_read / self.source_bytes if self.source_bytes else 0.0

    @property
    def write_amplification(self) -> float:
        """Bytes written over the result's own bytes: at most 1.0 when each block was written once."""
        return self.bytes_written / self.target_bytes if self.target_bytes else 0.0

    def add(self, other: RunStats) -> None:
        """Add the counts of another part of the same run, such as a region another process ran."""
        with self._lock:
            for name in ADDED:
                setattr(self, name, self.__dict__[name] + other.__dict__[name])
            for name, seconds in other.seconds.items():
                self.seconds[name] = self.seconds.get(name, 0.0) + seconds
            self.peak_bytes = max(self.peak_bytes, other.peak_bytes)

    def since(self, before: RunStats) -> RunStats:
        """Return what was added since the state of ``before``, which is brought up to date."""
        new = RunStats(peak_bytes=self.peak_bytes)
        with self._lock:
            for name in ADDED:
                setattr(new, name, self.__dict__[name] - before.__dict__[name])
            for name, seconds in self.seconds.items():
                new.seconds[name] = seconds - before.seconds.get(name, 0.0)
        before.add(new)
        return new

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def recall(self, known: Mapping[str, object]) -> None:
        """Take over counts, bytes and times written down earlier by `as_dict`; others stay."""
        for name in COUNTS:
            value = known.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                setattr(self, name, value)
        seconds = known.get("seconds")
        if isinstance(seconds, dict):
            self.seconds |= {str(name): value for name, value in seconds.items() if isinstance(value, float)}

    def as_dict(self) -> dict[str, float | int | list[str] | dict[str, float]]:
        """Return everything, JSON-able."""
        known = {name: value for name, value in self.__dict__.items() if not name.startswith("_")}
        return known | {
            "read_amplification": self.read_amplification,
            "write_amplification": self.write_amplification,
        }


def rss_bytes() -> int:
    """Return the resident size of this process, the peak one where the system tells no other."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return peak_rss_bytes()
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_rss_bytes() -> int:
    """Return the peak resident size of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
