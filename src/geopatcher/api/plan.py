"""The public verb that foretells: `plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from geopatcher.api.area import Extent
from geopatcher.api.axes import axes_for
from geopatcher.api.destination import Destination
from geopatcher.api.executor_choice import executor_for
from geopatcher.api.models import as_run, reading_for, result_bands, usual_batch, usual_step
from geopatcher.api.opening import opened
from geopatcher.api.options import PlanOptions
from geopatcher.api.outputs import asked, with_outputs
from geopatcher.api.request import Request
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.engine.prepare import check_blocks, warn_of_ground
from geopatcher.planning.memory import parse_bytes

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from numpy.typing import DTypeLike

    from geopatcher.accumulators.base import AnyCellAggregation
    from geopatcher.api.area import Region
    from geopatcher.api.axes import PatcherLike, Scale, Size
    from geopatcher.api.models import Runnable
    from geopatcher.api.options import SourceOptions
    from geopatcher.core.protocols import PixelSource, Window
    from geopatcher.core.scaling import ScaleTo
    from geopatcher.engine.batching import BatchSize
    from geopatcher.engine.output import Nodata
    from geopatcher.fields.open import Sources
    from geopatcher.planning.plan import Plan
    from geopatcher.runs.executor import Executor
    from geopatcher.targets.storage import CogStorage, ZarrStorage


def plan(
    source: Sources,
    *,
    operator: Runnable | None = None,
    patcher: PatcherLike | None = None,
    size: Size = 256,
    step: Size | None = None,
    margin: Size | None = None,
    output_scale: Scale | None = None,
    window: str | Window = "hann",
    aggregation: str | AnyCellAggregation = "overlap-add",
    boundary: str = "cover",
    batch_size: BatchSize = 1,
    memory_limit: int | str = "1GiB",
    dtype: DTypeLike | None = None,
    scale_to: ScaleTo | None = None,
    nodata: Nodata = None,
    chunks: Size = 512,
    storage: ZarrStorage | CogStorage | None = None,
    region: Region | None = None,
    region_crs: object = None,
    crop: bool = False,
    all_touched: bool = False,
    outputs: str | Iterable[str] | None = None,
    layers: Iterable[str] = (),
    out_bands: int | None = None,
    target: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    allow_gaps: bool = False,
    **opening: Unpack[SourceOptions],
) -> Plan:
    """Say what `reconstruct` would do and cost; no pixel is read, and nothing is written.

    What a run would refuse is refused here. Of a ``patcher`` alone, without ``operator`` and ``target``, it
    is the plan of `SpatialPatcher.split` as well, which may leave gaps: then ``coverage`` tells of them.

    Parameters
    ----------
    source
        As of `reconstruct`: a path or URL, an array ``(height, width)`` or ``(bands, height, width)``, ...
    operator
        What would be run, as of `reconstruct`: a model says its margin, scale, step, batch, bands and
        classes. Without one nothing is known of it.
    patcher, size, step, window, aggregation, boundary
        The patches, as of `reconstruct`: 256x256 pixels every 128 under a Hann window, overlap-added, by
        default.
    margin, output_scale
        What the operator would want to see around a patch, in pixels, and how much finer its results would
        be; 0 and 1 by default.
    batch_size
        Patches the operator would get at once, 1 by default. For ``"auto"`` a quarter of ``memory_limit`` is
        planned for them; what the operator takes by itself is found out by the run, and kept within the rest.
    memory_limit
        Bytes of working memory, or a text such as ``"512MiB"``; ``"1GiB"`` by default.
    dtype
        Of the result; float32 is assumed where it follows from the operator.
    scale_to
        As of `reconstruct`: the result has its dtype.
    nodata
        As of `reconstruct`: whether a ``dtype`` or ``scale_to`` can have it is seen here.
    chunks
        ``(rows, columns)`` of a block of the result in pixels, or one number for both; 512 by default.
    storage
        How the ``target`` stores the result: shards and overviews take memory.
    region, region_crs, crop, all_touched
        The part of the raster to compute, as of `reconstruct`; all of it by default.
    outputs
        As of `reconstruct`, with ``aggregation="soft-vote:10"`` to say how many classes there are.
    layers
        Names of what is written beside the result: ``"weight"``, ``"count"``, ``"spread"``.
    out_bands
        How many bands the operator returns: as many as the source has by default.
    target
        Where the result would go. Without one it is an array, and takes the room of one.
    executor, workers
        Who would compute it, as of `reconstruct`: this process by default.
    allow_gaps
        Whether patches may leave pixels out, as of `reconstruct`.
    **opening
        How the source is read, as of `reconstruct`.

    Returns
    -------
    Plan
        Patches, blocks, regions, ``memory_bytes`` and ``disk_bytes``; ``print`` it to read them.

    Raises
    ------
    SourceError
        There is no such source, or it is not a raster.
    MemoryLimitError
        Not one patch, task of a worker or block of the source fits the limit.
    IncompleteScanConfiguration
        Patches would leave pixels out, and ``allow_gaps`` is not set.
    TargetError
        The folder of ``target`` is missing, or pixels are read from there. Whether an earlier result may
        stand there is seen by the run.
    ValueError, TypeError
        An argument is not what it should be.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> print(geopatcher.plan(np.zeros((4, 512, 512), "uint16"), size=128, step=64).n_patches)
    49

    """
    run = None if operator is None else as_run(operator, None)
    usual = patcher is None and aggregation == "overlap-add"
    axes = axes_for(patcher, size, usual_step(run, step, size, patcher), window, aggregation, boundary)
    reading, limit = reading_for(run, margin, output_scale), parse_bytes(memory_limit)
    pixels = opened(source, opening, ErrorPolicy(), "plan", PlanOptions.__optional_keys__, run)
    if run is None:
        axes, beside = with_outputs(axes, outputs, None, layers, usual=False)
    else:
        run, pixels, axes, beside = asked(run, pixels, axes, outputs, layers, reading, limit, usual=usual)
        out_bands = result_bands(run) if out_bands is None else out_bands
    extent, at_once = Extent(region, region_crs, crop, all_touched), usual_batch(run, batch_size)
    to = Destination(target, storage)
    request = Request.of(axes, reading, to, chunks, beside, dtype, nodata, at_once, limit, extent)
    field, request = request.looking(None, scale_to).over(pixels)
    warn_of_ground(field, stacklevel=2)
    made, n_bytes = request.plan(field, out_bands), request.assembly_bytes(field, out_bands)
    runner = executor_for(executor, workers)
    made = runner.settled(made, field, in_memory=target is None, assembly_bytes=n_bytes)
    if patcher is not None and operator is None and target is None:
        return made  # of `split`, too, which may leave gaps, and holds no rows of blocks
    _require_possible(made, field, runner, allow_gaps=allow_gaps)
    to.check(field)
    return made


def _require_possible(made: Plan, field: PixelSource, runner: Executor, *, allow_gaps: bool) -> None:
    """Refuse what a run would."""
    if not allow_gaps:
        made.require_coverage()
    _ = made.n_regions  # refused where not even the narrowest one fits
    check_blocks(field, runner.memory_for(made))
