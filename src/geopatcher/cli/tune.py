"""``geopatcher tune``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from geopatcher._optional import load
from geopatcher.cli.operators import task_over
from geopatcher.cli.options import FUNCTION, SELECTION, options, read_size
from geopatcher.cli.output import JSON, say_json
from geopatcher.cli.scenes import takes_scenes
from geopatcher.cli.words import PLACE, OneOf, checked
from geopatcher.patching.windows import WINDOWS as ALL_WINDOWS
from geopatcher.report.margins import tune_margin
from geopatcher.report.tune import WINDOWS
from geopatcher.report.tune import tune as tune_over

if TYPE_CHECKING:
    from geopatcher.api.options import SourceOptions
    from geopatcher.fields.open import Sources
    from geopatcher.report.choices import Choice
    from geopatcher.report.margins import MarginTuning
    from geopatcher.report.tune import Tuning

#: What can be found out.
MEASURES = ("overlap", "margin")


def read_sizes(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> list[int | tuple[int, int]] | None:
    """Read sizes with commas between them, such as ``256,128,64x128``."""
    if value is None:
        return None
    sizes = (read_size(ctx, param, part) for part in value.split(","))
    return [size for size in sizes if size is not None]


def read_windows(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """Read windows with commas between them, such as ``hann,tukey``."""
    known = OneOf(sorted(ALL_WINDOWS))
    return None if value is None else [known.convert(part.strip(), param, ctx) for part in value.split(",")]


@click.command(short_help="Find the step, window or margin an operator needs.")
@takes_scenes(several=False, target=True)
@click.option("--operator", metavar="MODULE:FUNCTION", help=FUNCTION)
@click.option("--model", type=PLACE, metavar="FILE", help="A model, as for run.")
@options(SELECTION)
@click.option(
    "--measure",
    type=OneOf(MEASURES),
    help="Steps and windows, or margins.  [default: margin for a --model, else overlap]",
)
@click.option("--size", callback=read_size, metavar="PIXELS", default="256", show_default=True, help="Patch.")
@click.option("--steps", callback=read_sizes, metavar="P,P", help="Steps.  [default: 1, 3/4, 1/2, 1/4 patch]")
@click.option(
    "--windows", callback=read_windows, metavar="W,W", help=f"Tapers to try.  [default: {','.join(WINDOWS)}]"
)
@click.option("--samples", type=click.IntRange(min=1), default=4, show_default=True, help="Places to try at.")
@click.option("--margin", type=click.IntRange(min=0), metavar="PIXELS", help="As for run.")
@click.option(
    "--output-scale",
    callback=checked("geopatcher.planning.reading:scale_from"),
    metavar="NUMBER",
    help="As for run.",
)
@click.option("--batch-size", type=click.IntRange(min=1), default=1, show_default=True, help="As for run.")
@click.option(
    "--aggregation",
    callback=checked("geopatcher.aggregations.names:aggregation_from_name"),
    metavar="NAME",
    default="overlap-add",
    show_default=True,
    help="As for run.",
)
@click.option("--labels/--no-labels", default=None, help="Whether results are labels, such as classes.")
@click.option("--save", metavar="PICTURE", help="Write the trade-off as a picture, such as tune.png.")
@options(JSON)
def tune(
    source: Sources,
    opening: SourceOptions,
    operator: str | None,
    model: str | None,
    expr: str | None,
    bands: tuple[int | str, ...] | None,
    measure: str | None,
    size: int | tuple[int, int],
    steps: list[int | tuple[int, int]] | None,
    windows: list[str] | None,
    samples: int,
    margin: int | None,
    output_scale: str | None,
    batch_size: int,
    aggregation: str,
    labels: bool | None,
    save: str | None,
    as_json: bool,
) -> None:
    """Run an operator over samples of SOURCE, and say what it needs for results without seams.

    Either a step and a window, whose seams and cost are measured; or a margin, with which tiles equal the
    whole raster.
    """
    of_margin = (measure or ("overlap" if model is None else "margin")) == "margin"
    if of_margin:
        given = {"--steps": steps, "--windows": windows, "--margin": margin, "--save": save}
        _refuse([name for name, value in given.items() if value is not None])
    if save is not None:
        load("matplotlib.figure")  # say what is missing before the work, not after it
    task = task_over(source, operator, expr, bands, model)
    if of_margin:
        found = tune_margin(
            task.field, task.operator, size=size, samples=samples, output_scale=output_scale, **opening
        )
        _say(found, _of_margin(found), as_json=as_json)
        return
    tuning = tune_over(
        task.field,
        task.operator,
        size=size,
        steps=steps,
        windows=windows or WINDOWS,
        samples=samples,
        margin=margin,
        output_scale=output_scale,
        batch_size=batch_size,
        aggregation=aggregation,
        labels=labels,
        **opening,
    )
    _say(tuning, _told(tuning), as_json=as_json)
    if save is not None:
        tuning.save(save)
        if not as_json:
            click.echo(save)


def _say(found: Tuning | MarginTuning, record: dict[str, object], *, as_json: bool) -> None:
    """Print what was found out, as a table or for programs."""
    if as_json:
        say_json(record)
    else:
        click.echo(str(found))


def _told(tuning: Tuning) -> dict[str, object]:
    """Return what was found out about overlap, for programs."""
    return {
        "operator": tuning.operator,
        "size": list(tuning.size),
        "samples": tuning.samples,
        "recommended": None if tuning.recommended is None else _of_choice(tuning.recommended),
        "reason": tuning.reason,
        "choices": [_of_choice(choice) for choice in tuning.choices],
    }


def _of_choice(choice: Choice) -> dict[str, object]:
    seam = choice.seams.strongest
    return {
        "step": list(choice.step),
        "window": choice.window,
        "overlap": choice.overlap,
        "seconds_per_mpx": choice.seconds_per_mpx,
        "disagreement": choice.disagreement,
        "seam": {"verdict": seam.verdict, "ratio": seam.ratio, "low": seam.low, "high": seam.high},
    }


def _of_margin(found: MarginTuning) -> dict[str, object]:
    return {
        "operator": found.operator,
        "shown": list(found.shown),
        "samples": found.samples,
        "recommended": found.recommended,
        "needed": found.needed,
        "reason": found.reason,
        "differences": list(found.differences),
    }


def _refuse(given: list[str]) -> None:
    """Refuse options that are of no use where a margin is measured."""
    if given:
        raise click.UsageError(
            f"{given[0]} is for --measure overlap: a margin is measured without it, so leave it out"
        )
