"""One process, two processes, two Dask workers: the same run, start of the processes included.

    python -m benchmarks.workers [--rounds 3] [--side 4096]

The operator costs 10 ms of pure Python per patch, so that threads cannot help. Its work is a fixed
number of steps, found once; each case of each round is a fresh interpreter. Rounds go through all
cases in turn, and ratios are taken within a round: a machine that is busy with something else slows
all of them. The result goes to ``benchmarks/results/workers.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

CASES = ("one", "two", "dask")
COST_S = 0.010
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
        return {"seconds": seconds, "patches": result.stats.patches}
    return {"seconds": time.perf_counter() - start, "patches": result.stats.patches}


def measure(case: str, scene: Path, folder: Path, steps: int) -> dict[str, float]:
    """Run a case in a fresh interpreter."""
    target = folder / f"{case}.zarr"
    code = (
        "import sys, json; from benchmarks.workers import one_case\n"
        "if __name__ == '__main__':\n"
        "    print(json.dumps(one_case(*sys.argv[1:4], int(sys.argv[4]))))"
    )
    script = folder / "case.py"
    script.write_text(code)
    root = Path(__file__).parents[1]
    path = os.pathsep.join([str(root / "src"), str(root)])
    done = subprocess.run(
        [sys.executable, script, case, scene, target, str(steps)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


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


def table(rounds: list[dict[str, dict[str, float]]], steps: int, side: int) -> str:
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
        "| case | patches | best s | median s | of one, best round | of one, median |",
        "|---|---|---|---|---|---|",
    ]
    names = {"one": "this process", "two": "`workers=2`", "dask": "Dask, `LocalCluster` of 2"}
    for case in CASES:
        seconds = [each[case]["seconds"] for each in rounds]
        ratios = [each[case]["seconds"] / each["one"]["seconds"] for each in rounds]
        lines.append(
            f"| {names[case]} | {rounds[0][case]['patches']:,} | {min(seconds):.1f} | "
            f"{statistics.median(seconds):.1f} | {min(ratios):.3f} | {statistics.median(ratios):.3f} |"
        )
    load = ", ".join(f"{each['load']['one minute']:.1f}" for each in rounds)
    lines += ["", f"Rounds: {len(rounds)}. Load of the machine when they began: {load}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=4096)
    chosen = parser.parse_args()
    steps = steps_for(COST_S)
    rounds = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        scene = folder / "scene.tif"
        write_scene(scene, chosen.side)
        for number in range(chosen.rounds):
            seen = {"load": {"one minute": os.getloadavg()[0]}}
            for case in CASES:
                shutil.rmtree(folder / f"{case}.zarr", ignore_errors=True)
                (folder / f"{case}.zarr.ledger.jsonl").unlink(missing_ok=True)
                seen[case] = measure(case, scene, folder, steps)
            print(number, {case: round(seen[case]["seconds"], 2) for case in CASES}, seen["load"], flush=True)
            rounds.append(seen)
        if not same_files(folder):
            raise SystemExit("the cases wrote different bytes")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(table(rounds, steps, chosen.side))
    print(RESULT.read_text())


if __name__ == "__main__":
    main()
