"""Requests to servers, counted: GDAL tells of its own in messages, and what else asks says so itself."""

from __future__ import annotations

import os
import re
import threading
from typing import NamedTuple

#: Of GDAL's messages those that tell of requests, by the names of its file systems.
TELLING = "VSICURL,S3,GS,AZURE,ADLS,OSS,SWIFT"

_HEAD = re.compile(r"\b[A-Z0-9]+: GetFileSize\(.*response_code=\d")
_RANGES = re.compile(r"\bDownloading (\d+)-(\d+)")
_AGAIN = re.compile(r"Retrying again in ")


class Traffic(NamedTuple):
    """How much was asked of servers: requests, bytes of ranges that were asked for, and further tries."""

    requests: int = 0
    bytes_fetched: int = 0
    retries: int = 0


class TrafficCounter:
    """Counts the traffic of this process until somebody takes the count, who counts on.

    Runs at the same time in one process share what there is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since = Traffic()

    def add(self, requests: int = 0, bytes_fetched: int = 0, retries: int = 0) -> None:
        """Count something; any thread may."""
        with self._lock:
            before = self._since
            self._since = Traffic(
                before.requests + requests, before.bytes_fetched + bytes_fetched, before.retries + retries
            )

    def hear(self, text: str) -> None:
        """Count what a message of GDAL's tells of.

        >>> counter = TrafficCounter()
        >>> counter.hear("CPLE_None in VSICURL: Downloading 0-16383 (http://host/a.tif)...")
        >>> counter.take()
        Traffic(requests=1, bytes_fetched=16384, retries=0)
        """
        span = _RANGES.search(text)
        if span is not None:
            self.add(1, int(span[2]) - int(span[1]) + 1)
        elif _HEAD.search(text):
            self.add(1)
        elif _AGAIN.search(text):
            self.add(1, retries=1)

    def take(self) -> Traffic:
        """Return the count, which begins anew."""
        with self._lock:
            taken, self._since = self._since, Traffic()
        return taken

    def start_anew(self) -> None:
        """In a forked child the lock may have been held, and what was asked the parent counts."""
        self._lock = threading.Lock()
        self._since = Traffic()


#: Of the whole process.
TRAFFIC = TrafficCounter()
os.register_at_fork(after_in_child=TRAFFIC.start_anew)
