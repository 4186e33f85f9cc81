"""dask with xarray and rioxarray: the median over the rasters of a folder, in chunks of their tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import rioxarray
import xarray as xr

from benchmarks import catalog

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.methods import common


def run(scene: Path, out: Path, work: str) -> common.Array:  # noqa: ARG001 - nothing is written
    chunks = {"x": catalog.CHUNK, "y": catalog.CHUNK}
    dates = [rioxarray.open_rasterio(path, chunks=chunks) for path in sorted(scene.iterdir())]
    series = xr.concat(dates, "time").chunk(time=-1)
    return np.rint(series.median("time").compute().to_numpy()).astype(np.uint16)
