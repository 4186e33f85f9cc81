"""Adapters: where pixels come from. The names below are loaded when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher._optional import import_quickly

if TYPE_CHECKING:
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

#: name -> module that holds it
_HOMES = {
    "AsyncField": "geopatcher.core.protocols",
    "AsyncRasterField": "geopatcher.fields.async_field",
    "DaskField": "geopatcher.fields.dask_field",
    "Field": "geopatcher.core.protocols",
    "GeoPandasField": "geopatcher.fields.geopandas_field",
    "ObstoreCogField": "geopatcher.fields.cog_field",
    "RasterField": "geopatcher.fields.raster",
    "ReprojectingRasterField": "geopatcher.fields.reprojecting",
    "RioXarrayField": "geopatcher.fields.xarray_field",
    "XarrayField": "geopatcher.fields.xarray_field",
    "XvecField": "geopatcher.fields.xvec_field",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = vars(import_quickly(home))[name]
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
