"""``array.geopatcher`` for every `xarray.DataArray`, as soon as this is imported."""

from geopatcher._optional import load
from geopatcher.api.accessor import DataArrayAccessor

load("xarray").register_dataarray_accessor("geopatcher")(DataArrayAccessor)

__all__ = ["DataArrayAccessor"]
