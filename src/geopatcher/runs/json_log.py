"""A log with one line of JSON per strip: for a person to follow, for a machine to read."""

from __future__ import annotations

import datetime as dt
import json
import time
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geopatcher.core.containment import told
from geopatcher.engine.resident import rss_bytes
from geopatcher.errors.redaction import shown

if TYPE_CHECKING:
    from pathlib import Path

    from geopatcher.engine.stats import RunStats
    from geopatcher.planning.anchors import Strip
    from geopatcher.planning.plan import Plan


@dataclass
class RunLog:
    r"""Appends a line to a file for the begin of a run, for each strip, and for the end.

    The numbers of a strip's line are of that strip, since the line before:

    - ``time`` UTC, ISO 8601; ``elapsed_s`` seconds since the run began;
    - ``rows`` the half-open span of pixel rows its patches need, ``columns`` that of the region;
    - ``patches``, ``empty`` and ``failed``; ``done`` of ``total`` counts all patches so far;
    - ``bytes_read``, ``bytes_written`` before compression, ``seconds`` by stage (stages overlap);
    - ``requests`` to servers, ``bytes_fetched`` by them, ``retries`` among them, see `RunStats`;
    - ``rss_bytes`` the memory the process holds.

    A log that cannot be written is a `RuntimeWarning` and ends; it never ends the run.
    """

    path: Path
    stats: RunStats
    total: int = 0
    _started: float = field(default_factory=time.perf_counter)
    _before: dict[str, int] = field(default_factory=dict)
    _seconds: dict[str, float] = field(default_factory=dict)
    _broken: bool = False

    def began(self, source: str, target: str, total: int, raster: tuple[int, int]) -> None:
        """Write that a run begins, of how many patches, and over how many rows and columns."""
        self.total = total
        what = {"source": source, "target": target, "total": total, "raster": list(raster)}
        self._write({"event": "begin", "time": _now(), **what})

    def strip_done(self, plan: Plan, strip: Strip) -> None:
        """Write the line of a strip."""
        counts = self._counts()
        seconds = dict(self.stats.seconds)
        since = {name: count - self._before.get(name, 0) for name, count in counts.items()}
        spent = {name: round(value - self._seconds.get(name, 0.0), 4) for name, value in seconds.items()}
        self._before, self._seconds = counts, seconds
        self._write(
            {
                "event": "strip",
                "time": _now(),
                "elapsed_s": round(time.perf_counter() - self._started, 3),
                "rows": list(strip.rows),
                "columns": [plan.region.col0, plan.region.col1],
                **since,
                "done": counts["patches"] + counts["empty"],
                "total": self.total,
                "seconds": spent,
                "rss_bytes": rss_bytes(),
            }
        )

    def ended(self, outcome: str) -> None:
        """Write how the run ended: ``"complete"``, or the name of what ended it."""
        self._write(
            {
                "event": "end",
                "time": _now(),
                "elapsed_s": round(time.perf_counter() - self._started, 3),
                "outcome": outcome,
                **self._counts(),
                "rss_bytes": rss_bytes(),
            }
        )

    def _counts(self) -> dict[str, int]:
        stats = self.stats
        stats.count_traffic()
        return {
            "patches": stats.patches,
            "empty": stats.skipped,
            "failed": stats.failed,
            "bytes_read": stats.bytes_read,
            "bytes_written": stats.bytes_written,
            "requests": stats.requests,
            "bytes_fetched": stats.bytes_fetched,
            "retries": stats.retries,
        }

    def _write(self, record: dict[str, object]) -> None:
        if self._broken:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            self._broken = True
            name = shown(str(self.path))
            warnings.warn(
                f"cannot write the log {name}: {told(error)}; the run goes on", RuntimeWarning, stacklevel=2
            )


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
