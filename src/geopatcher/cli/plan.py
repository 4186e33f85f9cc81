"""``geopatcher plan``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import click

import geopatcher
from geopatcher.cli.operators import expression_task, field_of
from geopatcher.cli.options import PATCHES, SELECTION, options

if TYPE_CHECKING:
    from geopatcher.cli.options import PatchKeywords


@click.command(short_help="Say what a run would do and cost, without reading a pixel.")
@click.argument("source")
@options(SELECTION, PATCHES)
@click.option(
    "--out-bands",
    type=click.IntRange(min=1),
    help="Bands the operator returns.  [default: as many as it gets; 1 with --expr]",
)
def plan(
    source: str,
    expr: str | None,
    bands: tuple[int, ...] | None,
    out_bands: int | None,
    **keywords: Unpack[PatchKeywords],
) -> None:
    """Say what a run over SOURCE would do and cost; no pixel is read."""
    field = field_of(source, bands)
    if expr is not None:
        task = expression_task(source, expr, bands)
        field, out_bands = task.field, out_bands or task.out_bands
    click.echo(str(geopatcher.plan(field, out_bands=out_bands, **keywords)))
