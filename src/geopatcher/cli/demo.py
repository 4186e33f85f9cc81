"""``geopatcher demo``."""

from __future__ import annotations

import time
from pathlib import Path

import click

import geopatcher
from geopatcher.core.buffers import trim
from geopatcher.demo.check import Comparison, compare, detail
from geopatcher.demo.picture import INDEX_COLOURS, Panels, draw
from geopatcher.demo.scene import Scene
from geopatcher.engine.resident import forget_peak
from geopatcher.errors import MissingExtraError
from geopatcher.fields.raster import RasterField
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.planning.memory import format_bytes
from geopatcher.targets.places import local_place

EXPRESSION = "(b4 - b3) / (b4 + b3)"
SIZE, STEP = 256, 128
#: That of the picture, for the viewer, the report and others.
LOOK = geopatcher.Style(range=(INDEX_COLOURS[0][0], INDEX_COLOURS[-1][0]), ramp="index")
#: The detail of the picture: left, top and side as fractions of the scene.
SQUARE = (0.5, 0.375, 0.15625)


@click.command(short_help="Make a scene, run an index over it, check it, draw it.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder for what the demo writes.",
)
@click.option(
    "--pixels",
    type=click.IntRange(min=256),
    default=4096,
    show_default=True,
    help="Height and width of the scene.",
)
def demo(out: Path, pixels: int) -> None:
    """Make a scene, run a vegetation index over it, check it, and draw it.

    The scene is like one of Sentinel-2. The index runs in patches that overlap by half, to zarr and to
    GeoTIFF; every pixel of both is compared with the same index computed at once. Neither data nor a
    network is needed.
    """
    local_place(out).mkdir(parents=True, exist_ok=True)
    scene = out / "scene.tif"
    started = time.perf_counter()
    Scene(pixels).write(scene)
    seconds = time.perf_counter() - started
    click.echo(f"scene      {scene}, made in {seconds:.1f} s")
    click.echo(f"           {pixels:,} x {pixels:,} pixels, 4 x uint16, {format_bytes(scene.stat().st_size)}")

    store, tiff = out / "ndvi.zarr", out / "ndvi.tif"
    ndvi = geopatcher.Expression(EXPRESSION)
    field = RasterField(RasterioSource(str(scene), ndvi.bands))
    for target in (store, tiff):
        click.echo(f"\n{ndvi.text} to {target}")
        trim()
        forget_peak()  # that of the scene, or of the run before
        result = geopatcher.reconstruct(
            field, ndvi.among(ndvi.bands), target, size=SIZE, step=STEP, style=LOOK, overwrite=True
        )
        click.echo(str(result))

    found = compare(scene, store, tiff)
    click.echo(f"\ncheck      largest error {found.zarr_error:.1e} (zarr), {found.tiff_error:.1e} (GeoTIFF)")
    click.echo(f"nodata     {found.missing:,} pixels, {found.wrong_mask:,} of them or others wrong")
    click.echo(f"picture    {_drawn(out, pixels, found)}")
    click.echo(f"next       geopatcher view {tiff}, or geopatcher report {tiff}")
    if not found.passed:
        raise click.ClickException("the results differ from the whole-array truth: see above")


def _drawn(out: Path, pixels: int, found: Comparison) -> str:
    """Draw the picture; return where it is, or that nothing here can draw it."""
    scene, store, picture = out / "scene.tif", out / "ndvi.zarr", out / "demo.png"
    side = max(1, round(SQUARE[2] * pixels))
    corner = (round(SQUARE[1] * pixels), round(SQUARE[0] * pixels))
    try:
        draw(
            picture,
            Panels(found.rgb, found.index, found.difference),
            Panels(*detail(scene, store, corner=corner, side=side)),
            square=SQUARE,
            corner=corner,
            patch=(SIZE, STEP),
            expression=EXPRESSION,
            error=max(found.zarr_error, found.tiff_error),
        )
    except MissingExtraError as error:
        return f"none: {error}"
    return str(picture.resolve())
