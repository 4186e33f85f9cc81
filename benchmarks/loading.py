"""Patches of a Cloud-Optimized GeoTIFF at random places, in a loader of PyTorch with two workers.

    python -m benchmarks.loading [--rounds 3] [--side 10980] [--patches 1600]

One band of uint16, tiled 512, deflate. Each run is a fresh interpreter: a `DataLoader` with two spawned
workers and batches of 16 patches of 256 x 256, as float32. *ours* is a `PatchDataset`; *reopened* opens the
file for each patch with rasterio; *torchgeo_sampler* is `RasterDataset` and `RandomGeoSampler`. The first
patches, in which workers start, are not timed; in each round all take turns. Needs torch and torchgeo; the
result goes to ``benchmarks/results/loading.md``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

from benchmarks import catalog, children
from benchmarks.remote import scene

RESULT = catalog.RESULTS / "loading.md"
WAYS = ("ours", "reopened", "torchgeo_sampler")


def run(way: str, path: str, count: int) -> float:
    """Run once; returns patches a second."""
    command = [sys.executable, "-m", "benchmarks.loaders.run_one", way, path, str(count)]
    ended = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=children.environment(),
        cwd=catalog.ROOT,
    )
    return float(ended.stdout.split()[-1])


def main() -> None:
    """Run all ways in turns, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=10980)
    parser.add_argument("--patches", type=int, default=1600)
    given = parser.parse_args()
    path = str(scene(given.side))
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(given.rounds):
        for way, found in rates.items():
            found.append(run(way, path, given.patches))
            print(f"{way}: {found[-1]:.0f} patches/s", flush=True)
    ours = statistics.median(rates["ours"])
    lines = ["| way | patches/s | ours / this | from, to |", "|---|---:|---:|---:|"]
    for way, found in rates.items():
        middle = statistics.median(found)
        span = f"{min(found):.0f} to {max(found):.0f}"
        lines.append(f"| {way} | {middle:.0f} | {ours / middle:.2f} | {span} |")
    size = f"{given.side} x {given.side}, {given.patches} patches, `--rounds {given.rounds}`"
    text = f"# Random patches in a loader\n\n{(__doc__ or '').split(chr(10), 2)[2].strip()}\n\n{size}.\n\n"
    RESULT.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
