"""``geopatcher info``."""

from __future__ import annotations

import click

from geopatcher.inspect.info import describe


@click.command(short_help="Describe a raster or a result.")
@click.argument("file")
def info(file: str) -> None:
    """Describe FILE, a raster or a result: size, georeference, bands, nodata, how it is stored."""
    click.echo(str(describe(file)))
