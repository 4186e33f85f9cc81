"""``geopatcher run``."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Unpack

import click

import geopatcher
from geopatcher import executors
from geopatcher.cli.area import takes_area
from geopatcher.cli.operators import model_from, task_over
from geopatcher.cli.options import PATCHES, RESULT, SELECTION, options, storage_of
from geopatcher.cli.saved import SavedCommand
from geopatcher.cli.scenes import takes_scenes
from geopatcher.operators.models.augmentation import VIEWS
from geopatcher.operators.named import NamedOperator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geopatcher.api.options import SourceOptions
    from geopatcher.cli.options import RunKeywords
    from geopatcher.engine.job import Nodata
    from geopatcher.fields.open import Sources
    from geopatcher.runs.executor import Executor


#: Where a model may run.
DEVICES = ("auto", "cpu", "cuda")
#: Click leaves the lines of a paragraph that starts with a backspace as they are.
HELP = """Run an operator over SOURCE in overlapping patches, and put the results together into TARGET.

SOURCE is the path or URL of a raster. Several, a folder, a pattern or @LIST.txt are one map; several as
NAME=SOURCE are given to the operator together, by their names. TARGET ends in .zarr or .tif.

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
               --mosaic median --expr "(b2-b1)/(b2+b1)" ndvi.tif
"""


@click.command(cls=SavedCommand, help=HELP)
@takes_scenes(several=True)
@click.argument("target")
@click.option("--operator", metavar="MODULE:FUNCTION", help="A function from (bands, h, w) to (bands, h, w).")
@click.option("--model", metavar="FILE", help="A model: .onnx, .pt2, .ts, .skops, a booster's .txt or .json.")
@click.option("--device", type=click.Choice(DEVICES), help="Where the model runs.  [default: auto]")
@click.option("--tta", type=click.Choice(sorted(VIEWS)), help="Mean of a model over views of each patch.")
@options(SELECTION, PATCHES, RESULT)
@takes_area
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Processes of this machine to run on."
)
@click.option("--dask", metavar="ADDRESS", help="Scheduler of a Dask cluster to run on: tcp://HOST:8786.")
@click.option(
    "--resume-always",
    is_flag=True,
    help="Go on even where it cannot be known whether the operator is the same.",
)
@click.option("--no-progress", is_flag=True, help="Draw no bar.")
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
    **keywords: Unpack[RunKeywords],
) -> None:
    """Hand everything to `geopatcher.reconstruct`, and say what it did."""
    if workers is not None and dask is not None:
        raise click.UsageError("give either --workers or --dask: a cluster has its own workers")
    if resume_always:
        if not keywords["resume"]:
            raise click.UsageError("give either --no-resume or --resume-always: one goes on with nothing")
        keywords["resume"] = "always"
    storage = storage_of(
        target, codec=codec, checksum=checksum, shards=shards, multiscales=multiscales, overview=overview
    )
    task = task_over(source, operator, expr, bands, None if model is None else model_from(model))
    if model is None and (device or tta):
        raise click.UsageError("--device and --tta are for a --model")
    call = task.operator
    if operator is not None and (workers or dask):  # so that workers import it, instead of being sent it
        call = NamedOperator(operator)
    if nodata is None and keywords["dtype"] is None:
        nodata = task.nodata
    progress = False if no_progress else None
    with _cluster(dask) as executor:
        result = geopatcher.reconstruct(
            task.field,
            call,
            target,
            tta=tta,
            device=device,
            nodata=nodata,
            storage=storage,
            progress=progress,
            executor=executor,
            workers=workers,
            **opening,
            **keywords,
        )
    click.echo(str(result))


@contextmanager
def _cluster(address: str | None) -> Iterator[Executor | None]:
    """Connect to a cluster while the context is open, where there is one to connect to."""
    if address is None:
        yield None
        return
    with closing(executors.DaskExecutor(address)) as executor:
        yield executor
