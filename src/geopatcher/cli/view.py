"""``geopatcher view``."""

from __future__ import annotations

import webbrowser

import click

from geopatcher.cli.options import read_size
from geopatcher.cli.words import PLACE
from geopatcher.report.viewer import view as serve


@click.command(short_help="Look at a result in a local page.")
@click.argument("result", type=PLACE)
@click.option(
    "--input",
    "source",
    type=PLACE,
    metavar="SOURCE",
    help="The raster it was made from.  [default: as its ledger says]",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where to listen.  [default: any]")
@click.option("--size", callback=read_size, metavar="PIXELS", help="Patches, where no ledger tells.")
@click.option("--step", callback=read_size, metavar="PIXELS", help="From patch to patch, likewise.")
@click.option("--labels/--no-labels", default=None, help="Whether values are labels, such as classes.")
@click.option("--open", "browser", is_flag=True, help="Open the page in the browser.")
def view(
    result: str,
    source: str | None,
    port: int,
    size: int | tuple[int, int] | None,
    step: int | tuple[int, int] | None,
    labels: bool | None,
    browser: bool,
) -> None:
    """Show RESULT, its layers and its input in a page on this machine, until interrupted.

    The page is served on 127.0.0.1 only, needs no internet, and shows rasters of any size.
    """
    with serve(result, source, port=port, size=size, step=step, labels=labels) as viewer:
        click.echo(f"{viewer.url}  (Ctrl-C ends)")
        if browser:
            webbrowser.open(viewer.url)
        try:
            viewer.wait()
        except KeyboardInterrupt:
            click.echo("")
