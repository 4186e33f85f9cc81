"""The plain copy to COG: GDAL's own, of pixels that are float32 already (made beforehand, untimed)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rasterio
import rasterio.shutil

from benchmarks import catalog
from benchmarks.methods import common

if TYPE_CHECKING:
    from pathlib import Path

# What geopatcher's own COGs have: the same pixels are to be packed in the same way, by as many threads.
OPTIONS = {
    "COMPRESS": "DEFLATE",
    "PREDICTOR": "FLOATING_POINT",
    "BLOCKSIZE": str(catalog.CHUNK),
    "NUM_THREADS": "ALL_CPUS",
    "OVERVIEWS": "IGNORE_EXISTING",
    "RESAMPLING": "AVERAGE",
    "STATISTICS": "YES",
}


def run(scene: Path, out: Path) -> None:
    twin = scene.with_name(f"{scene.stem}-float32.tif")
    with rasterio.Env(GDAL_CACHEMAX=common.CACHE_MB):
        rasterio.shutil.copy(twin, out, driver="COG", **OPTIONS)
