"""The public verbs: `reconstruct` and `plan`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from geopatcher.aggregations.base import pair
from geopatcher.aggregations.names import aggregation_from_name
from geopatcher.engine.job import Job, Output
from geopatcher.executors.local import LocalExecutor
from geopatcher.fields.dispatch import as_field
from geopatcher.geometry import SpatialRectangular
from geopatcher.planning.memory import parse_bytes
from geopatcher.policy import ErrorPolicy
from geopatcher.preparing import Sizes, make_plan, name_of
from geopatcher.result import Reconstruction
from geopatcher.samplers.lattice import SpatialRegularStride
from geopatcher.sinks.codecs import codec_from_name
from geopatcher.sinks.targets import target_for
from geopatcher.windows import window_from_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike

    from geopatcher.aggregation.base import AnyCellAggregation
    from geopatcher.box import Box
    from geopatcher.fields.dispatch import Source
    from geopatcher.planning.plan import Plan
    from geopatcher.policy import OnError
    from geopatcher.protocols import Array, PixelSource, RectGeometry, Sampler, Window

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
        rows, cols = pair(size)
        stride = (max(1, rows // 2), max(1, cols // 2)) if step is None else pair(step)
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
    return _plan(as_field(source).source, axes, batch_size, memory_limit, dtype, chunks, region, out_bands)


def _plan(
    source: PixelSource,
    axes: PatcherLike,
    batch_size: int,
    memory_limit: int | str,
    dtype: DTypeLike | None,
    chunks: Size,
    region: Box | None,
    out_bands: int | None,
) -> Plan:
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, not {batch_size}")
    result = np.dtype("float32") if dtype is None else np.dtype(dtype)
    bands = source.domain.n_bands if out_bands is None else out_bands
    return make_plan(
        source,
        axes.geometry,
        axes.sampler,
        axes.aggregation,
        chunks=pair(chunks),
        memory_limit=parse_bytes(memory_limit),
        sizes=Sizes(bands, result, batch_size),
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
    memory_limit: int | str = "1GiB",
    dtype: DTypeLike | None = None,
    nodata: float | int | None = None,
    chunks: Size = 512,
    region: Box | None = None,
    on_error: OnError = "raise",
    max_retries: int = 0,
    overwrite: bool = False,
    codec: str = "zstd",
    shards: Size | None = None,
    skip_empty: bool | None = None,
    allow_gaps: bool = False,
) -> Reconstruction:
    """Run an operator over a raster in overlapping patches, and put the results back together.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> image = np.random.default_rng(0).random((3, 500, 700), dtype="float32")
    >>> result = geopatcher.reconstruct(image, lambda x: x * 2, size=64)
    >>> bool(np.allclose(result.array, image * 2))
    True

    """
    axes = patcher or Axes.of(size, step, window, aggregation, boundary)
    field = as_field(source)
    run_plan = _plan(field.source, axes, batch_size, memory_limit, dtype, chunks, region, None)
    if not allow_gaps:
        run_plan.require_coverage()
    codec_from_name(codec, 1)
    job = Job(
        plan=run_plan,
        source=field.source,
        operator=operator,
        weights=axes.window.weights(axes.geometry),
        aggregation=axes.aggregation,
        name=name_of(operator),
        batch_size=batch_size,
        policy=ErrorPolicy(on_error, max_retries),
        skip_empty=field.source.has_nodata if skip_empty is None else skip_empty,
        output=Output(
            None if dtype is None else np.dtype(dtype),
            nodata,
            codec,
            None if shards is None else pair(shards),
        ),
    )
    outcome = LocalExecutor().run(job, target_for(target, overwrite=overwrite))
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
