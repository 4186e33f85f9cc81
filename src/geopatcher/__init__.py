"""Run any operator or model over a raster too big for memory, in overlapping patches.

The public names stand in the stub beside this file. They are loaded when they are first used, so that
importing the package is quick.
"""

import lazy_loader

from geopatcher._optional import uncollected

__version__ = "0.1.0"

_load, _, _NAMES = lazy_loader.attach_stub(__name__, __file__)
__all__ = sorted([*_NAMES, "__version__"])  # noqa: PLE0605 - the stub has the names


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with uncollected():
        value: object = _load(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
