"""What a run did, and where its time went."""

from __future__ import annotations

import resource
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Stages of a run, in the order of the data's way.
STAGES = ("read", "operate", "accumulate", "finalise", "write")


@dataclass
class RunStats:
    """Counts and times of a run.

    ``seconds`` is time spent in each stage; stages overlap, so they may add up to more than
    ``elapsed``. ``bytes_read`` counts decoded pixels asked of the source, ``bytes_written`` encoded
    blocks handed to the sink before compression. ``peak_bytes`` is the process's peak resident size.
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
            for name in ("patches", "skipped", "failed", "blocks", "bytes_read", "bytes_written"):
                setattr(self, name, self.__dict__[name] + other.__dict__[name])
            for name, seconds in other.seconds.items():
                self.seconds[name] = self.seconds.get(name, 0.0) + seconds
            self.peak_bytes = max(self.peak_bytes, other.peak_bytes)

    def as_dict(self) -> dict[str, float | int | dict[str, float]]:
        """Return everything, JSON-able."""
        known = {name: value for name, value in self.__dict__.items() if not name.startswith("_")}
        return known | {
            "read_amplification": self.read_amplification,
            "write_amplification": self.write_amplification,
        }


def peak_rss_bytes() -> int:
    """Return the peak resident size of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
