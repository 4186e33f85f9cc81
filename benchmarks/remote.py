"""A Cloud-Optimized GeoTIFF behind a slow network, against the same behind none.

    python -m benchmarks.remote [--rounds 5] [--side 10980]

A server of byte ranges on the loopback waits before each answer, and gives each connection so many bytes a
second. Each run is a fresh interpreter that scales one band of uint16 to float32 in memory, patches of 256
with step 128; in each round all cases take turns. *Requests* and *MB* are the server's count. The result goes
to ``benchmarks/results/remote.md``.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import rasterio.shutil

from benchmarks import catalog, children

if TYPE_CHECKING:
    from pathlib import Path

RESULT = catalog.RESULTS / "remote.md"
PIECE = 1 << 16


@dataclass(frozen=True)
class Case:
    """Seconds before each answer, and bytes a second of each connection; 0 is no limit."""

    name: str
    latency: float
    rate: float


CASES = (
    Case("loopback", 0, 0),
    Case("50 ms", 0.05, 0),
    Case("200 ms", 0.2, 0),
    Case("20 MB/s a connection", 0, 20e6),
    Case("50 ms, 20 MB/s a connection", 0.05, 20e6),
)
#: What a run is: it prints its seconds, without those of the interpreter's start and of the imports.
RUN = """
import sys, time
import geopatcher, geopatcher.api.reconstruct, geopatcher.executors.local
began = time.perf_counter()
result = geopatcher.reconstruct(sys.argv[1], lambda patch: patch.astype("float32") * 1e-4, size=256, step=128)
print(time.perf_counter() - began, float(result.array[..., 7, 7].sum()))
"""


class Served(ThreadingHTTPServer):
    """A server of one file; it counts what it is asked for."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.path, self.data, self.case = path, path.read_bytes(), CASES[0]
        self.changed = path.stat().st_mtime
        self.n_requests = self.n_bytes = 0

    def begin(self, case: Case) -> None:
        """Answer as in a case from now on, and count from 0."""
        self.case, self.n_requests, self.n_bytes = case, 0, 0


class Handler(BaseHTTPRequestHandler):
    """Answers with spans of the file, late and slowly."""

    protocol_version = "HTTP/1.1"
    server: Served

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer with the bytes that are asked for."""
        server = self.server
        server.n_requests += 1
        time.sleep(server.case.latency)
        if self.path.lstrip("/") != server.path.name:
            self.begin(404, 0)
            return
        span = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        first, last = (
            (int(span[1]), min(int(span[2]), len(server.data) - 1)) if span else (0, len(server.data) - 1)
        )
        extra = {"ETag": '"1"', "Last-Modified": formatdate(server.changed, usegmt=True)}
        extra |= {"Content-Range": f"bytes {first}-{last}/{len(server.data)}"} if span else {}
        self.begin(206 if span else 200, last + 1 - first, extra)
        if self.command == "GET":
            server.n_bytes += last + 1 - first
            self.send(first, last + 1)

    def begin(self, status: int, length: int, extra: dict[str, str] | None = None) -> None:
        """Send the head of an answer."""
        self.send_response(status)
        for name, value in {"Accept-Ranges": "bytes", "Content-Length": str(length), **(extra or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def send(self, first: int, stop: int) -> None:
        """Send bytes no faster than the connection may."""
        began, rate = time.perf_counter(), self.server.case.rate
        for at in range(first, stop, PIECE):
            end = min(at + PIECE, stop)
            self.wfile.write(memoryview(self.server.data)[at:end])
            if rate:
                time.sleep(max(0.0, began + (end - first) / rate - time.perf_counter()))


def scene(side: int) -> Path:
    """Return a COG of one band, made when it is not there."""
    folder = catalog.SCRATCH
    folder.mkdir(parents=True, exist_ok=True)
    cog = folder / f"remote-{side}.tif"
    if not cog.exists():
        (plain,) = catalog.pick_scenes(catalog.scenes(side, side), ["s2"])
        command = [sys.executable, "-m", "benchmarks.scenes", str(folder), str(side), str(side), "s2"]
        subprocess.run(command, check=True, env=children.environment(), cwd=catalog.ROOT)
        rasterio.shutil.copy(plain.path(folder), cog, driver="COG", compress="DEFLATE")
    return cog


def run(server: Served, case: Case) -> float:
    """Run once; returns seconds."""
    server.begin(case)
    url = f"http://127.0.0.1:{server.server_port}/{server.path.name}"
    command = [sys.executable, "-c", RUN, url]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=children.environment())
    return float(ended.stdout.split()[0])


def main() -> None:
    """Run all cases in turns, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", type=int, default=10980)
    given = parser.parse_args()
    server = Served(scene(given.side))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    seconds: dict[str, list[float]] = {case.name: [] for case in CASES}
    counted: dict[str, tuple[int, int]] = {}
    for number in range(given.rounds):
        for case in CASES:
            seconds[case.name].append(run(server, case))
            counted[case.name] = (server.n_requests, server.n_bytes)
            print(
                json.dumps({"round": number, "case": case.name, "seconds": seconds[case.name][-1]}),
                flush=True,
            )
    base = statistics.median(seconds["loopback"])
    lines = [
        "| network | seconds | of loopback | from, to | requests | MB |",
        "|---|---:|---:|---|---:|---:|",
    ]
    for name, all_of_it in seconds.items():
        n_requests, n_bytes = counted[name]
        middle = statistics.median(all_of_it)
        span = f"{min(all_of_it):.2f} to {max(all_of_it):.2f}"
        lines.append(
            f"| {name} | {middle:.2f} | {middle / base:.2f} | {span} | {n_requests} | {n_bytes / 1e6:.0f} |"
        )
    megabytes = len(server.data) / 1e6
    size = f"{given.side} x {given.side}, {megabytes:.0f} MB with its overviews, `--rounds {given.rounds}`"
    text = f"# A raster behind a network\n\n{(__doc__ or '').split(chr(10), 2)[2].strip()}\n\n{size}.\n\n"
    RESULT.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
