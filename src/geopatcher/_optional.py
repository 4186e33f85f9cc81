"""The one lazy table: libraries that are not needed to start, loaded when they are used.

A library is here because it is an extra, or because importing it takes longer than a command
that does not need it should take to start.
"""

from __future__ import annotations

import gc
import importlib
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

from geopatcher.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: module -> extra of the distribution that brings it ("" when it is a core dependency, lazy for speed)
MODULES: dict[str, str] = {
    "cloudpickle": "dask",
    "dask": "dask",
    "async_geotiff": "cloud",
    "asyncio": "",
    "cftime": "netcdf",
    "dask.array": "dask",
    "dask.bag": "dask",
    "datasketches": "sketches",
    "deflate": "",
    "distributed": "dask",
    "geopandas": "features",
    "geopatcher.formats.bucket_heads": "cloud",
    "geopatcher.formats.buckets": "cloud",
    "geopatcher.formats.classic_store": "xarray",
    "geopatcher.formats.object_stores": "cloud",
    "geopatcher.formats.remote_file": "cloud",
    "geostack": "stac",
    "georeader.geotensor": "georeader",
    "georeader.rasterio_reader": "georeader",
    "google_crc32c": "",
    "http.client": "",
    "importlib.metadata": "",
    "isal.isal_zlib": "",
    "lightgbm": "boosters",
    "matplotlib": "viz",
    "matplotlib.colors": "viz",
    "matplotlib.figure": "viz",
    "matplotlib.patches": "viz",
    "matplotlib.pyplot": "viz",
    "matplotlib.ticker": "viz",
    "numcodecs": "",
    "obstore": "cloud",
    "obstore.exceptions": "cloud",
    "obstore.store": "cloud",
    "onnxruntime": "onnx",
    "planetary_computer": "stac",
    "pyproj": "",
    "pyproj.exceptions": "",
    "pyarrow": "vector",
    "pyarrow.parquet": "vector",
    "pyogrio": "vector",
    "pyogrio.errors": "vector",
    "pyogrio.raw": "vector",
    "rich.console": "",
    "rich.progress": "",
    "rio_tiler.io": "view",
    "rio_tiler.io.rasterio": "view",
    "rio_tiler.models": "view",
    "rio_tiler.colormap": "view",
    "rioxarray": "xarray",
    "scipy.spatial": "features",
    "shapely": "vector",
    "skops.io": "sklearn",
    "skops.io.exceptions": "sklearn",
    "torch": "torch",
    "torch.utils.data": "torch",
    "urllib.request": "",
    "torch.utils.data._utils.collate": "torch",
    "xarray": "xarray",
    "xarray.conventions": "xarray",
    "xgboost": "boosters",
    "xvec": "features",
    "zarr": "",
    "zarr.buffer.cpu": "",
    "zarr.codecs": "",
    "zarr.errors": "",
    "zarr.storage": "",
}


@contextmanager
def uncollected() -> Iterator[None]:
    """Import without looking for garbage meanwhile.

    Importing makes some hundred thousand objects, and hardly any garbage: looking for it again and again
    is a fifth of the time. What was made counts as old afterwards, so that nothing looks for it soon.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            if not gc.get_freeze_count():  # what somebody has frozen stays so
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def import_quickly(module: str) -> ModuleType:
    """Import a module as `uncollected` does; of one that is there already garbage goes on being looked for.

    >>> import_quickly("zarr").__name__
    'zarr'
    """
    if module in sys.modules:
        return importlib.import_module(module)
    with uncollected():
        return importlib.import_module(module)


def load(module: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Raises
    ------
    MissingExtraError
        The library is not installed.

    Examples
    --------
    >>> load("zarr").__name__
    'zarr'

    """
    try:
        return import_quickly(module)
    except ImportError as error:
        raise _missing(module, str(error)) from error


def _missing(module: str, why: str) -> MissingExtraError:
    extra = MODULES[module]
    package = f"'geopatcher[{extra}]'" if extra else module.partition(".")[0]
    return MissingExtraError(
        f"{module} is needed for this and cannot be imported ({why}): pip install {package}"
    )


def require(*modules: str) -> None:
    """Say which extra brings what will be needed, before there is work to lose; nothing is imported.

    Raises
    ------
    MissingExtraError
        One of them is not installed.

    Examples
    --------
    >>> require("zarr", "numcodecs")

    """
    for module in modules:
        if find_spec(module) is None:
            raise _missing(module, f"No module named {module!r}")


class _Later(ModuleType):
    """A module of the table that is not loaded yet; what was used of it is kept here."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # who looks at it uses nothing of it
            raise AttributeError(f"{self.__name__} is not loaded, and has no {name}")
        value: object = getattr(load(self.__name__), name)
        setattr(self, name, value)
        return value


def later(module: str) -> ModuleType:
    """Return a module of the table that is loaded when something of it is used, as `load` does.

    Types are those of the module itself, imported for checkers alone, with this in the other branch.

    Examples
    --------
    >>> shapely = later("shapely")
    >>> shapely.box(0, 0, 2, 1).area
    2.0

    """
    return _Later(module)
