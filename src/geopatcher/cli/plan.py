"""``geopatcher plan``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Unpack, cast

import click

import geopatcher
from geopatcher.api.opening import opened
from geopatcher.api.options import PlanOptions
from geopatcher.cli.area import takes_area
from geopatcher.cli.looks import takes_scaling
from geopatcher.cli.operators import expression_task, field_of, model_from
from geopatcher.cli.options import PATCHES, SELECTION, options
from geopatcher.cli.output import JSON, say_json
from geopatcher.cli.scenes import takes_scenes
from geopatcher.cli.words import PLACE
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.executors.workers.shared_arrays import block_width
from geopatcher.planning.tasks import cut_tasks

if TYPE_CHECKING:
    from geopatcher.api.models import Runnable
    from geopatcher.api.options import SourceOptions
    from geopatcher.cli.options import PatchKeywords
    from geopatcher.fields.open import Sources
    from geopatcher.planning.plan import Plan
    from geopatcher.targets.storage import CogStorage, ZarrStorage


#: What a plan follows from, of all that a run is given.
OF_A_PLAN = frozenset(PlanOptions.__optional_keys__ | {"size", "step", "window", "aggregation", "boundary"})


def foretell(
    field: Sources,
    operator: Runnable | None,
    target: str,
    storage: ZarrStorage | CogStorage | None,
    opening: SourceOptions,
    asked: Mapping[str, object],
    *,
    as_json: bool,
) -> Plan:
    """Print what a run would do and take; ``asked`` are keywords of a run, of which some decide that."""
    given = {"operator": operator, "target": target, "storage": storage}
    known = {key: asked[key] for key in asked if key in OF_A_PLAN} | opening | given
    made = geopatcher.plan(field, **cast("PlanOptions", known))
    if as_json:
        say_json(_told(made))
    else:
        click.echo(str(made))
    return made


def _told(plan: Plan) -> dict[str, object]:
    """Return a plan for programs."""
    return {
        "source": plan.source_name,
        "height": plan.domain.height,
        "width": plan.domain.width,
        "patches": plan.n_patches,
        "size": list(plan.anchors.patch_shape),
        "overlap": plan.overlap,
        "blocks": plan.blocks.count,
        "chunks": list(plan.chunks),
        "regions": plan.n_regions,
        "memory_bytes": plan.memory_bytes,
        "working_bytes": plan.working_bytes,
        "memory_limit": plan.memory_limit,
        "disk_bytes": plan.disk_bytes,
    }


@click.command(short_help="Say what a run would do and cost, without reading a pixel.")
@takes_scenes(several=True)
@click.option(
    "--model", type=PLACE, metavar="FILE", help="The model that would be run: its margin, bands, classes."
)
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
@options(JSON)
@takes_scaling
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
    as_json: bool,
    **keywords: Unpack[PatchKeywords],
) -> None:
    """Say what a run over SOURCE would do and cost; no pixel is read, and nothing is written.

    SOURCE is what it is of run: a raster, several, NAME=SOURCE, or what --stac finds. TARGET is that of the
    run, the last of several arguments, which need not be there: a GeoTIFF takes memory to be assembled.
    Without one the result is taken for a zarr store.
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
    asked = {**keywords, "workers": workers, "out_bands": out_bands}
    made = foretell(field, operator, place, None, opening, asked, as_json=as_json)
    if as_json:
        return
    if workers is not None:
        pixels = opened(field, opening, ErrorPolicy(), "plan", opening)
        share = made.memory_limit // workers
        click.echo(f"tasks      {cut_tasks(made, workers, share, block_width=block_width(pixels))}")
