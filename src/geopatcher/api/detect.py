"""The public verb that finds objects: `detect`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, cast

from geopatcher.api.area import Extent
from geopatcher.api.axes import axes_for
from geopatcher.api.destination import Destination
from geopatcher.api.detect_run import DetectRun, Wanted
from geopatcher.api.detecting import Cluster
from geopatcher.api.models import matched, reading_for, usual_batch
from geopatcher.api.opening import opened
from geopatcher.api.options import SourceOptions, check_known
from geopatcher.api.request import Conduct, Request, job_for
from geopatcher.core.axis import pixel_pair
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.features.vector_files import driver_of
from geopatcher.fields.declared import outline_of
from geopatcher.operators.models.detection import class_names, detector_of
from geopatcher.planning.memory import parse_bytes

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from geopatcher.api.area import Region
    from geopatcher.api.axes import Size
    from geopatcher.api.detected import DetectedObjects
    from geopatcher.core.protocols import Array, Resume
    from geopatcher.engine.batching import BatchSize
    from geopatcher.engine.error_policy import OnError
    from geopatcher.engine.progress import Advance
    from geopatcher.features.merging import Merge
    from geopatcher.fields.open import Sources
    from geopatcher.runs.executor import Executor

#: Side of the blocks in which memory is reckoned; none is written, so small ones will do.
BLOCK_PX = 64
#: Keywords of `detect`, those of its source too.
KEYWORDS = (
    *("size", "step", "iou", "score", "merge", "classes", "batch_size", "region", "region_crs"),
    *(
        "all_touched",
        "executor",
        "workers",
        "memory_limit",
        "on_error",
        "max_retries",
        "retry_on",
        "progress",
    ),
    *("resume", "overwrite"),
    *SourceOptions.__optional_keys__,
)


def detect(
    source: Sources,
    detector: Callable[..., object] | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    size: Size = 256,
    step: Size | None = None,
    iou: float = 0.5,
    score: float = 0.25,
    merge: Merge = "nms",
    classes: Sequence[str] | Mapping[int, str] | None = None,
    batch_size: BatchSize = 1,
    region: Region | None = None,
    region_crs: object = None,
    all_touched: bool = False,
    executor: Executor | None = None,
    workers: int | None = None,
    memory_limit: int | str = "1GiB",
    on_error: OnError = "raise",
    max_retries: int = 0,
    retry_on: tuple[type[Exception], ...] = (OSError, TimeoutError),
    progress: bool | Advance | None = None,
    resume: Resume = True,
    overwrite: bool = False,
    **opening: Unpack[SourceOptions],
) -> DetectedObjects:
    """Find objects in a raster in overlapping patches, each of them once, and write them to a vector file.

    Patches go through the detector one row after the other, and what is found in a row is kept in a folder
    beside ``out`` (``out`` + ``.partial``); then the detections of overlapping patches are made one from top
    to bottom, and written. Memory holds a row of patches, and then the detections around one row of pixels.
    The result is the same in whatever order, on however many workers and in whatever batches it was made. A
    call that was interrupted, in whatever way, goes on from there when it is made again; with another
    detector, other arguments or another version of the source that is refused. Needs the extra ``vector``.

    An object is found whole by some patch where patches overlap by its size or more: take ``step`` no larger
    than ``size`` less the size of the largest object. Of larger ones pieces may be left.

    Parameters
    ----------
    source
        A path, a URL, an array, a reader or a field, or several by name, as of `reconstruct`.
    detector
        Called with ``(bands, h, w)``, or ``(h, w)`` of a source without bands, and in batches with
        ``(n, bands, h, w)``, and then returns a list with a result for each. A result is in pixels of the
        patch, x to the right and y down from its corner, and one of these, with arrays of NumPy or of torch:

        - an array ``(n, 6)`` of left, top, right, bottom, score and class, or ``(n, 7)`` of rotated
          rectangles: centre x and y, width, height, angle in radians, score and class;
        - a dict of ``boxes`` ``(n, 4)``, ``xywhr`` ``(n, 5)``, ``polygons`` (a list of ``(k, 2)``) or
          ``points`` ``(n, 2)``, with ``scores`` and ``labels``, as torchvision gives them;
        - an object with ``boxes.xyxy``, ``.conf`` and ``.cls``, or ``obb.xywhr``, as ultralytics gives them;
        - an object with ``xyxy``, ``confidence`` and ``class_id``, as supervision gives them.

        Or a `DetectionModel`, or the path of an ONNX model that is one.
    out
        Ends in ``.gpkg``, ``.fgb``, ``.geojson`` or ``.parquet`` (GeoParquet). Columns are ``class``,
        ``name`` where names are known, ``score``, and the geometry in the CRS of the raster: polygons, or
        points.
    size
        ``(rows, columns)`` of a patch in pixels, or one number for both; 256 by default.
    step
        From patch to patch, alike; half of ``size`` by default.
    iou
        Two detections of one class are of one object where the area both have is more than this share of the
        area that either has; 0.5 by default. Of one that touches a border between patches it is enough
        when as much of what is left of it lies in the other.
    score
        Detections of a lower score are left out; 0.25 by default.
    merge
        How detections of one object become one. ``"nms"`` (by default): the one of the highest score stays,
        those that are whole before those that a border has cut off. ``"wbf"``: their mean, weighted by
        their scores (weighted boxes fusion, arXiv:1910.13302), of upright boxes only. ``"center"``:
        that of the patch whose cell holds its centre; cells end halfway through the overlaps. It compares no
        boxes, so what a detector finds twice in one patch stays, and it is the one for points.
    classes
        Names, in the order of the numbers of classes, or by number; by default the detector's ``names``, if
        it has any.
    batch_size
        Patches handed to the detector at once; 1, without that axis, by default. ``"auto"`` finds a number.
    region, region_crs, all_touched
        The part of the raster to search, as of `reconstruct`: objects whose centre is in it.
    executor
        A `geopatcher.executors.DaskExecutor`: the workers of a cluster search, which read the source by
        themselves, and send what they find. The file is written here.
    workers
        So many processes of this machine, to which the detector has to travel.
    memory_limit
        Bytes for the pixels of the rows of patches that are read at once, or a text; ``"1GiB"`` by default.
        Workers of this machine divide it; on a cluster it is for each task.
    on_error, max_retries, retry_on
        What becomes of patches that fail, as of `reconstruct`; a patch left out has no objects.
    progress
        ``True`` draws a bar on stderr, ``False`` none, ``None`` (by default) one where stderr is a terminal;
        a function hears how many patches were done since its last call.
    resume
        Whether to go on with what an earlier run of the same left, by default; ``"always"`` even where it
        cannot be known whether the detector is the same.
    overwrite
        Replace a file that is there, or an interrupted run of another.
    **opening
        How the source is read, as of `reconstruct`.

    Returns
    -------
    DetectedObjects
        ``path``, ``n``, ``stats``, and `DetectedObjects.to_geodataframe`.

    Raises
    ------
    OperatorError
        The detector raised, or returned what is of no known form; names it and the patch.
    SourceError
        The source cannot be read, has no transform but is tied to the ground in another way, or changed.
    TargetExistsError
        Something is at ``out``, or another run has begun it, and ``overwrite`` is not set.
    TargetError
        It cannot be written.
    UnsupportedTargetError
        It is GeoJSON, which cannot name the CRS of the raster.
    InterruptedRunError
        Ctrl-C or SIGTERM ended the run between two rows of patches; a `KeyboardInterrupt`.
    ValueError, TypeError
        An argument is not what it should be, or objects are of a kind that ``merge`` cannot make one of.
    MissingExtraError
        pyogrio or pyarrow is not installed.

    Examples
    --------
    >>> import tempfile, numpy as np, geopatcher
    >>> sea = np.zeros((1, 100, 120), "float32")
    >>> sea[0, 40:46, 50:62] = 1
    >>> def bright(patch):
    ...     rows, cols = np.nonzero(patch[0] > 0.5)
    ...     if not len(rows):
    ...         return np.zeros((0, 6))
    ...     return [[cols.min(), rows.min(), cols.max() + 1, rows.max() + 1, 0.9, 0]]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ships = geopatcher.detect(sea, bright, f"{folder}/ships.gpkg", size=32, step=16, classes=["ship"])
    >>> ships
    DetectedObjects(ships.gpkg, 1 objects of 4 detections)

    """
    check_known(opening, KEYWORDS, "detect")
    driver_of(out)
    cluster, n_workers = _cluster(executor, workers), _counted(workers)
    limit = parse_bytes(memory_limit) // n_workers
    wanted = Wanted(Path(out), iou, score, merge)
    run = cast("Callable[..., Array]", detector_of(detector))  # what it returns is read by `Finding`
    policy = ErrorPolicy(on_error, max_retries, retry_on)
    pixels = opened(source, opening, policy, "detect", KEYWORDS)
    axes = axes_for(None, size, step, "boxcar", "max", _boundary(outline_of(pixels).grid_shape, size, step))
    reading = reading_for(run, None, None)
    run, pixels = matched(run, pixels, axes.geometry.size, reading.margin)
    extent, at_once = Extent(region, region_crs, False, all_touched), usual_batch(run, batch_size)
    request = Request.of(axes, reading, Destination(), BLOCK_PX, (), "uint8", None, at_once, limit, extent)
    job = job_for(request, Conduct(policy, skip_empty=True), pixels, run)
    within = request.over(pixels)[1].region
    if within is not None:  # to the pixel, and not to whole blocks as of a raster that is written
        within = within.intersect(job.plan.region)
        job = replace(job, plan=replace(job.plan, region=within))
    n_workers = n_workers if cluster is None else cluster.n_slots
    return DetectRun(job, wanted, class_names(classes, run), within, n_workers, cluster).result(
        progress, resume=resume, overwrite=overwrite
    )


def _cluster(executor: Executor | None, workers: int | None) -> Cluster | None:
    """Return who searches elsewhere, if it is asked for."""
    if executor is None:
        return None
    if workers is not None:
        raise ValueError(f"workers={workers} and an executor were both given: it knows its own workers")
    if not isinstance(executor, Cluster):
        raise TypeError(
            f"executor is a DaskExecutor, not a {type(executor).__name__}: for processes of this machine "
            f"give workers="
        )
    return executor


def _counted(workers: int | None) -> int:
    """Return how many processes there are."""
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be 1 or more, not {workers}")
    return workers or 1


def _boundary(shape: tuple[int, ...], size: Size, step: Size | None) -> str:
    """Return what becomes of the last patches; refuse a step that leaves pixels out.

    They move in, and where the raster is smaller than a patch it is filled: mirrored it would have objects
    twice.
    """
    sizes = pixel_pair(size, "size")
    steps = sizes if step is None else pixel_pair(step, "step")
    if any(far > long for far, long in zip(steps, sizes, strict=True)):
        raise ValueError(f"step={step} leaves pixels out between patches of {size}: take a smaller step")
    return "pad" if any(length < side for length, side in zip(shape, sizes, strict=True)) else "cover"
