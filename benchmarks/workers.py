"""One process, two processes, two Dask workers: the same run, start of the processes included.

    python -m benchmarks.workers [--rounds 3] [--tries 30] [--side 4096]

The operator costs 10 ms of pure Python per patch, so that threads cannot help. Its work is a fixed
number of steps, found once; each run is a fresh interpreter. Cases take turns. What other programs
took of the machine meanwhile is measured too, and a run in which they took more than a tenth of a
core does not count: it is repeated, up to ``--tries`` times. The result goes to
``benchmarks/results/workers.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

CASES = ("one", "two", "dask")
COST_S = 0.010
#: Cores that others may keep busy during a run that counts.
QUIET = 0.1
SIZES = {"size": 128, "step": 64, "chunks": 512}
RESULT = Path(__file__).with_name("results") / "workers.md"


class Costly:
    """An operator that takes a fixed number of steps of the interpreter."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __call__(self, patch: np.ndarray) -> np.ndarray:
        total = 0
        for step in range(self.steps):
            total += step & 3
        return patch * np.float32(1 + total % 2)


def steps_for(seconds: float) -> int:
    """Return how many steps take so long here, at the machine's best."""
    patch = np.zeros((1, 128, 128), "float32")
    best = 1e9
    for _ in range(30):
        start = time.perf_counter()
        Costly(100_000)(patch)
        best = min(best, time.perf_counter() - start)
    return int(100_000 * seconds / best)


def one_case(case: str, scene: str, target: str, steps: int) -> dict[str, float]:
    """Run a case in this process, and return its seconds."""
    import geopatcher

    operator = Costly(steps)
    start = time.perf_counter()
    if case == "one":
        result = geopatcher.reconstruct(scene, operator, target, progress=False, **SIZES)
    elif case == "two":
        result = geopatcher.reconstruct(scene, operator, target, workers=2, progress=False, **SIZES)
    else:
        from distributed import Client, LocalCluster

        from geopatcher.executors import DaskExecutor

        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            executor = DaskExecutor(client)
            result = geopatcher.reconstruct(
                scene, operator, target, executor=executor, progress=False, **SIZES
            )
            seconds = time.perf_counter() - start
        return told(seconds, result)
    return told(time.perf_counter() - start, result)


def told(seconds: float, result: object) -> dict[str, float]:
    time.sleep(1)  # workers end behind the result, and what they took is known when they have
    stats = result.stats
    patch_ms = stats.seconds["operate"] / stats.patches * 1e3
    return {"seconds": seconds, "patches": stats.patches, "patch_ms": patch_ms}


@dataclass(frozen=True)
class Measured:
    """A run: its seconds, its patches, what each cost, and how many cores others kept busy meanwhile."""

    seconds: float
    patches: int
    patch_ms: float
    others: float

    @property
    def steady_s(self) -> float:
        """What the run would take if each patch had cost what was meant, and all else were as it was."""
        return self.seconds / self.patch_ms * COST_S * 1e3


def measure(case: str, scene: Path, folder: Path, steps: int) -> Measured:
    """Run a case in a fresh interpreter."""
    target = folder / f"{case}.zarr"
    shutil.rmtree(target, ignore_errors=True)
    target.with_name(f"{target.name}.ledger.jsonl").unlink(missing_ok=True)
    script = folder / "case.py"
    script.write_text(
        "import sys, json; from benchmarks.workers import one_case\n"
        "if __name__ == '__main__':\n"
        "    print(json.dumps(one_case(*sys.argv[1:4], int(sys.argv[4]))))"
    )
    root = Path(__file__).parents[1]
    path = os.pathsep.join([str(root / "src"), str(root)])
    busy, ours, started = busy_seconds(), our_seconds(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, script, case, scene, target, str(steps)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    others = (busy_seconds() - busy - our_seconds() + ours) / (time.perf_counter() - started)
    return Measured(**json.loads(done.stdout.splitlines()[-1]), others=max(0.0, others))


def busy_seconds() -> float:
    """Return the seconds all cores together have been busy since the system started."""
    user, nice, system, _, _, irq, soft, steal, *_ = map(int, Path("/proc/stat").read_text().split()[1:11])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def our_seconds() -> float:
    """Return the seconds our own children have been busy, those they waited for included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_scene(path: Path, side: int) -> None:
    profile = {"driver": "GTiff", "count": 1, "height": side, "width": side, "dtype": "float32"}
    profile |= {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    with rasterio.open(path, "w", tiled=True, blockxsize=512, blockysize=512, **profile) as out:
        out.write(np.random.default_rng(0).random((1, side, side), dtype="float32"))


def same_files(folder: Path) -> bool:
    """Whether all cases have written the same bytes."""

    def files(case: str) -> dict[Path, bytes]:
        store = folder / f"{case}.zarr"
        return {file.relative_to(store): file.read_bytes() for file in store.rglob("*") if file.is_file()}

    first, *others = map(files, CASES)
    return all(other == first for other in others)


def table(runs: dict[str, list[Measured]], steps: int, side: int, *, clean: bool) -> str:
    """Return the result as Markdown."""
    lines = [
        "# Workers",
        "",
        (
            f"`python -m benchmarks.workers --side {side}`: a raster of {side} x {side} float32, patches of "
            f"{SIZES['size']} with step {SIZES['step']}, an operator of {steps:,} steps of pure Python "
            f"({COST_S * 1e3:.0f} ms) per patch, on {os.cpu_count()} cores. Seconds from the call to the "
            "finished result, start of the processes (and of the cluster) included. All cases write the "
            "same bytes."
        ),
        "",
        "| case | patches | runs | best s | median s | of one | ms per patch | of one, equal ms | others |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    names = {"one": "this process", "two": "`workers=2`", "dask": "Dask, `LocalCluster` of 2"}

    def median(case: str, what: str) -> float:
        return statistics.median(vars(run).get(what, run.steady_s) for run in runs[case])

    for case in CASES:
        seconds = [run.seconds for run in runs[case]]
        lines.append(
            f"| {names[case]} | {runs[case][0].patches:,} | {len(seconds)} | {min(seconds):.1f} | "
            f"{median(case, 'seconds'):.1f} | {median(case, 'seconds') / median('one', 'seconds'):.3f} | "
            f"{median(case, 'patch_ms'):.1f} | {median(case, 'steady_s') / median('one', 'steady_s'):.3f} | "
            f"{median(case, 'others'):.2f} |"
        )
    lines += [
        "",
        (
            "Medians. A virtual machine's clock is not steady: *equal ms* divides each run by what its own "
            "patches took, as it timed them. *Others* is how many cores other programs kept busy."
        ),
    ]
    if not clean:
        lines += ["", "**Other programs were busy meanwhile: these figures are not those of the machine.**"]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tries", type=int, default=30)
    parser.add_argument("--side", type=int, default=4096)
    chosen = parser.parse_args()
    steps = steps_for(COST_S)
    runs: dict[str, list[Measured]] = {case: [] for case in CASES}
    noisy: dict[str, list[Measured]] = {case: [] for case in CASES}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        scene = folder / "scene.tif"
        write_scene(scene, chosen.side)
        for _ in range(chosen.tries):
            missing = [case for case in CASES if len(runs[case]) < chosen.rounds]
            for case in missing:
                run = measure(case, scene, folder, steps)
                (runs if run.others < QUIET else noisy)[case].append(run)
                print(case, run, flush=True)
            if not missing:
                break
        if not same_files(folder):
            raise SystemExit("the cases wrote different bytes")
    clean = all(runs.values())
    told = runs if clean else {case: runs[case] or noisy[case] for case in CASES}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(table(told, steps, chosen.side, clean=clean))
    print(RESULT.read_text())


if __name__ == "__main__":
    main()
