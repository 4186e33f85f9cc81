"""``geopatcher plan``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Unpack

import click

import geopatcher
from geopatcher.api.opening import opened
from geopatcher.cli.area import takes_area
from geopatcher.cli.operators import expression_task, field_of, model_from
from geopatcher.cli.options import PATCHES, SELECTION, options
from geopatcher.cli.scenes import takes_scenes
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.executors.workers.shared_arrays import block_width
from geopatcher.planning.tasks import cut_tasks

if TYPE_CHECKING:
    from geopatcher.api.options import SourceOptions
    from geopatcher.cli.options import PatchKeywords
    from geopatcher.fields.open import Sources


@click.command(short_help="Say what a run would do and cost, without reading a pixel.")
@takes_scenes(several=False)
@click.option("--model", metavar="FILE", help="The model that would be run: its margin, bands, classes.")
@options(SELECTION, PATCHES)
@takes_area
@click.option(
    "--out-bands",
    type=click.IntRange(min=1),
    help="Bands the operator returns.  [default: as many as it gets; 1 with --expr]",
)
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Say how N workers would divide it, too."
)
def plan(
    *,
    source: Sources,
    opening: SourceOptions,
    target: str | None,
    model: str | None,
    expr: str | None,
    bands: tuple[int | str, ...] | None,
    out_bands: int | None,
    workers: int | None,
    **keywords: Unpack[PatchKeywords],
) -> None:
    """Say what a run over SOURCE would do and cost; no pixel is read, and nothing is written.

    TARGET is that of the run, which need not be there: a GeoTIFF takes memory to be assembled. Without one
    the result is taken for a zarr store.
    """
    if model is not None and expr is not None:
        raise click.UsageError("give either --expr or --model: a run has one of them")
    field: Sources
    operator = None if model is None else model_from(model)
    if isinstance(source, Mapping):
        if expr is not None or bands is not None:
            raise click.UsageError(
                f"--expr and --bands are for one raster, and there are {', '.join(source)}"
            )
        field = source
    elif expr is not None:
        task = expression_task(source, expr, bands)
        field, out_bands = task.field, out_bands or task.out_bands
    else:
        field = field_of(source, bands)
    place = target or "result.zarr"
    made = geopatcher.plan(
        field,
        operator=operator,
        out_bands=out_bands,
        target=place,
        workers=workers,
        **opening,
        **keywords,
    )
    click.echo(str(made))
    if workers is not None:
        pixels = opened(field, opening, ErrorPolicy(), "plan", opening)
        share = made.memory_limit // workers
        click.echo(f"tasks      {cut_tasks(made, workers, share, block_width=block_width(pixels))}")
