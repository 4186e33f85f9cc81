"""Adapters: where pixels come from."""

from geopatcher.fields.raster import RasterField
from geopatcher.fields.reprojecting import ReprojectingRasterField
from geopatcher.fields.xarray_field import DaskField, RioXarrayField, XarrayField

__all__ = ["DaskField", "RasterField", "ReprojectingRasterField", "RioXarrayField", "XarrayField"]
