"""Run any operator or model over a raster too big for memory, in overlapping patches.

The public names stand in the stub beside this file. They are loaded when they are first used, so that
importing the package is quick.
"""

import lazy_loader

from geopatcher._optional import import_quickly, uncollected

_load, _, _NAMES = lazy_loader.attach_stub(__name__, __file__)
#: Modules of ours that are called as others are: ``from geopatcher import *`` must not take these away.
_NAMESAKES = ("dask", "jax", "time", "torch")
_KNOWN = sorted([*_NAMES, "__version__"])
__all__ = [name for name in _KNOWN if name not in _NAMESAKES]


def __getattr__(name: str) -> object:
    if name not in _KNOWN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "__version__":
        value: object = import_quickly("importlib.metadata").version(__name__)
    else:
        with uncollected():
            value = _load(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(_KNOWN)
