"""Adapters: where pixels come from."""

from geopatcher.core.protocols import AsyncField, Field
from geopatcher.fields.async_field import AsyncRasterField
from geopatcher.fields.cog_field import ObstoreCogField
from geopatcher.fields.dask_field import DaskField
from geopatcher.fields.geopandas_field import GeoPandasField
from geopatcher.fields.raster import RasterField
from geopatcher.fields.reprojecting import ReprojectingRasterField
from geopatcher.fields.xarray_field import RioXarrayField, XarrayField
from geopatcher.fields.xvec_field import XvecField

__all__ = [
    "AsyncField",
    "AsyncRasterField",
    "DaskField",
    "Field",
    "GeoPandasField",
    "ObstoreCogField",
    "RasterField",
    "ReprojectingRasterField",
    "RioXarrayField",
    "XarrayField",
    "XvecField",
]
