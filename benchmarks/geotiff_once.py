"""A GeoTIFF written in one pass, beside a zarr store of the same result and GDAL's own copy of it.

Each case is a process of its own; rounds are interleaved, so that a busy machine is busy for all.

    python -m benchmarks.geotiff_once SIDE ROUNDS [CASE ...]

A case is a run that gives patches back as they are, an export of the ready raster, or GDAL's copy of it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.windows import Window

import geopatcher

TILE = 512
STORAGE = {
    "zarr.zarr": geopatcher.ZarrStorage(),
    "levels.zarr": geopatcher.ZarrStorage(multiscales=True),
    "zstd-1.tif": geopatcher.CogStorage("ZSTD", 1),
    "deflate-1.tif": geopatcher.CogStorage("DEFLATE", 1),
    "deflate.tif": geopatcher.CogStorage("DEFLATE"),
}
EXPORTS = {
    "export-zstd-1.tif": STORAGE["zstd-1.tif"],
    "export-deflate.tif": STORAGE["deflate.tif"],
}
COPIES = {
    "gdal-zstd-1.tif": {"COMPRESS": "ZSTD", "LEVEL": 1},
    "gdal-deflate-1.tif": {"COMPRESS": "DEFLATE", "LEVEL": 1},
    "gdal-deflate.tif": {"COMPRESS": "DEFLATE"},
}


def make_scene(path: Path, side: int) -> None:
    """Write a smooth float32 scene with noise in its last digits, uncompressed."""
    random = np.random.default_rng(0)
    profile = {"driver": "GTiff", "height": side, "width": side, "count": 1, "dtype": "float32", "nodata": -1}
    with rasterio.open(
        path, "w", tiled=True, blockxsize=TILE, blockysize=TILE, crs="EPSG:32633", **profile
    ) as dataset:
        for row in range(0, side, TILE):
            rows, cols = np.mgrid[row : min(row + TILE, side), :side]
            cells = 100 + 50 * np.sin(rows / 90) * np.cos(cols / 70) + random.normal(0, 0.5, rows.shape)
            dataset.write(cells.astype("float32"), 1, window=Window(0, row, side, rows.shape[0]))


def same(patch: np.ndarray) -> np.ndarray:
    """Return a patch as it is: what is measured is reading, stitching and writing."""
    return patch


def run_case(name: str, scene: Path, folder: Path) -> dict[str, float]:
    """Run one case in this process; return seconds, CPU seconds, MiB at the peak and bytes written."""
    before = _io()["wchar"]
    started = time.perf_counter()
    if name in COPIES:
        options = {"PREDICTOR": "YES", "NUM_THREADS": "ALL_CPUS", "STATISTICS": "YES", **COPIES[name]}
        with rasterio.Env(GDAL_CACHEMAX=64, CPL_TMPDIR=str(folder)):
            rasterio.shutil.copy(scene, folder / name, driver="COG", **options)
    elif name in EXPORTS:
        geopatcher.export(str(scene), folder / name, storage=EXPORTS[name], progress=False)
    else:
        geopatcher.reconstruct(
            str(scene),
            same,
            str(folder / name),
            size=TILE,
            step=TILE,
            window="boxcar",
            storage=STORAGE[name],
            memory_limit="256MiB",
            progress=False,
        )
    seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0])
    place = folder / name
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    return {
        "seconds": seconds,
        "cpu": used.ru_utime + used.ru_stime,
        "peak_mib": peak / 1024,
        "written": _io()["wchar"] - before,
        "size": sum(file.stat().st_size for file in files),
    }


def _io() -> dict[str, int]:
    lines = Path("/proc/self/io").read_text().splitlines()
    return {name: int(value) for name, value in (line.split(":") for line in lines)}


def main(side: int, rounds: int, *wanted: str) -> None:
    """Run the cases that are wanted, or all, round by round, and print the medians."""
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        scene = Path(name, "scene.tif")
        make_scene(scene, side)
        for number in range(rounds):
            cases = list(wanted or [*STORAGE, *EXPORTS, *COPIES])
            for case in cases if number % 2 == 0 else cases[::-1]:
                with tempfile.TemporaryDirectory(dir=name) as folder:
                    call = [sys.executable, __file__, "case", case, str(scene), folder]
                    done = subprocess.run(call, check=True, capture_output=True, text=True)
                found.setdefault(case, []).append(json.loads(done.stdout.splitlines()[-1]))
    for case, runs in found.items():
        medians = {key: float(np.median([run[key] for run in runs])) for key in runs[0]}
        print(
            f"{case:20s} {medians['seconds']:7.2f} s {medians['cpu']:7.2f} s CPU "
            f"{medians['peak_mib']:5.0f} MiB"
            f" written {medians['written'] / medians['size']:5.2f} x {medians['size'] / 1e6:7.1f} MB"
        )


if __name__ == "__main__":
    if sys.argv[1] == "case":
        print(json.dumps(run_case(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))))
    else:
        main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
