"""The public verb that runs: `reconstruct`."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from geopatcher.api.area import Extent
from geopatcher.api.axes import axes_for
from geopatcher.api.destination import Destination
from geopatcher.api.executor_choice import executor_for
from geopatcher.api.models import as_run, dims_for, reading_for, usual_batch, usual_step
from geopatcher.api.opening import opened
from geopatcher.api.options import RunOptions
from geopatcher.api.outputs import asked
from geopatcher.api.request import Conduct, Request, job_for
from geopatcher.api.result import result_of
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.engine.hooks import Hooks
from geopatcher.engine.progress import reporting
from geopatcher.executors.instances import carried_out

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from numpy.typing import DTypeLike

    from geopatcher.accumulators.base import AnyCellAggregation
    from geopatcher.api.area import Region
    from geopatcher.api.axes import PatcherLike, Scale, Size
    from geopatcher.api.models import Runnable
    from geopatcher.api.options import SourceOptions
    from geopatcher.api.result import Reconstruction
    from geopatcher.core.leading import OutputDims
    from geopatcher.core.protocols import Resume, Window
    from geopatcher.core.scaling import ScaleTo
    from geopatcher.core.styles import Style
    from geopatcher.engine.batching import BatchSize
    from geopatcher.engine.error_policy import OnError
    from geopatcher.engine.hooks import AnyHook
    from geopatcher.engine.job import Job
    from geopatcher.engine.output import Nodata
    from geopatcher.engine.progress import Advance
    from geopatcher.fields.open import Sources
    from geopatcher.runs.executor import Executor
    from geopatcher.targets.protocol import Target
    from geopatcher.targets.storage import CogStorage, ZarrStorage

_LOG = logging.getLogger(__name__)


def reconstruct(
    source: Sources,
    operator: Runnable,
    target: str | os.PathLike[str] | Target | None = None,
    *,
    patcher: PatcherLike | None = None,
    size: Size = 256,
    step: Size | None = None,
    margin: Size | None = None,
    output_scale: Scale | None = None,
    window: str | Window = "hann",
    aggregation: str | AnyCellAggregation = "overlap-add",
    boundary: str = "cover",
    batch_size: BatchSize = 1,
    tta: str | None = None,
    device: str | None = None,
    precision: str | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    memory_limit: int | str = "1GiB",
    dtype: DTypeLike | None = None,
    nodata: Nodata = None,
    scale_to: ScaleTo | None = None,
    output_dims: OutputDims | None = None,
    chunks: Size = 512,
    storage: ZarrStorage | CogStorage | None = None,
    style: Style | None = None,
    region: Region | None = None,
    region_crs: object = None,
    crop: bool = False,
    all_touched: bool = False,
    outputs: str | Iterable[str] | None = None,
    layers: Iterable[str] = (),
    on_error: OnError = "raise",
    max_retries: int = 0,
    retry_on: tuple[type[Exception], ...] = (OSError, TimeoutError),
    timeout: float | None = None,
    hooks: Iterable[AnyHook] | AnyHook | None = (),
    log_json: str | os.PathLike[str] | None = None,
    progress: bool | Advance | None = None,
    resume: Resume = True,
    overwrite: bool = False,
    skip_empty: bool | None = None,
    allow_gaps: bool = False,
    **opening: Unpack[SourceOptions],
) -> Reconstruction:
    """Run an operator over a raster in overlapping patches, and put the results back together.

    A run to disk that is interrupted, in whatever way, loses nothing that was finished: the same call
    again goes on from there, and the result has the same bytes as if it had never stopped. A call
    whose result is there already returns it. One with other arguments, another operator or another
    version of the source is refused, unless ``overwrite`` is set. A source that changes while it is read is a
    `SourceError`. A finished result of which chunks are gone or cannot be read any more is mended by the same
    call; one that somebody changed is refused; `geopatcher.verify` compares all of it with what was written.

    Parameters
    ----------
    source
        The path or URL of a raster, an array ``(height, width)`` or ``(bands, height, width)``, a GeoTensor
        or georeader reader, an ``xarray.DataArray``, a Dask array, or a `Field` of your own. There may be
        more leading dimensions, such as times: the operator sees them as they are, ``(time, bands, h, w)``.
        Or several rasters by name, such as ``{"s2": "s2.tif", "dem": "dem.tif"}``: the operator is given a
        dict of arrays over the same ground, ``(bands, h, w)`` each, or ``(time, bands, h, w)`` of a stack of
        dates, and each of its own dtype, in batches ``(n, bands, h, w)``. The result has the grid of the
        first. A cell of it counts where all of them hold data, and patches in which no cell does are left
        out; a `geopatcher.masked` operator is called where one of them holds some, and decides by itself.
    operator
        A function or another callable, a `geopatcher.Model`, or a bare model: a ``torch.nn.Module``, an
        estimator, a booster, or the path of one. Called with ``(bands, h, w)``, or ``(h, w)`` of a source
        without bands, and in batches always with ``(n, bands, h, w)``; returns an array of the same height
        and width. What it is given is its own to write into. See `geopatcher.masked` and
        `geopatcher.positioned` for one that wants to know which pixels are missing, or where it is and
        random numbers that are the same in every run.

        For going on it is known by its code, that of all it calls and refers to, and its state; one that is
        more than that, such as a session of another program, says which it is by a method
        ``fingerprint() -> str``. Where it does not, a warning says so, and nothing is taken for its work
        unless ``resume="always"`` says that it is.
    target
        Ends in ``.zarr`` or ``.tif``. Without one the result is an array in memory. A ``.zarr`` may be in a
        bucket, ``s3://bucket/x.zarr`` (``gs://``, ``az://``; the extra ``cloud``), with the credentials of
        the environment of each process that writes, or of ``ZarrStorage(credentials="module:function")``:
        nothing of it is kept here, and readers find it when it is complete. A vector file (``.gpkg``,
        ``.fgb``, ``.geojson``, ``.parquet``) gets the polygons of the result, see `geopatcher.polygons`, and
        the raster stays beside it as a ``.zarr``.
    patcher
        A `SpatialPatcher`, or what else has its four axes, in place of the five that follow.
    size
        ``(rows, columns)`` of a patch in pixels, or one number for both; 256 by default.
    step
        From patch to patch, alike; half of ``size`` by default.
    window
        The weights of a patch's cells: ``"hann"`` (by default), ``"boxcar"``, ``"gaussian"``, ``"tukey"``, or
        a `SpatialWindow`.
    aggregation
        How overlapping results become one: a name or an aggregation. The default, ``"overlap-add"``,
        averages. Integers and booleans may be labels, whose averages mean nothing: where those of overlapping
        patches differ a `RuntimeWarning` says so, once. For labels take ``"mode"`` or ``"hard-vote:N"``; for
        an average return floats.
    boundary
        What becomes of the last patch of a row or column: ``"cover"`` (by default) moves it in, ``"pad"`` and
        ``"reflect"`` fill it, ``"shrink"`` cuts it off, ``"drop"`` leaves it out, ``"raise"`` refuses it.
    margin
        Pixels that are read around each patch for the operator to see; what it makes of them is left out.
        With a margin as wide as a network looks, patches have no seams at all. The operator's attribute
        ``margin`` by default, else 0. It is called with ``(bands, h + 2 * margin, w + 2 * margin)``, and
        may return as much or, like a valid convolution, less by up to the margin on each side. At the edge
        of the raster what it is shown is moved in, so that its own padding comes where the raster ends.
    output_scale
        Pixels of the result for a pixel of the source, along each axis: 2, 0.25 or ``"1/3"``. The result has
        the bounds of the source. The operator's attribute ``output_scale`` by default, else 1. ``size``,
        ``step`` and ``margin`` are in pixels of the source, ``chunks`` and ``region`` in those of the result.
    batch_size
        Patches handed to the operator at once, ``(n, bands, h, w)``; 1, without that axis, by default.
        Batches are filled across rows of patches: only the last one of a region may be short. ``"auto"``
        begins with one, always on that axis, and doubles it while patches become faster by that and memory
        lasts, of the GPU too that torch uses; where there was not enough it is halved. What it came to is
        ``stats.batch_size``.
    tta
        Test-time augmentation of a model: the mean over ``"flips"`` of each patch, or over ``"d4"``, which
        has quarter turns too.
    device, precision
        Where a model runs, ``"cpu"`` or ``"cuda"``, and how precisely, ``"fp32"``, ``"fp16"`` or ``"bf16"``;
        by default as the model says.
    executor
        Runs the regions elsewhere, such as on a Dask cluster: see `geopatcher.executors`. The result has the
        same bytes.
    workers
        So many processes of this machine, which divide ``memory_limit`` and the cores. An interrupted run
        goes on with other workers, batches or limits.
    memory_limit
        Bytes, or a text such as ``"512MiB"``, for the working memory of the regions that run at once;
        ``"1GiB"`` by default. All that the run takes, in all its processes, is ``result.plan.memory_bytes``;
        ``result.stats.peak_bytes`` is what it took.
    dtype
        Of the result; the operator's by default. Averages saturate at its limits; a value that was chosen (by
        mode, votes, median, max, min) and does not fit is an `OperatorError`.
    nodata
        What says that a cell is missing, decided before the first block, so that no value an operator returns
        is taken for missing. Floats have NaN. Integers have the source's nodata value where the result is the
        source's own quantity (its dtype and bands, averaged or selected), or ``nodata="inherit"`` asks for
        it; votes over known classes the largest value of their dtype; all others, and all those where a cell
        that holds data turns out to have the nodata value, a mask: an internal one in a ``.tif``, an array
        ``valid`` in a ``.zarr``, and everywhere ``result.valid``. ``nodata=-1`` names a value.
    scale_to
        A `ScaleTo`: values of a range become whole numbers of a dtype when a block is finished, and the scale
        and the offset that give them back are written with the result. ``dtype`` is that of them.
    output_dims
        The leading dimensions of what the operator returns, before rows and columns: names such as
        ``("time", "class")``, or names with labels such as ``{"class": ["water", "forest"]}``; those of a
        dimension of the source of the same name and length are kept. The operator's attribute ``output_dims``
        by default, else what follows from their lengths: as many as those of the source, and as long, are the
        same; where some are gone, those that are left are found by how long they are; one of another length
        has the bands. What cannot be known in this way is an error.
    chunks
        ``(rows, columns)`` of a block of the result in pixels, or one number for both; 512 by default.
    storage
        How the result is stored: a `ZarrStorage` for a ``.zarr`` (compression, shards, overview levels,
        checksums), a `CogStorage` for a ``.tif`` (compression, tiles, colors).
    style
        How the result looks in the viewer, the report, plots and cards, and by what it says of itself in QGIS
        and others: a `Style`, with a range and a ramp of colors, or the names and colors of classes.
    region
        The part of the raster to compute: a `Box` of pixels, ``(west, south, east, north)``, a polygon
        (shapely, GeoJSON, a GeoDataFrame), or the path of a vector file; all by default. Only the blocks it
        touches are read, computed and written; cells outside a polygon are missing.
    region_crs
        The CRS of its coordinates: by default what the region says, or that of the raster.
    crop
        Give the result the grid of the region instead of the raster's, which it has by default. Its values
        are the same: patches at the edge are made of what lies beyond, too.
    all_touched
        Take in every cell that a polygon touches; by default those whose centres it holds.
    outputs
        Names of arrays that take the place of ``aggregation``: the first is the result, the others are
        layers, and the operator is called once for all of them. Of an operator that gives the probability of
        each class, ``(classes, h, w)``: ``"class"``, ``"probability"``, ``"confidence"``, ``"entropy"``,
        ``"gap"`` (largest less second). Of any: ``"raw"``, what it returns, of a model before activation and
        classes, and, after another, ``"spread"`` (between patches, of the first). Of a model that returns a
        dict or a tuple: its parts, by name or by number from ``"0"``; classes are those of the part that
        ``parts=`` of `Model` names. All are blended with the window first, parts and raw ones as they are. A
        model with classes gives ``"class"`` by default; of a function, ``aggregation="soft-vote:10"`` says
        how many there are. Of a model, a call with zeros says what it returns, where that is not known.
    layers
        Names of what is written beside the result, ``(height, width)`` each: ``"weight"``, ``"count"``,
        ``"spread"``.
    on_error
        What becomes of a patch whose read or operator fails: ``"raise"`` (by default), ``"skip"``, ``"mask"``
        or ``"retry"``, see `ErrorPolicy`.
    max_retries
        Further tries, 0 by default.
    retry_on
        The errors that are tried again: `OSError` and `TimeoutError` by default.
    timeout
        Seconds after which a call of the operator is ended, together with the process it runs in: so there is
        at least one beside this, to which the operator has to travel, and what it loads at its first call
        counts. The patch, or the batch, has failed then. A Dask cluster keeps no such limit.
    hooks
        Objects that hear of patches, see `geopatcher.hooks`.
    log_json
        A file that gets a line of JSON for each strip.
    progress
        ``True`` draws a bar, ``False`` none, ``None`` (by default) one where stderr is a terminal or this is
        a notebook; a function hears how many patches were done since its last call.
    resume
        Whether to go on with what an earlier run of the same left, by default; ``"always"`` even where it
        cannot be known whether the operator is the same.
    overwrite
        Replace a result that is there, or an interrupted run of another.
    skip_empty
        Whether patches without any data are left out; by default where the source can have such.
    allow_gaps
        Leave nodata where no patch reaches, instead of refusing the plan.
    **opening
        How the source is read: on another grid by ``dst_crs``, ``resolution`` (the side of a pixel, or
        ``(x, y)``) and ``resampling``, as `ReprojectingRasterField` says; only some ``bands``, by number from
        1 or by name. ``variable`` names an array of a zarr store, of a ``xarray.Dataset``, or of a netCDF,
        HDF5 or GRIB file, which xarray then reads. With ``scale_offset=True`` values are the quantity
        they stand for: floats, the scale and the offset of each raster applied, and NaN where its nodata
        value is; without it they are as they are stored. A zarr store in a bucket (``s3://``, ``gs://``,
        ``az://``) is read with the credentials of the environment of the process that reads, or of
        ``credentials="module:function"``, a function that is called there and returns a dict, as credential
        providers of obstore do. ``sign`` is a function from an address to a signed one, or
        ``"planetary-computer"``: it is called when the address is opened, and when the server refuses it
        later on, where it is read. By the address without a signature the source is known; what may lie
        beside a signed GeoTIFF, such as a mask, is not asked for.
        Of several rasters these are for
        the first, and the others are warped onto its grid where they do not share its pixels: by
        ``resampling``, one for all or by their names (by default the nearest of integers, else bilinear).
        Those that ``native`` names keep their own pixels, which must be a whole number of times as fine or
        as coarse as those of the first, and begin with them.

    Returns
    -------
    Reconstruction
        ``array`` has the result, ``(height, width)`` or ``(bands, height, width)``, or with all leading
        dimensions that the operator returned: an ndarray, or one on disk that slices like it.

    Raises
    ------
    OperatorError
        The operator raised, called ``sys.exit()``, took longer than ``timeout``, or returned what is no
        array of the patch's height and width; names it and the window.
    SourceError, TargetError
        The source cannot be read, or the target not be written.
    MemoryLimitError
        The run does not fit into ``memory_limit``.
    IncompleteScanConfiguration
        The patches leave pixels out.
    InterruptedRunError
        Ctrl-C or SIGTERM ended a run to disk between two strips; a `KeyboardInterrupt`.
    ValueError, TypeError
        An argument is not what it should be.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> image = np.random.default_rng(0).random((3, 500, 700), dtype="float32")
    >>> result = geopatcher.reconstruct(image, lambda x: x * 2, size=64)
    >>> bool(np.allclose(result.array, image * 2))
    True

    """
    runner, run = executor_for(executor, workers, timeout), as_run(operator, tta, device, precision)
    axes = axes_for(patcher, size, usual_step(run, step, size, patcher), window, aggregation, boundary)
    reading, usual = reading_for(run, margin, output_scale), patcher is None and aggregation == "overlap-add"
    policy, batch = ErrorPolicy(on_error, max_retries, retry_on), usual_batch(run, batch_size)
    pixels = opened(source, opening, policy, "reconstruct", RunOptions.__optional_keys__, run)
    run, pixels, axes, beside = asked(run, pixels, axes, outputs, layers, reading, memory_limit, usual=usual)
    extent, dims = Extent(region, region_crs, crop, all_touched), dims_for(run, output_dims)
    to = Destination(target, storage, overwrite, resume)
    request = Request.of(axes, reading, to, chunks, beside, dtype, nodata, batch, memory_limit, extent, dims)
    conduct = Conduct(policy, Hooks.of(hooks), log_json, timeout, skip_empty, allow_gaps)
    return _carried_out(runner, job_for(request.looking(style, scale_to), conduct, pixels, run), to, progress)


def _carried_out(
    runner: Executor, job: Job, to: Destination, progress: bool | Advance | None
) -> Reconstruction:
    """Run a job, and tell of its progress."""
    place, count = to.place(job.source), runner.n_patches(job)
    _LOG.info("%s over %s: %s patches", job.name, job.source.name, f"{count:,}")
    with reporting(progress, count) as advance:
        result = result_of(carried_out(runner, replace(job, advance=advance), place))
    for failed in result.errors:
        _LOG.info("patch at %s failed (%s): %s", failed.anchor, failed.stage, failed.message)
    _LOG.info("finished in %.2f s: %s", result.stats.elapsed, result.path or "in memory")
    _LOG.debug("%s", result.stats.as_dict())
    return to.drawn(result)
