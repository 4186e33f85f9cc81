"""Adapters: where pixels come from."""

from geopatcher.core.protocols import AsyncField, Field
from geopatcher.fields.async_field import AsyncRasterField
from geopatcher.fields.raster import RasterField
from geopatcher.fields.reprojecting import ReprojectingRasterField
from geopatcher.fields.xarray_field import DaskField, RioXarrayField, XarrayField

__all__ = [
    "AsyncField",
    "AsyncRasterField",
    "DaskField",
    "Field",
    "RasterField",
    "ReprojectingRasterField",
    "RioXarrayField",
    "XarrayField",
]
