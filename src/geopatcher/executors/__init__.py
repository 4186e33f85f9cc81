"""Executors: who runs the regions of a plan. The names below are loaded when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher._optional import import_quickly

if TYPE_CHECKING:
    from geopatcher.executors.dask import DaskExecutor
    from geopatcher.executors.local import LocalExecutor
    from geopatcher.executors.processes import ProcessExecutor
    from geopatcher.operators.named import NamedOperator
    from geopatcher.runs.executor import Executor

__all__ = ["DaskExecutor", "Executor", "LocalExecutor", "NamedOperator", "ProcessExecutor"]

#: name -> module that holds it
_HOMES = {
    "DaskExecutor": "geopatcher.executors.dask",
    "Executor": "geopatcher.runs.executor",
    "LocalExecutor": "geopatcher.executors.local",
    "NamedOperator": "geopatcher.operators.named",
    "ProcessExecutor": "geopatcher.executors.processes",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = vars(import_quickly(home))[name]
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
