"""``geopatcher export``."""

from __future__ import annotations

import re
from typing import TypedDict, Unpack

import click

import geopatcher
from geopatcher.cli.numbers import to_float
from geopatcher.cli.options import (
    STORAGE,
    options,
    read_bands,
    read_number,
    read_size,
    storage_of,
)
from geopatcher.cli.words import PLACE, checked
from geopatcher.core.box import Box

#: Click leaves the lines of a paragraph that starts with a backspace as they are.
HELP = """Copy SOURCE, or a part of it, into TARGET, in bounded memory.

SOURCE is a result or any other raster; TARGET ends in .zarr or .tif.

\b
geopatcher export result.zarr result.tif
geopatcher export result.zarr part.tif --pixels 0:1000,500:2500 --bands 3,2,1
geopatcher export scene.tif scene.zarr --multiscales
"""


class ExportKeywords(TypedDict):
    """What ``export`` passes on to `geopatcher.export`."""

    bands: tuple[int | str, ...] | None
    bounds: tuple[float, float, float, float] | None
    layer: str
    nodata: float | int | None
    chunks: int | tuple[int, int]
    memory_limit: str
    overwrite: bool


def read_pixels(ctx: click.Context, param: click.Parameter, value: str | None) -> Box | None:
    """Read rows and columns such as ``0:1000,500:2500``."""
    if value is None:
        return None
    match = re.fullmatch(r"([0-9]+):([0-9]+),([0-9]+):([0-9]+)", value.replace(" ", ""))
    if match is None:
        raise click.BadParameter(
            f"{value!r} is not rows and columns of pixels, such as 0:1000,500:2500", ctx, param
        )
    row0, row1, col0, col1 = map(int, match.groups())
    return Box(row0, row1, col0, col1)


def read_bounds(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[float, float, float, float] | None:
    """Read left, bottom, right and top, such as ``500000,4190000,520000,4200000``."""
    if value is None:
        return None
    try:
        left, bottom, right, top = map(to_float, value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is not left,bottom,right,top in units of the CRS", ctx, param
        ) from None
    return left, bottom, right, top


@click.command(help=HELP)
@click.argument("source", type=PLACE)
@click.argument("target", type=PLACE)
@click.option("--bands", callback=read_bands, metavar="B,B", help="Bands to copy, by number or name.")
@click.option("--pixels", "region", callback=read_pixels, metavar="R0:R1,C0:C1", help="Rows and columns.")
@click.option("--bounds", callback=read_bounds, metavar="L,B,R,T", help="The same, in units of the CRS.")
@click.option("--layer", default="data", help="Array of a .zarr result, such as weight.")
@click.option("--nodata", callback=read_number, metavar="NUMBER", help="What cells without data hold.")
@click.option(
    "--chunks", callback=read_size, metavar="PIXELS", default="512", show_default=True, help="Of a .zarr."
)
@options(STORAGE)
@click.option(
    "--memory-limit",
    callback=checked("geopatcher.planning.memory:parse_bytes"),
    metavar="SIZE",
    default="256MiB",
    show_default=True,
    help="Pixels to hold at once.",
)
@click.option("--overwrite", is_flag=True, help="Replace a target that exists.")
@click.option("--no-progress", is_flag=True, help="Draw no bar.")
def export(
    source: str,
    target: str,
    *,
    region: Box | None,
    codec: str,
    checksum: bool,
    shards: int | tuple[int, int] | None,
    multiscales: bool,
    overview: str | None,
    no_progress: bool,
    **keywords: Unpack[ExportKeywords],
) -> None:
    """Hand everything to `geopatcher.export`."""
    storage = storage_of(
        target, codec=codec, checksum=checksum, shards=shards, multiscales=multiscales, overview=overview
    )
    progress = False if no_progress else None
    path = geopatcher.export(source, target, region=region, storage=storage, progress=progress, **keywords)
    click.echo(str(path))
