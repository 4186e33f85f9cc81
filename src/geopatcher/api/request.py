"""What a caller asks for, checked and put together once: from it follow the plan and the job."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from geopatcher.accumulators.base import CellAggregation
from geopatcher.accumulators.layers import layers_from_names
from geopatcher.core.axis import pixel_pair
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.engine.hooks import Hooks
from geopatcher.engine.job import Job, layer_specs
from geopatcher.engine.output import Output
from geopatcher.engine.prepare import (
    Finer,
    check_axes,
    check_operator,
    check_patch,
    dtype_of_result,
    in_process,
    make_plan,
    name_of,
    warn_of_ground,
)
from geopatcher.engine.sizing import Sizes, usual_kind
from geopatcher.fields.declared import outline_of
from geopatcher.planning.memory import parse_bytes
from geopatcher.targets.open import assembly_bytes, storage_for

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import DTypeLike

    from geopatcher.accumulators.base import AnyCellAggregation
    from geopatcher.api.area import Extent
    from geopatcher.api.axes import PatcherLike, Size
    from geopatcher.api.destination import Destination
    from geopatcher.core.box import Box
    from geopatcher.core.leading import Leading
    from geopatcher.core.protocols import Array, PixelSource
    from geopatcher.core.scaling import ScaleTo
    from geopatcher.core.styles import Style
    from geopatcher.engine.batching import BatchSize
    from geopatcher.engine.output import Nodata
    from geopatcher.planning.plan import Plan
    from geopatcher.planning.reading import Reading
    from geopatcher.targets.protocol import Target


@dataclass(frozen=True)
class Request:
    """What decides a plan: the axes, the result and its layers, and the limits.

    ``blocks`` is ``(rows, columns)`` in pixels of what is written at once: a chunk, or a shard of them.
    """

    axes: PatcherLike
    reading: Reading
    output: Output
    layers: Mapping[str, AnyCellAggregation]
    blocks: tuple[int, int]
    target: str | os.PathLike[str] | Target | None
    batch_size: BatchSize
    memory_limit: int
    extent: Extent
    region: Box | None = None

    @classmethod
    def of(
        cls,
        axes: PatcherLike,
        reading: Reading,
        to: Destination,
        chunks: Size,
        layers: Iterable[str],
        dtype: DTypeLike | None,
        nodata: Nodata,
        batch_size: BatchSize,
        memory_limit: int | str,
        extent: Extent,
        dims: Leading | None = None,
    ) -> Request:
        """Check and resolve what a caller gives.

        Raises
        ------
        ValueError, TypeError
            Something of it is not what it should be.

        """
        if batch_size != "auto" and not (isinstance(batch_size, SupportsIndex) and batch_size >= 1):
            raise ValueError(f'batch_size must be 1 or more, or "auto", not {batch_size!r}')
        check_axes(axes.window, axes.aggregation)
        target = to.raster
        stored = storage_for(target, to.storage)
        pieces = pixel_pair(chunks, "chunks")
        output = Output(dtype_of_result(dtype), nodata, pieces, stored, dims)
        blocks, known = stored.blocks(pieces), layers_from_names(layers)
        return cls(
            axes, reading, output, known, blocks, target, batch_size, parse_bytes(memory_limit), extent
        )

    def looking(self, style: Style | None, scale_to: ScaleTo | None = None) -> Request:
        """Return the same for a result that looks so, and whose numbers stand for a range of values.

        Raises
        ------
        ValueError
            A dtype is asked for, too.

        """
        output = replace(self.output, style=style)
        if scale_to is None:
            return replace(self, output=output)
        if output.dtype is not None:
            raise ValueError(f"scale_to says the dtype of the result, {scale_to.dtype}: leave dtype out")
        return replace(self, output=replace(output, dtype=scale_to.kind, scale_to=scale_to))

    def over(self, source: PixelSource) -> tuple[PixelSource, Request]:
        """Return the part of a source that is asked for, and the request for it."""
        part, region = self.extent.of(source, self.reading, self.axes.geometry.size)
        return part, replace(self, region=region)

    def plan(self, source: PixelSource, out_bands: int | None = None) -> Plan:
        """Return the plan over a source; ``out_bands`` are what the operator returns, if that is known.

        Raises
        ------
        ValueError
            The dtype of the result cannot have its nodata value, or classes were to be scaled.

        """
        if self.output.dtype is not None:
            self.axes.aggregation.check_dtype(self.output.dtype)
        if isinstance(self.axes.aggregation, CellAggregation):
            _check_scaling(self.output, self.axes.aggregation)
        self.output.check_nodata()
        result = self.output.dtype or np.dtype("float32")
        bands = usual_kind(source, outline_of(source))[0] if out_bands is None else out_bands
        made = make_plan(
            source,
            self.axes.geometry,
            self.axes.sampler,
            self.axes.aggregation,
            chunks=self.blocks,
            memory_limit=self.memory_limit,
            sizes=Sizes(bands, result, self.batch_size, tuple(self.layers.values())),
            result_dtype=result,
            region=self.region,
            reading=self.reading,
        )
        return in_process(made, self.target)

    def assembly_bytes(self, source: PixelSource, out_bands: int | None = None) -> int:
        """Return about what the result takes to be put together from its blocks."""
        known = outline_of(source).rescaled(self.reading.scale)
        bands = usual_kind(source, known)[0] if out_bands is None else out_bands
        n_bands = self.axes.aggregation.out_bands(bands)
        spec = self.output.assumed(
            known, n_bands, self.blocks, layer_specs(self.axes.aggregation, self.layers)
        )
        return assembly_bytes(self.target, self.output.storage, spec)


@dataclass(frozen=True)
class Conduct:
    """How a run goes about its patches: what becomes of those that fail or are empty, and who hears of it."""

    policy: ErrorPolicy = field(default_factory=ErrorPolicy)
    hooks: Hooks = field(default_factory=Hooks)
    log_json: str | os.PathLike[str] | None = None
    timeout_s: float | None = None
    skip_empty: bool | None = None
    allow_gaps: bool = False


def job_for(
    request: Request, conduct: Conduct, source: PixelSource, operator: Callable[[Array], Array]
) -> Job:
    """Return the job of running an operator over what is asked for of a source.

    Raises
    ------
    TypeError
        The operator cannot be called, or the aggregation gives no value per pixel.
    ValueError
        The dtype of the result cannot have its nodata value, or classes were to be scaled.
    MemoryLimitError
        Not one patch fits the limit.
    IncompleteScanConfiguration
        Patches leave pixels out, and that is not allowed.

    """
    axes = request.axes
    if not isinstance(axes.aggregation, CellAggregation):
        raise TypeError(
            f"{type(axes.aggregation).__name__} gives no value per pixel: use the patcher's merge or reduce"
        )
    check_operator(operator)
    source, request = request.over(source)
    plan = request.plan(source)
    check_patch(axes.geometry.size, source.domain, plan.memory_limit, "memory_limit is", request.reading)
    if not conduct.allow_gaps:
        plan.require_coverage()
    warn_of_ground(source, stacklevel=3)
    return Job(
        plan=plan,
        source=source,
        operator=operator,
        weights=axes.window.weights(Finer.of(axes.geometry, request.reading)),
        aggregation=axes.aggregation,
        name=name_of(operator),
        layers=request.layers,
        batch_size=request.batch_size,
        policy=conduct.policy,
        hooks=conduct.hooks,
        log_json=None if conduct.log_json is None else Path(conduct.log_json),
        timeout_s=conduct.timeout_s,
        skip_empty=source.has_nodata if conduct.skip_empty is None else conduct.skip_empty,
        output=request.output,
    )


def _check_scaling(output: Output, aggregation: AnyCellAggregation) -> None:
    named = output.style is not None and bool(output.style.classes)
    if output.scale_to is not None and (aggregation.gives_labels or named):
        raise ValueError("scale_to is for quantities, and this result has classes: leave it out")
