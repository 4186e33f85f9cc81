"""Small rasters on the disk, of one band and none of them looked at: a GeoTIFF, a VRT of it, a store."""

from __future__ import annotations

import numpy as np
import rasterio

import geopatcher as gp

SIDE = 64
VRT = (
    f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}"><VRTRasterBand dataType="Float32" band="1">'
    '<SimpleSource><SourceFilename relativeToVRT="{relative}">{name}</SourceFilename>'
    "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
)


def tif(path):
    profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "dtype": "float32"}
    transform = rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)
    with rasterio.open(path, "w", **profile, crs="EPSG:32633", transform=transform) as file:
        file.write(np.arange(SIDE * SIDE, dtype="float32").reshape(1, SIDE, SIDE))
    return path


def store(path):
    gp.reconstruct(np.ones((SIDE, SIDE), "float32"), np.copy, path, size=32, chunks=32)
    path.with_name(f"{path.name}.ledger.jsonl").unlink()
    return path


def vrt(path, name, relative=1):
    path.write_text(VRT.format(name=name, relative=relative))
    return path
