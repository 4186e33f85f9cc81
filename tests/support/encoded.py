"""Pictures as they are sent, read by GDAL."""

from __future__ import annotations

import io

import rasterio


def decoded(content):
    """Return ``(bands, h, w)``."""
    with rasterio.MemoryFile(io.BytesIO(content)) as file, file.open() as dataset:
        return dataset.read()
