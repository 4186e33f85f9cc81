"""The one lazy table: what the extra `stac` brings, loaded by the first search and not before."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from geostack.errors import MissingExtraError

if TYPE_CHECKING:
    from types import ModuleType

#: every module that may be loaded late; the extra brings them all, some through another
MODULES: frozenset[str] = frozenset(
    {
        "planetary_computer",
        "pystac",
        "pystac.utils",
        "pystac_client",
        "pystac_client.errors",
        "pystac_client.exceptions",
        "pystac_client.stac_api_io",
        "requests",
        "urllib3.util",
    }
)


def load(module: str) -> ModuleType:
    """Import a module of the table, or say which extra brings it.

    Raises
    ------
    MissingExtraError
        The library is not installed, or does not import.

    Examples
    --------
    >>> load("numpy")
    Traceback (most recent call last):
    ...
    KeyError: "'numpy' is not in the table of late imports"

    """
    if module not in MODULES:
        raise KeyError(f"{module!r} is not in the table of late imports")
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"finding scenes needs {module.partition('.')[0]}, which cannot be imported ({error}): "
            "pip install 'geopatcher[stac]'"
        ) from error
