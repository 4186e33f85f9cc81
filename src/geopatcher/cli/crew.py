"""Who computes: processes of this machine, or the workers of a cluster."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

from geopatcher import executors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geopatcher.runs.executor import Executor

F = TypeVar("F", bound="Callable[..., object]")


def takes_crew(function: F) -> F:
    """Give a command the options ``--workers`` and ``--dask``, which `cluster` takes."""
    for option in (
        click.option(
            "--dask", metavar="ADDRESS", help="Scheduler of a Dask cluster to run on: tcp://HOST:8786."
        ),
        click.option(
            "--workers", type=click.IntRange(min=1), metavar="N", help="Processes of this machine to run on."
        ),
    ):
        function = option(function)
    return function


def require_one_crew(workers: int | None, dask: str | None) -> None:
    """Refuse both of the options.

    Raises
    ------
    click.UsageError
        Both are given.

    """
    if workers is not None and dask is not None:
        raise click.UsageError("give either --workers or --dask: a cluster has its own workers")


@contextmanager
def cluster(address: str | None) -> Iterator[Executor | None]:
    """Connect to a cluster while the context is open, where there is one to connect to.

    Raises
    ------
    WorkerLostError
        There is no scheduler at the address.
    MissingExtraError
        ``distributed`` is not installed.

    """
    if address is None:
        yield None
        return
    with closing(executors.DaskExecutor(address)) as executor:
        yield executor
