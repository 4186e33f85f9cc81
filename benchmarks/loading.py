"""Patches of a Cloud-Optimized GeoTIFF at random places, in a loader of PyTorch with two workers.

    python -m benchmarks.loading [--rounds 3] [--side 10980] [--patches 1600]

One band of uint16, tiled 512, deflate. Each run is a fresh interpreter: a `DataLoader` with two spawned
workers and batches of 16 patches of 256 x 256, as float32. *ours* is a `PatchDataset`; *reopened* opens the
file for each patch with rasterio; *torchgeo_sampler* is `RasterDataset` and `RandomGeoSampler`; *kept_open*
is what GDAL alone needs: one open file, a cache of blocks as large as ours, and our `SharedBatches`. The
first patches, in which workers start, are not timed; in each round all take turns. *CPU* is milliseconds of
processors for each patch, of the loader and its workers: on a machine that others use it changes far less
than patches a second do. Needs torch and torchgeo; the result goes to ``benchmarks/results/loading.md``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

from benchmarks import catalog, children
from benchmarks.remote import scene

RESULT = catalog.RESULTS / "loading.md"
WAYS = ("ours", "kept_open", "reopened", "torchgeo_sampler")


def run(way: str, path: str, count: int) -> tuple[float, float]:
    """Run once; returns patches a second, and milliseconds of processors for each."""
    command = [sys.executable, "-m", "benchmarks.loaders.run_one", way, path, str(count)]
    ended = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=children.environment(),
        cwd=catalog.ROOT,
    )
    rate, cpu = map(float, ended.stdout.split()[-2:])
    return rate, cpu


def main() -> None:
    """Run all ways in turns, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=10980)
    parser.add_argument("--patches", type=int, default=1600)
    given = parser.parse_args()
    path = str(scene(given.side))
    runs: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for _ in range(given.rounds):
        for way, found in runs.items():
            found.append(run(way, path, given.patches))
            print(f"{way}: {found[-1][0]:.0f} patches/s, {found[-1][1]:.2f} ms of CPU", flush=True)
    rates = {way: statistics.median(rate for rate, _ in found) for way, found in runs.items()}
    spent = {way: statistics.median(cpu for _, cpu in found) for way, found in runs.items()}
    lines = [
        "| way | patches/s | ours / this | from, to | CPU, ms | this / ours |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for way, found in runs.items():
        span = f"{min(found)[0]:.0f} to {max(found)[0]:.0f}"
        faster, less = rates["ours"] / rates[way], spent[way] / spent["ours"]
        lines.append(f"| {way} | {rates[way]:.0f} | {faster:.2f} | {span} | {spent[way]:.2f} | {less:.2f} |")
    size = f"{given.side} x {given.side}, {given.patches} patches, `--rounds {given.rounds}`"
    text = f"# Random patches in a loader\n\n{(__doc__ or '').split(chr(10), 2)[2].strip()}\n\n{size}.\n\n"
    RESULT.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
