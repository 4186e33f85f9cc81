"""What a run did, and where its time went."""

from __future__ import annotations

import heapq
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geopatcher.formats.traffic import TRAFFIC
from geopatcher.planning.memory import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Stages of a run, in the order of the data's way.
STAGES = ("read", "operate", "accumulate", "finalise", "write")

#: Numbers of `RunStats`, but for the seconds by stage.
COUNTS = (
    "patches",
    "skipped",
    "failed",
    "averaged",
    "clipped",
    "blank",
    "blocks",
    "bytes_read",
    "bytes_written",
    "requests",
    "bytes_fetched",
    "retries",
    "source_bytes",
    "target_bytes",
    "elapsed",
    "peak_bytes",
    "batch_size",
)

#: More of anything than this was not counted by us.
MOST = 2**63

#: Those that parts of a run add up to.
ADDED = (
    *("patches", "skipped", "failed", "averaged", "clipped", "blank", "blocks"),
    *("bytes_read", "bytes_written"),
    *("requests", "bytes_fetched", "retries"),
)


@dataclass
class RunStats:
    """Counts and times of a run.

    ``seconds`` is time spent in each stage; stages overlap, so they may add up to more than
    ``elapsed``. ``bytes_read`` counts decoded pixels asked of the source, ``bytes_written`` encoded
    blocks handed to the sink before compression. ``peak_bytes`` is the peak resident size of the process,
    interpreter and libraries included, and of a run on workers the sum of theirs and its own.
    ``requests`` are those to servers, ``bytes_fetched`` what they asked for, and ``retries`` how many were
    made again: for single GeoTIFFs and zarr stores that lie elsewhere, and about the version of any file
    there. Runs at the same time in one process share them.
    ``averaged`` is not 0 where integers of overlapping patches differed and were averaged. ``clipped``
    counts cells of this run whose values were beyond the range of ``scale_to``, and became its ends.
    ``blank`` counts patches over pixels that hold data whose results hold none.
    ``batch_size`` is how many patches the operator was given at once; with ``"auto"``, how many it came to.
    ``notes`` say what a person should know about the run.
    """

    patches: int = 0
    skipped: int = 0
    failed: int = 0
    averaged: int = 0
    clipped: int = 0
    blank: int = 0
    blocks: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    requests: int = 0
    bytes_fetched: int = 0
    retries: int = 0
    source_bytes: int = 0
    target_bytes: int = 0
    elapsed: float = 0.0
    peak_bytes: int = 0
    batch_size: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    _peaks: dict[str, int] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __repr__(self) -> str:
        peak = format_bytes(self.peak_bytes)
        return f"RunStats({self.patches:,} patches, {self.elapsed:.2f} s, peak {peak})"

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

    def count_read(self, n_bytes: int) -> None:
        """Add bytes of pixels; any thread may."""
        with self._lock:
            self.bytes_read += n_bytes

    def count_traffic(self) -> None:
        """Add the requests that this process has made since somebody counted them last."""
        traffic = TRAFFIC.take()
        with self._lock:
            self.requests += traffic.requests
            self.bytes_fetched += traffic.bytes_fetched
            self.retries += traffic.retries

    def note_peak(self, process: str, n_bytes: int) -> None:
        """Keep the peak resident size of one of the processes of a run."""
        with self._lock:
            self._peaks[process] = max(n_bytes, self._peaks.get(process, 0))

    def sum_peaks(self, process: str, n_others: int) -> None:
        """Let ``peak_bytes`` be the peak of a process and those of the ``n_others`` that took most.

        There may have been more of them, one after another: a worker that is killed is replaced.
        """
        with self._lock:
            others = [n_bytes for name, n_bytes in self._peaks.items() if name != process]
            self.peak_bytes = self._peaks.get(process, 0) + sum(heapq.nlargest(n_others, others))

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
            self.batch_size = other.batch_size or self.batch_size
            for name, seconds in other.seconds.items():
                self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        for process, n_bytes in other._peaks.items():
            self.note_peak(process, n_bytes)

    def since(self, before: RunStats) -> RunStats:
        """Return what was added since the state of ``before``, which is brought up to date."""
        self.count_traffic()
        new = RunStats(batch_size=self.batch_size, _peaks=dict(self._peaks))
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
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MOST:
                setattr(self, name, value)
        seconds = known.get("seconds")
        if isinstance(seconds, dict):
            self.seconds |= {
                str(name): value
                for name, value in seconds.items()
                if isinstance(value, float) and 0 <= value < MOST
            }

    def as_dict(self) -> dict[str, float | int | list[str] | dict[str, float]]:
        """Return everything, JSON-able."""
        known = {name: value for name, value in self.__dict__.items() if not name.startswith("_")}
        return known | {
            "read_amplification": self.read_amplification,
            "write_amplification": self.write_amplification,
        }
