"""``geopatcher run``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import click
import numpy as np

import geopatcher
from geopatcher.cli.area import takes_area
from geopatcher.cli.crew import cluster, require_one_crew, takes_crew
from geopatcher.cli.domains import of_domain
from geopatcher.cli.lazy import ToldError
from geopatcher.cli.looks import takes_looks
from geopatcher.cli.operators import read_arguments, task_over
from geopatcher.cli.options import FUNCTION, PATCHES, RESULT, SELECTION, options, storage_of
from geopatcher.cli.output import JSON, is_quiet, say, say_json
from geopatcher.cli.plan import foretell
from geopatcher.cli.saved import SavedCommand
from geopatcher.cli.scenes import takes_scenes
from geopatcher.cli.words import PLACE, OneOf
from geopatcher.core.sources import OverArray, OverDataset
from geopatcher.inspect.arrays import RESULT as DATA
from geopatcher.inspect.styles import is_seen_soon, seen
from geopatcher.operators.models.augmentation import VIEWS
from geopatcher.operators.named import NamedOperator
from geopatcher.report.live import watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geopatcher.api.options import SourceOptions
    from geopatcher.api.result import Reconstruction
    from geopatcher.cli.options import RunKeywords
    from geopatcher.core.protocols import Resume
    from geopatcher.engine.output import Nodata
    from geopatcher.fields.open import Sources
    from geopatcher.report.live_picture import Picture


#: Most bytes of a result that are decoded for a warning.
LOOK_BYTES = 256 << 20
#: Where a model may run.
DEVICES = ("auto", "cpu", "cuda")
#: What writes cells as they are.
COPY = "numpy:copy"
#: Click leaves the lines of a paragraph that starts with a backspace as they are.
HELP = """Run an operator over SOURCE in overlapping patches, and put the results together into TARGET.

SOURCE is the path or URL of a raster. Several, a folder, a pattern or @LIST.txt are one map; several as
NAME=SOURCE are given to the operator together, by their names. TARGET ends in .zarr or .tif. Without an
operator the cells of several, of what --stac finds, of bands, of an area or on another grid are written
as they are.

\b
geopatcher run scene.tif ndvi.tif --expr "(b4-b3)/(b4+b3)"
geopatcher run scene.tif out.zarr --operator mymodel:predict --batch-size 8
geopatcher run scene.tif out.zarr --operator mymodel:predict --workers 4
geopatcher run scene.tif s3://bucket/out.zarr --operator mymodel:predict --workers 4
geopatcher run scene.tif map.tif --model clouds.onnx --outputs class,confidence
geopatcher run s2=s2.tif dem=dem.tif out.tif --operator mymodel:predict --native dem
geopatcher run scene.tif ndvi.tif --expr "(b4-b3)/(b4+b3)" --save-config run.json
geopatcher run --config run.json --overwrite
geopatcher run a.tif b.tif ndvi.tif --expr "(b4-b3)/(b4+b3)" --order newest --to-crs EPSG:32633
geopatcher run 2024/*.tif median.zarr --stack time --labels date --operator mymodel:median
geopatcher run --stac sentinel-2-l2a --bbox 10,50,10.1,50.1 --datetime 2024-06 --bands B04,B08
               --mosaic median median.tif
geopatcher run --stac sentinel-2-l2a --bbox 10,50,10.1,50.1 --datetime 2024-06 --bands B04,B08
               --mosaic median --expr "(b2-b1)/(b2+b1)" ndvi.tif
"""


@click.command(cls=SavedCommand, help=HELP)
@takes_scenes(several=True, target=True)
@click.argument("target", type=PLACE)
@click.option("--operator", metavar="MODULE:FUNCTION", help=FUNCTION)
@click.option(
    "--model",
    type=PLACE,
    metavar="FILE",
    help="A model: .onnx, .pt2, .ts, .skops, a booster's .txt or .json.",
)
@click.option(
    "--operator-args",
    multiple=True,
    callback=read_arguments,
    metavar="NAME=VALUE",
    help="A keyword of the function, again for each; values are JSON, or else texts.",
)
@click.option("--device", type=OneOf(DEVICES), help="Where the model runs.  [default: auto]")
@click.option("--tta", type=OneOf(sorted(VIEWS)), help="Mean of a model over views of each patch.")
@options(SELECTION, PATCHES, RESULT)
@takes_area
@takes_crew
@click.option(
    "--resume-always",
    is_flag=True,
    help="Go on even where it cannot be known whether the operator is the same.",
)
@click.option("--no-progress", is_flag=True, help="Draw no bar, and print no line a minute.")
@click.option("--watch", is_flag=True, help="Serve a page on this machine that follows the run.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and what it takes, and do nothing.")
@options(JSON)
@takes_looks
def run(
    *,
    source: Sources,
    opening: SourceOptions,
    target: str,
    operator: str | None,
    model: str | None,
    device: str | None,
    tta: str | None,
    expr: str | None,
    bands: tuple[int | str, ...] | None,
    nodata: Nodata,
    codec: str,
    checksum: bool,
    shards: int | tuple[int, int] | None,
    multiscales: bool,
    overview: str | None,
    workers: int | None,
    dask: str | None,
    resume_always: bool,
    no_progress: bool,
    watch: bool,
    dry_run: bool,
    as_json: bool,
    operator_args: dict[str, object],
    **keywords: Unpack[RunKeywords],
) -> None:
    """Hand everything to `geopatcher.reconstruct`, and say what it did."""
    keywords["resume"] = _resume(keywords["resume"], always=resume_always)
    _refuse(model, device, tta, workers, dask)
    storage = storage_of(
        target, codec=codec, checksum=checksum, shards=shards, multiscales=multiscales, overview=overview
    )
    if (operator, expr, model) == (None, None, None) and _is_chosen(source, bands, keywords):
        operator, keywords["step"] = COPY, keywords["step"] or keywords["size"]
    task = task_over(source, operator, expr, bands, model, operator_args)
    far = workers or dask  # workers import it, instead of being sent it
    call = NamedOperator(operator, operator_args) if operator and far else task.operator
    nodata = _nodata(nodata, task.nodata, keywords)
    if dry_run:
        asked = {**keywords, "workers": workers, "out_bands": task.out_bands, "nodata": nodata}
        foretell(task.field, call, target, storage, opening, asked, as_json=as_json)
        return
    with cluster(dask) as executor, _page(keywords) if watch else nullcontext(()) as hooks:
        result = geopatcher.reconstruct(
            task.field,
            call,
            target,
            tta=tta,
            device=device,
            nodata=nodata,
            storage=storage,
            progress=False if no_progress or is_quiet() else None,
            executor=executor,
            workers=workers,
            hooks=hooks,
            **opening,
            **keywords,
        )
    _warn_of_ones(result, keywords["dtype"], made=expr is not None and task.nodata is None)
    _tell(result, as_json=as_json)


@contextmanager
def _page(keywords: RunKeywords) -> Iterator[Picture]:
    """Serve a page that follows the run by its log, a temporary one where none is asked for."""
    style, scale_to = keywords["style"], keywords["scale_to"]
    if style is not None and scale_to is not None:
        style = replace(style, range=None)  # its numbers are those that are stored
    with watched(keywords["log_json"], style=style) as (viewer, log, picture):
        keywords["log_json"] = str(log)
        click.echo(f"{viewer.url}  follows the run", err=True)
        yield picture


def _is_chosen(source: Sources, bands: tuple[int | str, ...] | None, keywords: RunKeywords) -> bool:
    """Return whether cells are worth writing as they are: those of one raster in a file are there already."""
    if isinstance(source, Mapping):
        return False
    is_stored = isinstance(source, OverDataset | OverArray)
    return not is_stored or bands is not None or keywords["region"] is not None


def _nodata(given: Nodata, usual: int | None, keywords: RunKeywords) -> Nodata:
    """Return what says missing: what goes with the operator, unless numbers of another kind are asked for."""
    own_kind = keywords["dtype"] is None and keywords["scale_to"] is None
    return usual if given is None and own_kind else given


def _resume(resume: Resume, *, always: bool) -> Resume:
    """Return what becomes of what an earlier run left."""
    if always and not resume:
        raise click.UsageError("give either --no-resume or --resume-always: one goes on with nothing")
    return "always" if always else resume


def _refuse(
    model: str | None, device: str | None, tta: str | None, workers: int | None, dask: str | None
) -> None:
    """Refuse options that do not go together."""
    require_one_crew(workers, dask)
    if model is None and (device or tta):
        raise click.UsageError("--device and --tta are for a --model")


def _tell(result: Reconstruction, *, as_json: bool) -> None:
    """Print what a run did; patches that failed are an error, though there is a result."""
    if as_json:
        say_json(_told(result))
    else:
        say(str(result))
    if result.errors:
        raise PatchesFailedError(result)


class PatchesFailedError(ToldError):
    """There is a result, but some of its patches failed: exit code 3."""

    exit_code = 3

    def __init__(self, result: Reconstruction) -> None:
        first = min(result.errors, key=lambda error: error.anchor)
        row, col = first.anchor
        many = f"{len(result.errors):,} patches" if len(result.errors) > 1 else "1 patch"
        super().__init__(
            f"{many} of {result.plan.n_patches:,} failed; the first, at row {row}, column {col}: "
            f"{first.stage}: {first.message}"
        )


def _told(result: Reconstruction) -> dict[str, object]:
    """Return what a run did, for programs."""
    return {
        "result": None if result.path is None else str(result.path),
        **of_domain(result.domain),
        "layers": list(result.layers),
        "planned_bytes": result.plan.memory_bytes,
        "stats": result.stats.as_dict(),
        "failed": [
            {"row": each.anchor[0], "column": each.anchor[1], "stage": each.stage, "error": each.message}
            for each in result.errors
        ],
    }


def _warn_of_ones(result: Reconstruction, dtype: str | None, *, made: bool) -> None:
    """Warn where whole numbers that were asked for leave only 0 and 1 of a quantity that was ``made``."""
    raster = result.rasters()[DATA]
    if not made or dtype is None or np.dtype(dtype).kind not in "iu" or not is_seen_soon(raster, LOOK_BYTES):
        return
    values = np.unique(seen(raster, 0))
    if set(values[np.isfinite(values)].tolist()) <= {0.0, 1.0}:
        warnings.warn(
            f"--dtype {dtype} leaves only 0 and 1 of what this expression gives: leave it out, or use "
            f"--scale-to {dtype} --range 0,1",
            UserWarning,
            stacklevel=2,
        )
