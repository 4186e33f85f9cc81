"""``geopatcher report``."""

from __future__ import annotations

import click

from geopatcher.cli.options import read_size
from geopatcher.report.html import write_report


@click.command(short_help="Write a report about a result: one HTML file.")
@click.argument("result")
@click.argument("path", required=False, metavar="[REPORT.html]")
@click.option(
    "--input", "source", metavar="SOURCE", help="The raster it was made from.  [default: as its ledger says]"
)
@click.option("--size", callback=read_size, metavar="PIXELS", help="Patches, where no ledger tells.")
@click.option("--step", callback=read_size, metavar="PIXELS", help="From patch to patch, likewise.")
@click.option("--labels/--no-labels", default=None, help="Whether values are labels, such as classes.")
def report(
    result: str,
    path: str | None,
    source: str | None,
    size: int | tuple[int, int] | None,
    step: int | tuple[int, int] | None,
    labels: bool | None,
) -> None:
    """Write a report about RESULT: its run, pictures, coverage, errors, and how visible its seams are.

    The report is one file that needs nothing beside it: RESULT.report.html, unless named.
    """
    click.echo(str(write_report(result, path, source=source, size=size, step=step, labels=labels)))
