"""What a raster covers."""

from geopatcher.core.domain import (
    LayerSpec,
    RasterDomain,
    ResultSpec,
)

__all__ = ["LayerSpec", "RasterDomain", "ResultSpec"]
