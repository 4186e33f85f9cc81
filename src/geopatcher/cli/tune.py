"""``geopatcher tune``."""

from __future__ import annotations

import click

from geopatcher._optional import load
from geopatcher.cli.operators import task_of
from geopatcher.cli.options import SELECTION, options, read_size
from geopatcher.report.tune import WINDOWS
from geopatcher.report.tune import tune as tune_over


def read_sizes(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> list[int | tuple[int, int]] | None:
    """Read sizes with commas between them, such as ``256,128,64x128``."""
    if value is None:
        return None
    sizes = (read_size(ctx, param, part) for part in value.split(","))
    return [size for size in sizes if size is not None]


@click.command(short_help="Try a few steps and windows, and recommend one.")
@click.argument("source")
@click.option("--operator", metavar="MODULE:FUNCTION", help="A function from (bands, h, w) to (bands, h, w).")
@options(SELECTION)
@click.option("--size", callback=read_size, metavar="PIXELS", default="256", show_default=True, help="Patch.")
@click.option("--steps", callback=read_sizes, metavar="P,P", help="Steps.  [default: 1, 3/4, 1/2, 1/4 patch]")
@click.option("--windows", metavar="W,W", default=",".join(WINDOWS), show_default=True, help="Tapers to try.")
@click.option("--samples", type=click.IntRange(min=1), default=4, show_default=True, help="Places to try at.")
@click.option("--batch-size", type=click.IntRange(min=1), default=1, show_default=True, help="As for run.")
@click.option("--aggregation", default="overlap-add", show_default=True, help="As for run.")
@click.option("--save", metavar="PICTURE", help="Write the trade-off as a picture, such as tune.png.")
def tune(
    source: str,
    operator: str | None,
    expr: str | None,
    bands: tuple[int, ...] | None,
    size: int | tuple[int, int],
    steps: list[int | tuple[int, int]] | None,
    windows: str,
    samples: int,
    batch_size: int,
    aggregation: str,
    save: str | None,
) -> None:
    """Run an operator over samples of SOURCE with a few steps and windows; measure seams and cost."""
    if save is not None:
        load("matplotlib.figure")  # say what is missing before the work, not after it
    task = task_of(source, operator, expr, bands)
    tuning = tune_over(
        task.field,
        task.operator,
        size=size,
        steps=steps,
        windows=windows.split(","),
        samples=samples,
        batch_size=batch_size,
        aggregation=aggregation,
    )
    click.echo(str(tuning))
    if save is not None:
        tuning.save(save)
        click.echo(save)
