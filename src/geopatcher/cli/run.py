"""``geopatcher run``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import click

import geopatcher
from geopatcher.cli.operators import task_of
from geopatcher.cli.options import PATCHES, RESULT, SELECTION, options

if TYPE_CHECKING:
    from geopatcher.cli.options import RunKeywords


#: Click leaves the lines of a paragraph that starts with a backspace as they are.
HELP = """Run an operator over SOURCE in overlapping patches, and put the results together into TARGET.

SOURCE is the path or URL of a raster. TARGET ends in .zarr or .tif.

\b
geopatcher run scene.tif ndvi.tif --expr "(b4-b3)/(b4+b3)"
geopatcher run scene.tif out.zarr --operator mymodel:predict --batch-size 8
"""


@click.command(help=HELP)
@click.argument("source")
@click.argument("target")
@click.option("--operator", metavar="MODULE:FUNCTION", help="A function from (bands, h, w) to (bands, h, w).")
@options(SELECTION, PATCHES, RESULT)
@click.option("--no-progress", is_flag=True, help="Draw no bar.")
def run(
    source: str,
    target: str,
    *,
    operator: str | None,
    expr: str | None,
    bands: tuple[int, ...] | None,
    nodata: float | int | None,
    no_progress: bool,
    **keywords: Unpack[RunKeywords],
) -> None:
    """Hand everything to `geopatcher.reconstruct`, and say what it did."""
    task = task_of(source, operator, expr, bands)
    if nodata is None and keywords["dtype"] is None:
        nodata = task.nodata
    progress = False if no_progress else None
    result = geopatcher.reconstruct(
        task.field, task.operator, target, nodata=nodata, progress=progress, **keywords
    )
    click.echo(str(result))
