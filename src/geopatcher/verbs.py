"""The public verbs: `reconstruct` and `plan`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from geopatcher import executors
from geopatcher.aggregation.base import CellAggregation
from geopatcher.aggregation.layers import layers_from_names
from geopatcher.aggregations.names import aggregation_from_name
from geopatcher.axis import pixel_pair
from geopatcher.engine.job import Job, Output
from geopatcher.engine.sizing import Sizes
from geopatcher.fields.dispatch import as_field
from geopatcher.geometry import SpatialRectangular
from geopatcher.hooks import Hooks
from geopatcher.planning.memory import parse_bytes
from geopatcher.policy import ErrorPolicy
from geopatcher.preparing import check_axes, check_operator, dtype_of_result, make_plan, name_of
from geopatcher.progress import reporting
from geopatcher.result import Reconstruction
from geopatcher.samplers.lattice import SpatialRegularStride
from geopatcher.sinks.codecs import check_codec
from geopatcher.sinks.multiscales import check_method
from geopatcher.sinks.targets import check_storage, target_for
from geopatcher.windows import window_from_name

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import DTypeLike

    from geopatcher.aggregation.base import AnyCellAggregation
    from geopatcher.box import Box
    from geopatcher.executors.running import Executor
    from geopatcher.fields.dispatch import Source
    from geopatcher.hooks import PatcherHook
    from geopatcher.planning.plan import Plan
    from geopatcher.policy import OnError
    from geopatcher.progress import Advance
    from geopatcher.protocols import Array, PixelSource, RectGeometry, Sampler, Window
    from geopatcher.sinks.geotiff import CogOptions

Size: TypeAlias = "int | tuple[int, int]"


class PatcherLike(Protocol):
    """The four axes of a patcher."""

    @property
    def geometry(self) -> RectGeometry:
        """Anchor to neighbourhood."""
        ...

    @property
    def sampler(self) -> Sampler:
        """Where the anchors are."""
        ...

    @property
    def window(self) -> Window:
        """The taper."""
        ...

    @property
    def aggregation(self) -> AnyCellAggregation:
        """Local to global."""
        ...


@dataclass(frozen=True)
class Axes:
    """The four axes, put together from sizes and names."""

    geometry: RectGeometry
    sampler: Sampler
    window: Window
    aggregation: AnyCellAggregation

    @classmethod
    def of(
        cls,
        size: Size,
        step: Size | None,
        window: str | Window,
        aggregation: str | AnyCellAggregation,
        boundary: str,
    ) -> Axes:
        """Resolve names and defaults; ``step=None`` is half of ``size``."""
        rows, cols = pixel_pair(size, "size")
        stride = (max(1, rows // 2), max(1, cols // 2)) if step is None else pixel_pair(step, "step")
        return cls(
            SpatialRectangular((rows, cols), boundary),
            SpatialRegularStride(stride),
            window_from_name(window) if isinstance(window, str) else window,
            aggregation_from_name(aggregation) if isinstance(aggregation, str) else aggregation,
        )


def plan(
    source: Source,
    *,
    patcher: PatcherLike | None = None,
    size: Size = 256,
    step: Size | None = None,
    window: str | Window = "hann",
    aggregation: str | AnyCellAggregation = "overlap-add",
    boundary: str = "cover",
    batch_size: int = 1,
    memory_limit: int | str = "1GiB",
    dtype: DTypeLike | None = None,
    chunks: Size = 512,
    region: Box | None = None,
    layers: Iterable[str] = (),
    out_bands: int | None = None,
) -> Plan:
    """Say what `reconstruct` would do and cost; no pixel is read.

    Parameters are those of `reconstruct`. ``out_bands`` is how many bands the operator returns, as
    many as the source has by default.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> print(geopatcher.plan(np.zeros((4, 512, 512), "uint16"), size=128, step=64).n_patches)
    49

    """
    axes = patcher or Axes.of(size, step, window, aggregation, boundary)
    extra = layers_from_names(layers)
    field = as_field(source)
    return _plan(field.source, axes, extra, batch_size, memory_limit, dtype, chunks, region, out_bands)


def _plan(
    source: PixelSource,
    axes: PatcherLike,
    layers: Mapping[str, AnyCellAggregation],
    batch_size: int,
    memory_limit: int | str,
    dtype: DTypeLike | None,
    chunks: Size,
    region: Box | None,
    out_bands: int | None,
) -> Plan:
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, not {batch_size}")
    check_axes(axes.window, axes.aggregation)
    result = dtype_of_result(dtype) or np.dtype("float32")
    bands = source.domain.n_bands if out_bands is None else out_bands
    return make_plan(
        source,
        axes.geometry,
        axes.sampler,
        axes.aggregation,
        chunks=pixel_pair(chunks, "chunks"),
        memory_limit=parse_bytes(memory_limit),
        sizes=Sizes(bands, result, batch_size, tuple(layers.values())),
        result_dtype=result,
        region=region,
    )


def reconstruct(
    source: Source,
    operator: Callable[[Array], Array],
    target: str | os.PathLike[str] | None = None,
    *,
    patcher: PatcherLike | None = None,
    size: Size = 256,
    step: Size | None = None,
    window: str | Window = "hann",
    aggregation: str | AnyCellAggregation = "overlap-add",
    boundary: str = "cover",
    batch_size: int = 1,
    executor: Executor | None = None,
    workers: int | None = None,
    memory_limit: int | str = "1GiB",
    dtype: DTypeLike | None = None,
    nodata: float | int | None = None,
    chunks: Size = 512,
    region: Box | None = None,
    layers: Iterable[str] = (),
    on_error: OnError = "raise",
    max_retries: int = 0,
    retry_on: tuple[type[Exception], ...] = (OSError, TimeoutError),
    hooks: Iterable[PatcherHook] | PatcherHook | None = (),
    log_json: str | os.PathLike[str] | None = None,
    progress: bool | Advance | None = None,
    resume: bool = True,
    overwrite: bool = False,
    codec: str = "zstd",
    shards: Size | None = None,
    multiscales: bool = False,
    overview: str | None = None,
    cog: CogOptions | None = None,
    skip_empty: bool | None = None,
    allow_gaps: bool = False,
) -> Reconstruction:
    """Run an operator over a raster in overlapping patches, and put the results back together.

    A run to disk that is interrupted, in whatever way, loses nothing that was finished: the same call
    again goes on from there, and the result has the same bytes as if it had never stopped. A call
    whose result is there already returns it. One with other arguments, another operator or another
    version of the source is refused, unless ``overwrite`` is set.

    With ``workers=8`` regions run on eight processes of this machine, which divide ``memory_limit`` and
    the cores; with an ``executor`` of `geopatcher.executors` where that runs them, such as on a Dask
    cluster. The result has the same bytes.

    ``multiscales`` adds overview levels to a ``.zarr``; a ``.tif`` has them always. ``overview`` says how
    four cells become one in them: ``"average"``, ``"mode"`` or ``"nearest"``, by default the mode for
    aggregations of labels and the average for others. ``cog`` says how a ``.tif`` is written, its colors
    included; layers go into files of their own beside it, such as ``result.weight.tif``.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> image = np.random.default_rng(0).random((3, 500, 700), dtype="float32")
    >>> result = geopatcher.reconstruct(image, lambda x: x * 2, size=64)
    >>> bool(np.allclose(result.array, image * 2))
    True

    """
    runner = executor_for(executor, workers)
    axes = patcher or Axes.of(size, step, window, aggregation, boundary)
    field = as_field(source)
    if not isinstance(axes.aggregation, CellAggregation):
        raise TypeError(
            f"{type(axes.aggregation).__name__} gives no value per pixel: use the patcher's merge or reduce"
        )
    check_operator(operator)
    extra = layers_from_names(layers)
    pieces = pixel_pair(chunks, "chunks")
    blocks = pieces if shards is None else whole_shards(pixel_pair(shards, "shards"), pieces)
    run_plan = _plan(field.source, axes, extra, batch_size, memory_limit, dtype, blocks, region, None)
    if not allow_gaps:
        run_plan.require_coverage()
    check_codec(codec)
    check_method(overview)
    check_storage(target, shards=shards is not None, multiscales=multiscales, cog=cog)
    job = Job(
        plan=run_plan,
        source=field.source,
        operator=operator,
        weights=axes.window.weights(axes.geometry),
        aggregation=axes.aggregation,
        name=name_of(operator),
        layers=extra,
        batch_size=batch_size,
        policy=ErrorPolicy(on_error, max_retries, retry_on),
        hooks=Hooks.of(hooks),
        log_json=None if log_json is None else Path(log_json),
        skip_empty=field.source.has_nodata if skip_empty is None else skip_empty,
        output=Output(
            dtype=dtype_of_result(dtype),
            nodata=nodata,
            codec=codec,
            shards=None if shards is None else blocks,
            chunks=pieces,
            multiscales=multiscales,
            overview=overview,
            cog=cog,
        ),
    )
    with reporting(progress, runner.n_patches(job)) as advance:
        outcome = runner.run(
            replace(job, advance=advance), target_for(target, overwrite=overwrite, resume=resume, cog=cog)
        )
    arrays = dict(outcome.arrays)
    return Reconstruction(
        array=arrays.pop("data"),
        path=outcome.path,
        plan=outcome.job.plan,
        stats=outcome.stats,
        domain=outcome.domain,
        errors=outcome.errors,
        layers=arrays,
    )


def executor_for(executor: Executor | None, workers: int | None) -> Executor:
    """Return what runs the regions: this process, unless something else is asked for.

    Raises
    ------
    ValueError
        Both are given, or ``workers`` is less than 1.

    """
    if executor is not None:
        if workers is not None:
            raise ValueError(
                f"workers={workers} and an executor were both given: the executor knows its own workers"
            )
        return executor
    return executors.LocalExecutor() if workers in (None, 1) else executors.ProcessExecutor(workers)


def whole_shards(shards: tuple[int, int], chunks: tuple[int, int]) -> tuple[int, int]:
    """Return the blocks a run works in when chunks lie together in shards: the shards, each written once.

    Raises
    ------
    ValueError
        A shard does not hold a whole number of chunks.

    """
    if shards[0] % chunks[0] or shards[1] % chunks[1]:
        raise ValueError(f"shards of {shards} do not hold whole chunks of {chunks}: use multiples of them")
    return shards
