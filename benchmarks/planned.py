"""What the memory plan says against what a run takes: ``python -m benchmarks.planned [CASE ...]``.

Each case runs in a process of its own. *Planned* is ``result.plan.memory_bytes``: the whole process,
interpreter and libraries included, and with workers all of them and the process that gives them work.
*Before* is what ``geopatcher.plan`` says before the run, which knows nothing of the operator. *Taken* is the
sum over these processes of the peak of their resident size (``VmHWM``), looked at from outside a hundred
times a second. The scenes of the first cases are those of `benchmarks.bench`; others are noise. Linux only.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import catalog, children

MIB = 2**20
LOOK_S = 0.01
#: Processes that take less compute nothing: those that `multiprocessing` keeps to tidy up.
HELPER_BYTES = 20 * MIB


def peaks_of(root: int, peaks: dict[int, int]) -> None:
    """Note the peak resident size, in bytes, of a process and of all that it has started."""
    waiting = [root]
    while waiting:
        process = waiting.pop()
        try:
            status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
            for task in Path(f"/proc/{process}/task").iterdir():
                waiting += map(int, (task / "children").read_text(encoding="ascii").split())
        except OSError:  # it has just ended
            continue
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        if found is not None:
            peaks[process] = max(peaks.get(process, 0), int(found[1]) * 1024)


def measure(case: str, folder: Path) -> dict[str, object]:
    """Run a case in a process of its own; return what it said, and what it and its workers took.

    Raises
    ------
    RuntimeError
        It failed.

    """
    command = [sys.executable, "-m", "benchmarks.planned_cases", str(folder), case]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=children.environment(), cwd=catalog.ROOT
    )
    peaks: dict[int, int] = {}
    while process.poll() is None:
        peaks_of(process.pid, peaks)
        time.sleep(LOOK_S)
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the case {case!r} ended with exit code {process.returncode}")
    found = json.loads(said)
    workers = [n_bytes for one, n_bytes in peaks.items() if one != process.pid and n_bytes > HELPER_BYTES]
    return found | {"taken": found["taken"] + sum(workers)}


def titles() -> list[str]:
    """Return the cases, asked of a process that may import what they need."""
    code = (
        "import json; from benchmarks.planned_cases import CASES; print(json.dumps([c.title for c in CASES]))"
    )
    command = [sys.executable, "-c", code]
    ended = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env=children.environment(), cwd=catalog.ROOT
    )
    return [str(title) for title in json.loads(ended.stdout)]


def main(names: list[str]) -> None:
    """Run the cases and write the table."""
    catalog.SCRATCH.mkdir(parents=True, exist_ok=True)
    scenes = ["-m", "benchmarks.scenes", str(catalog.SCRATCH), *map(str, catalog.FULL)]
    subprocess.run([sys.executable, *scenes], check=True, env=children.environment(), cwd=catalog.ROOT)
    lines = [
        "| case | before, MiB | planned, MiB | taken, MiB | taken / planned | regions |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for case in names or titles():
        found = measure(case, catalog.SCRATCH)
        sizes = " | ".join(f"{found[name] / MIB:.0f}" for name in ("before", "planned", "taken"))
        lines.append(f"| {case} | {sizes} | {found['taken'] / found['planned']:.2f} | {found['regions']} |")
        print(lines[-1], flush=True)
    if not names:
        text = "# What the memory plan says, and what runs take\n\n" + (__doc__ or "").split("\n\n", 1)[1]
        (catalog.RESULTS / "PLANNED.md").write_text(text + "\n" + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
