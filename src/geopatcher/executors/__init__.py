"""Executors: who runs the regions of a plan. The names below are loaded when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher._optional import import_quickly

if TYPE_CHECKING:
    from geopatcher.executors.dask import DaskExecutor
    from geopatcher.executors.local import LocalExecutor
    from geopatcher.executors.processes import ProcessExecutor
    from geopatcher.executors.running import Executor
    from geopatcher.executors.transport import NamedOperator

__all__ = ["DaskExecutor", "Executor", "LocalExecutor", "NamedOperator", "ProcessExecutor"]

#: name -> module that holds it
_HOMES = {
    "DaskExecutor": "dask",
    "Executor": "running",
    "LocalExecutor": "local",
    "NamedOperator": "transport",
    "ProcessExecutor": "processes",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = vars(import_quickly(f"{__name__}.{home}"))[name]
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
