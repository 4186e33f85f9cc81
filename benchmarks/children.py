"""Starts the child processes and measures them. Standard library only: see `benchmarks.catalog`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import catalog

if TYPE_CHECKING:
    from pathlib import Path

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


@dataclass(frozen=True)
class Ended:
    """What a child said and what it took."""

    report: dict[str, object] | None  # its lines of JSON, merged
    seconds_to_report: float | None  # from its start until that line came
    seconds: float  # from its start until it was gone
    peak_mib: float
    error: str | None


@dataclass
class Run:
    """One method on one scene, once."""

    scene: str
    method: str
    round: int
    seconds: float | None = None  # the whole process; in memory, until the array stands
    inner_seconds: float | None = None  # without start-up and imports
    cpu_seconds: float | None = None  # of all threads, start-up and imports included
    peak_mib: float | None = None
    written_bytes: object = None
    read_bytes: object = None
    result_bytes: int | None = None
    max_error: object = None
    worst: object = None
    plan: object = None  # what geopatcher said before the run
    stats: object = None  # and after it
    error: str | None = None  # why it failed; None if it did not


def environment() -> dict[str, str]:
    """Return a child's environment: the package is found in ``src``, installed or not.

    Its bytecode is kept, as that of all that is installed is: else each child would compile it anew.
    """
    path = [str(catalog.ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    known = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**known, "PYTHONPATH": os.pathsep.join(path)}


def start(module: str, arguments: list[str], timeout: float) -> Ended:
    """Run ``python -m module arguments`` to its end."""
    with tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=catalog.ROOT,
            env=environment(),
        )
        timer = threading.Timer(timeout, child.kill)
        timer.start()
        report, reported = None, None
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                if line.startswith("{"):
                    reported = time.perf_counter() - began
                    report = {**(report or {}), **json.loads(line)}
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        error = failure(child.returncode, errors.read(), seconds, timeout)
    return Ended(report, reported, seconds, usage.ru_maxrss * _RSS_UNIT / 2**20, error)


def failure(code: int, errors: str, seconds: float, timeout: float) -> str | None:
    """Return in one line why a child failed; None if it did not."""
    if code == 0:
        return None
    if code == -signal.SIGKILL and seconds >= timeout:
        return f"not finished after {timeout:.0f} s"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return lines[-1].replace(f"{catalog.ROOT}{os.sep}", "")[:200] if lines else f"exit code {code}"


def size_on_disk(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def measure(scene: catalog.Scene, method: catalog.Method, turn: int, scratch: Path, timeout: float) -> Run:
    """Run a method once, check its result, remove it."""
    run = Run(scene.name, method.name, turn)
    folder = scratch / f"run-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.sync()  # what others left to be written is not ours to pay for
    try:
        _measure(run, scene.path(scratch), method, folder / f"result{method.suffix}", timeout)
    finally:
        shutil.rmtree(folder)
    return run


def _measure(run: Run, source: Path, method: catalog.Method, out: Path, timeout: float) -> None:
    """Fill ``run`` in."""
    ended = start("benchmarks.run_one", [method.name, str(source), str(out)], timeout)
    if ended.error or ended.report is None:
        run.error = ended.error or "ended without a report"
        return
    run.seconds = ended.seconds_to_report if method.kind == catalog.MEMORY else ended.seconds
    run.inner_seconds = float(str(ended.report["inner_seconds"]))
    run.cpu_seconds = float(str(ended.report["cpu_seconds"]))
    run.peak_mib = ended.peak_mib
    run.read_bytes = ended.report["read_bytes"]
    run.plan, run.stats = ended.report.get("plan"), ended.report.get("stats")
    if method.kind == catalog.DISK:
        run.written_bytes, run.result_bytes = ended.report["written_bytes"], size_on_disk(out)
    verdict = start("benchmarks.check", [str(source), str(out), method.work], timeout)
    if verdict.error or verdict.report is None:
        run.error = f"the result cannot be checked: {verdict.error}"
        return
    run.max_error, run.worst = verdict.report["max_error"], verdict.report["worst"]
    if not verdict.report["fine"]:
        run.error = wrong(verdict.report)


def wrong(verdict: dict[str, object]) -> str:
    """Return in one line what is wrong with a result."""
    if verdict["problem"]:
        return str(verdict["problem"])
    if verdict["not_a_number"]:
        return f"{verdict['not_a_number']} pixels lost (NaN)"
    if verdict["made_up"]:
        return f"{verdict['made_up']} pixels have data where the input has none"
    return f"wrong by {float(str(verdict['max_error'])):.2g} at (band, row, column) {verdict['worst']}"
