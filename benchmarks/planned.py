"""What the memory plan says against what a run takes: ``python -m benchmarks.planned [CASE ...]``.

Each case runs in a process of its own. Taken is the peak of its resident size less what it had with all
libraries loaded and nothing begun. The scenes are those of `benchmarks.bench`, which makes them. Linux only.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numcodecs.zstd  # noqa: F401 - what a run would load is there before it begins
import numpy as np
import rasterio  # noqa: F401
import zarr  # noqa: F401

import geopatcher
from benchmarks import catalog, children
from benchmarks.methods.common import scale

MIB = 2**20
SCENES = {scene.name: scene for scene in catalog.scenes()}


def without_dark(patch: np.ndarray) -> np.ndarray:
    """Make gaps of its own."""
    values = scale(patch)
    values[patch < 1100] = np.nan
    return values


#: What differs from the benchmark's own run: patches of 256 at 128, zarr, 256 MiB, one band.
CASES: dict[str, dict[str, object]] = {
    "as in the benchmark": {},
    "blosc-zstd-1": {"codec": "blosc-zstd-1"},
    "GeoTIFF": {"target": "x.tif"},
    "128 MiB": {"memory_limit": "128MiB"},
    "96 MiB": {"memory_limit": "96MiB"},
    "512 at 384": {"size": 512, "step": 384},
    "1024 at 768": {"size": 1024, "step": 768},
    "128 at 64": {"size": 128, "step": 64},
    "256 at 64": {"step": 64},
    "chunks of 256": {"chunks": 256},
    "chunks of 1024": {"chunks": 1024},
    "maximum": {"aggregation": "max"},
    "variance": {"aggregation": "variance"},
    "with layers": {"layers": ("weight", "count", "spread")},
    "batches of 8": {"batch_size": 8},
    "four bands": {"scene": "s2-bands4"},
    "70 % nodata": {"scene": "s2-nodata70"},
    "gaps of the operator": {"operator": without_dark},
    "4 times the scene": {"scene": "s2-x4"},
    "400 000 wide": {"scene": "wide"},
}


def of_status(name: str) -> float:
    """Return a size the kernel tells of this process, in MiB."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(rf"{name}:\s+(\d+) kB", text)[0]) / 1024


def run(case: str) -> dict[str, float]:
    """Run a case here; return what was planned and taken, in MiB."""
    given = {"size": catalog.SIZE, "step": catalog.STEP, "memory_limit": catalog.MEMORY_LIMIT, **CASES[case]}
    source = SCENES[str(given.pop("scene", "s2"))].path(catalog.SCRATCH)
    operator = given.pop("operator", scale)
    reconstruct = geopatcher.reconstruct
    with tempfile.TemporaryDirectory(dir=catalog.SCRATCH) as folder:
        target = Path(folder) / str(given.pop("target", "x.zarr"))
        idle = of_status("VmRSS")
        plan = reconstruct(source, operator, target, progress=False, **given).plan
    taken = of_status("VmHWM") - idle
    return {"planned": plan.memory_bytes / MIB, "taken": taken, "regions": plan.n_regions}


def main(names: list[str]) -> None:
    """Run the cases and write the table."""
    if names[:1] == ["--here"]:
        print(json.dumps(run(names[1])))
        return
    lines = ["| case | planned, MiB | taken, MiB | planned / taken | regions |", "|---|---:|---:|---:|---:|"]
    for case in names or CASES:
        command = [sys.executable, "-m", "benchmarks.planned", "--here", case]
        ended = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env=children.environment(),
            cwd=catalog.ROOT,
        )
        found = json.loads(ended.stdout)
        ratio = found["planned"] / found["taken"]
        lines.append(
            f"| {case} | {found['planned']:.0f} | {found['taken']:.0f} | {ratio:.2f} | {found['regions']} |"
        )
        print(lines[-1], flush=True)
    if not names:
        text = "# What the memory plan says, and what runs take\n\n" + (__doc__ or "").split("\n\n", 1)[1]
        (catalog.RESULTS / "PLANNED.md").write_text(text + "\n" + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
