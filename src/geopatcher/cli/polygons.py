"""``geopatcher polygons``."""

from __future__ import annotations

import click

from geopatcher.api.polygons import USUAL
from geopatcher.api.polygons import polygons as draw_polygons
from geopatcher.cli.numbers import NUMBER
from geopatcher.cli.words import PLACE, OneOf


def read_names(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Read names or numbers, separated by commas: which they are the raster says."""
    del ctx, param
    return None if value is None else tuple(part.strip() for part in value.split(",") if part.strip())


@click.command(short_help="Draw the areas of a map of classes as polygons.")
@click.argument("result", type=PLACE)
@click.argument("out", type=PLACE)
@click.option(
    "--classes", callback=read_names, metavar="A,B", help="Values or names to draw.  [default: all]"
)
@click.option(
    "--min-area", type=NUMBER, metavar="AREA", help="Leave out what is smaller, in units of the CRS."
)
@click.option("--simplify", type=NUMBER, metavar="LENGTH", help="Leave out corners, in units of the CRS.")
@click.option("--connectivity", type=OneOf(["4", "8"]), default="4", show_default=True)
@click.option(
    "--properties",
    callback=read_names,
    metavar="A,B",
    help="Columns: class, and layers whose means are wanted.  [default: class, and confidence if there]",
)
@click.option("--memory-limit", default="256MiB", show_default=True, help="Bytes for a strip.")
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
@click.option("--no-progress", is_flag=True, help="Draw no bar.")
def polygons(
    *,
    result: str,
    out: str,
    classes: tuple[str, ...] | None,
    min_area: float | None,
    simplify: float | None,
    connectivity: str,
    properties: tuple[str, ...] | None,
    memory_limit: str,
    overwrite: bool,
    no_progress: bool,
) -> None:
    r"""Draw the areas of RESULT, a map of classes, as polygons into OUT: .gpkg, .fgb, .geojson or .parquet.

    \b
    geopatcher polygons map.tif fields.gpkg
    geopatcher polygons map.zarr water.fgb --classes water --min-area 5000 --simplify 15
    """
    path = draw_polygons(
        result,
        out,
        classes=classes,
        min_area=min_area,
        simplify=simplify,
        connectivity=8 if connectivity == "8" else 4,
        properties=USUAL if properties is None else properties,
        memory_limit=memory_limit,
        progress=False if no_progress else None,
        overwrite=overwrite,
    )
    click.echo(f"result     {path}")
