"""``geopatcher run``."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Unpack

import click

import geopatcher
from geopatcher import executors
from geopatcher.cli.operators import task_of
from geopatcher.cli.options import PATCHES, RESULT, SELECTION, options
from geopatcher.executors.transport import NamedOperator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geopatcher.cli.options import RunKeywords
    from geopatcher.executors.running import Executor


#: Click leaves the lines of a paragraph that starts with a backspace as they are.
HELP = """Run an operator over SOURCE in overlapping patches, and put the results together into TARGET.

SOURCE is the path or URL of a raster. TARGET ends in .zarr or .tif.

\b
geopatcher run scene.tif ndvi.tif --expr "(b4-b3)/(b4+b3)"
geopatcher run scene.tif out.zarr --operator mymodel:predict --batch-size 8
geopatcher run scene.tif out.zarr --operator mymodel:predict --workers 4
"""


@click.command(help=HELP)
@click.argument("source")
@click.argument("target")
@click.option("--operator", metavar="MODULE:FUNCTION", help="A function from (bands, h, w) to (bands, h, w).")
@options(SELECTION, PATCHES, RESULT)
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Processes of this machine to run on."
)
@click.option("--dask", metavar="ADDRESS", help="Scheduler of a Dask cluster to run on: tcp://HOST:8786.")
@click.option("--no-progress", is_flag=True, help="Draw no bar.")
def run(
    source: str,
    target: str,
    *,
    operator: str | None,
    expr: str | None,
    bands: tuple[int, ...] | None,
    nodata: float | int | None,
    workers: int | None,
    dask: str | None,
    no_progress: bool,
    **keywords: Unpack[RunKeywords],
) -> None:
    """Hand everything to `geopatcher.reconstruct`, and say what it did."""
    if workers is not None and dask is not None:
        raise click.UsageError("give either --workers or --dask: a cluster has its own workers")
    task = task_of(source, operator, expr, bands)
    call = task.operator
    if operator is not None and (workers or dask):  # so that workers import it, instead of being sent it
        call = NamedOperator(operator)
    if nodata is None and keywords["dtype"] is None:
        nodata = task.nodata
    progress = False if no_progress else None
    with _cluster(dask) as executor:
        result = geopatcher.reconstruct(
            task.field,
            call,
            target,
            nodata=nodata,
            progress=progress,
            executor=executor,
            workers=workers,
            **keywords,
        )
    click.echo(str(result))


@contextmanager
def _cluster(address: str | None) -> Iterator[Executor | None]:
    """Connect to a cluster while the context is open, where there is one to connect to."""
    if address is None:
        yield None
        return
    with closing(executors.DaskExecutor(address)) as executor:
        yield executor
