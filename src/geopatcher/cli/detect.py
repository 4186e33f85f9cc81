"""``geopatcher detect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, Unpack, cast

import click

import geopatcher
from geopatcher.cli.area import takes_area
from geopatcher.cli.crew import cluster, require_one_crew, takes_crew
from geopatcher.cli.numbers import NUMBER
from geopatcher.cli.operators import asked_operator
from geopatcher.cli.options import read_bands, read_batch_size, read_names, read_size
from geopatcher.cli.run import DEVICES
from geopatcher.cli.scenes import takes_scenes
from geopatcher.cli.words import OneOf
from geopatcher.engine.error_policy import ON_ERROR
from geopatcher.features.merging import MERGES
from geopatcher.operators.models.detection import LAYOUTS, class_names
from geopatcher.operators.named import NamedOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geopatcher.api.area import Region
    from geopatcher.api.options import SourceOptions
    from geopatcher.core.protocols import Resume
    from geopatcher.engine.batching import BatchSize
    from geopatcher.engine.error_policy import OnError
    from geopatcher.features.merging import Merge
    from geopatcher.fields.open import Sources
    from geopatcher.operators.models.detection import Layout

#: Click leaves the lines of a paragraph that starts with a backspace as they are.
HELP = """Find objects in SOURCE in overlapping patches, each once, and write them to OUT.

SOURCE is the path or URL of a raster, a folder, a pattern or @LIST.txt. OUT ends in .gpkg, .fgb, .geojson or
.parquet.

\b
geopatcher detect harbour.tif ships.gpkg --model yolo.onnx --scale 0.00392 --size 640 --step 480
geopatcher detect harbour.tif ships.gpkg --detector mymodel:find --merge wbf --classes ship,buoy
geopatcher detect /shared/sea.tif ships.gpkg --detector mymodel:find --dask tcp://HOST:8786
"""


class DetectKeywords(TypedDict):
    """What is passed on to `geopatcher.detect`."""

    size: int | tuple[int, int]
    step: int | tuple[int, int] | None
    iou: float
    score: float
    merge: Merge
    batch_size: BatchSize
    region: Region | None
    region_crs: str | None
    all_touched: bool
    workers: int | None
    memory_limit: str
    on_error: OnError
    max_retries: int
    resume: Resume
    overwrite: bool


@click.command(help=HELP)
@takes_scenes(several=False)
@click.option("--model", metavar="FILE", help="A network that finds objects: .onnx.")
@click.option("--layout", type=OneOf(LAYOUTS), default="auto", help="How it tells what it found.")
@click.option("--bands", callback=read_bands, metavar="B,B", help="Bands of SOURCE that it takes.")
@click.option(
    "--scale", type=NUMBER, metavar="NUMBER", help="What values are multiplied by, such as 0.00392."
)
@click.option("--device", type=OneOf(DEVICES), default="auto", help="Where it runs.")
@click.option("--detector", metavar="MODULE:FUNCTION", help="A function from (bands, h, w) to boxes.")
@click.option(
    "--size", callback=read_size, metavar="PIXELS", default="256", show_default=True, help="Of a patch."
)
@click.option("--step", callback=read_size, metavar="PIXELS", help="From patch to patch.  [default: half]")
@click.option(
    "--iou", type=NUMBER, default=0.5, show_default=True, help="Overlap of detections of one object."
)
@click.option("--score", type=NUMBER, default=0.25, show_default=True, help="Leave out what has a lower one.")
@click.option("--merge", type=OneOf(MERGES), default="nms", show_default=True, help="How they become one.")
@click.option(
    "--classes", callback=read_names, default="", metavar="NAME,NAME", help="Names of classes, from 0."
)
@click.option(
    "--batch-size", callback=read_batch_size, metavar="N", default="1", help="Patches at once, or auto."
)
@takes_area
@takes_crew
@click.option("--memory-limit", default="1GiB", show_default=True, help="Bytes for the pixels read at once.")
@click.option("--on-error", type=OneOf(ON_ERROR), default="raise", help="Of a patch that fails.")
@click.option("--max-retries", type=click.IntRange(min=0), default=0, help="Further tries after an error.")
@click.option("--resume/--no-resume", default=True, show_default=True, help="Go on where a run stopped.")
@click.option("--resume-always", is_flag=True, help="Even where it is not known to be the same detector.")
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
@click.option("--no-progress", is_flag=True, help="Draw no bar.")
def detect(
    *,
    source: Sources,
    opening: SourceOptions,
    target: str | None,
    model: str | None,
    layout: Layout,
    bands: tuple[int | str, ...] | None,
    scale: float | None,
    device: str,
    detector: str | None,
    classes: tuple[str, ...],
    crop: bool,
    dask: str | None,
    resume_always: bool,
    no_progress: bool,
    **keywords: Unpack[DetectKeywords],
) -> None:
    """Hand everything to `geopatcher.detect`, and say what it did."""
    if target is None:
        raise click.UsageError("give SOURCE and OUT, the file of the objects")
    if (model is None) == (detector is None):
        raise click.UsageError("give what finds objects: either --model FILE or --detector MODULE:FUNCTION")
    network: geopatcher.DetectionModel | None = None
    if model is not None:
        network = geopatcher.DetectionModel(
            model, layout=layout, bands=cast("Sequence[int]", bands), scale=scale, device=device
        )
    elif scale is not None or layout != "auto" or device != "auto":
        raise click.UsageError("--scale, --layout and --device are for a --model")
    elif bands is not None:
        opening = {**opening, "bands": bands}
    require_one_crew(keywords["workers"], dask)
    if crop:
        raise click.UsageError("--crop is for rasters: objects have the coordinates they have")
    if resume_always:
        keywords["resume"] = "always"
    finds: Callable[..., object] = network or asked_operator(detector or "", "--detector")
    names = class_names(classes or None, finds)
    if network is None and (keywords["workers"] or dask):
        finds = NamedOperator(detector or "")  # workers import it, instead of being sent it
    with cluster(dask) as executor:
        found = geopatcher.detect(
            source,
            finds,
            target,
            classes=names or None,
            executor=executor,
            progress=False if no_progress else None,
            **keywords,
            **opening,
        )
    click.echo(str(found))
