"""A job: everything a region needs to be computed, here or elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.accumulators.casting import default_nodata
from geopatcher.accumulators.depth import exact_dtype
from geopatcher.accumulators.labels import Disagreement
from geopatcher.core.box import Box
from geopatcher.core.buffers import recycling
from geopatcher.core.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.core.protocols import Bounded
from geopatcher.core.sources import counted_in, packing_of
from geopatcher.engine.batching import Batching, BatchSize
from geopatcher.engine.contributions import Contribution, Operate
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.engine.hooks import Hooks
from geopatcher.engine.lateness import Late
from geopatcher.engine.output import Output
from geopatcher.engine.progress import Advance, no_progress
from geopatcher.engine.run import Finisher, contributions, stitch
from geopatcher.engine.sizing import Sizes, model_of, usual_kind
from geopatcher.engine.tiles import TileRows
from geopatcher.engine.watch import StopRequested, Watch
from geopatcher.operators.wrappers import (
    freshness_of,
    lengths_seen,
    names_of_bands,
    wants_mask,
    wants_position,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from pathlib import Path

    from geopatcher.accumulators.base import AnyCellAggregation
    from geopatcher.accumulators.protocols import Plannable
    from geopatcher.core.operators import ArrayOperator
    from geopatcher.core.protocols import Array, PixelSource, Sink
    from geopatcher.engine.lateness import Limit
    from geopatcher.engine.stats import RunStats
    from geopatcher.planning.plan import Plan


def layer_specs(aggregation: Plannable, layers: Mapping[str, AnyCellAggregation]) -> dict[str, LayerSpec]:
    """Return what lies beside a result: what follows from its own state, and layers."""
    specs = {name: LayerSpec(*kind) for name, kind in aggregation.beside.items()}
    for name, layer in layers.items():
        dtype = layer.out_dtype(np.dtype("float64"))
        fill = default_nodata(dtype, layer.nodata_for(dtype))
        specs[name] = LayerSpec(dtype, 0 if fill is None else fill)
    return specs


@dataclass(frozen=True, eq=False)
class Job:
    """A plan, where its pixels come from, and what is done with them."""

    plan: Plan
    source: PixelSource
    operator: ArrayOperator
    weights: Array
    aggregation: AnyCellAggregation
    name: str = "operator"
    layers: Mapping[str, AnyCellAggregation] = field(default_factory=dict)
    batch_size: BatchSize = 1
    policy: ErrorPolicy = field(default_factory=ErrorPolicy)
    skip_empty: bool = False
    output: Output = field(default_factory=Output)
    pipelined: bool = True
    advance: Advance = no_progress
    hooks: Hooks = field(default_factory=Hooks)
    log_json: Path | None = None
    timeout_s: float | None = None

    def resized(self, first: Contribution, call_bytes: int = 0) -> Job:
        """Return this job with a plan that knows the operator from its first result.

        That is its bands and dtype, and what a call of it was seen to add to the process.
        """
        return self.sized(self.spec_for(first, flat=first.flat), first.data.shape[0], call_bytes)

    def sized(self, spec: ResultSpec, n_bands: int, call_bytes: int = 0) -> Job:
        """Return this job with a plan for a result of ``spec`` and an operator that returns ``n_bands``."""
        layers = tuple(self.layers.values())
        sizes = Sizes(n_bands, spec.domain.dtype, self.batch_size, layers)
        plan = self.plan
        model = model_of(self.source, plan.anchors, self.aggregation, plan.chunks, sizes, spec.domain.dtype)
        return replace(self, plan=plan.with_model(model, call_bytes))

    @property
    def how(self) -> dict[str, str | int | float]:
        """How it is carried out, which changes no pixel: an interrupted run may go on in another way."""
        return {"batch_size": self.batch_size, "memory_limit": self.plan.memory_limit}

    @property
    def assumed_spec(self) -> ResultSpec:
        """What the result takes room for, while no patch has said what it is."""
        source = self.source.domain.rescaled(self.plan.reading.scale)
        n_bands = self.aggregation.out_bands(usual_kind(self.source, source)[0])
        layers = layer_specs(self.aggregation, self.layers)
        return self.output.assumed(source, n_bands, self.plan.chunks, layers)

    def operate(
        self,
        stats: RunStats,
        limit: Limit | None = None,
        late: Late | None = None,
        batching: Batching | None = None,
    ) -> Operate:
        """Return what calls the operator; ``limit`` and ``late`` are for who keeps ``timeout_s``.

        ``batching`` is what another one has found out of batches.
        """
        return Operate(
            operator=self.operator,
            name=self.name,
            source_name=counted_in(self.source),
            stats=stats,
            policy=self.policy,
            batching=batching or Batching.of(self.batch_size),
            weights=self.weights,
            own_bands=self.output.has_dims_of(self.source.domain.leading),
            lengths=lengths_seen(self.operator, self.source.domain.lengths),
            masked=wants_mask(self.operator),
            grid=self._whole_grid() if wants_position(self.operator) else None,
            corner=(self.plan.around[0], self.plan.around[2]),
            reading=self.plan.reading,
            packing=packing_of(self.source),
            area=self.source.area if isinstance(self.source, Bounded) else None,
            skip_empty=self.skip_empty,
            advance=self.advance,
            hooks=self.hooks,
            limit=limit,
            late=late or Late(),
        )

    def _whole_grid(self) -> RasterDomain:
        """Return the grid of all of the source: where a patch lies does not follow from what is cut out."""
        domain = self.source.domain
        if not any(self.plan.around):
            return domain
        return domain.cut(Box.of_shape(domain.grid_shape).grown(self.plan.around))

    def spec_for(self, first: Contribution | None, *, flat: bool) -> ResultSpec:
        """Return what the result is, given the first contribution (``None``: no patch held data)."""
        source = self.source.domain.rescaled(self.plan.reading.scale)
        lengths, packing = source.lengths, packing_of(self.source)
        bands, dtype = usual_kind(self.source, source)
        if first is not None:
            bands, dtype, lengths = first.data.shape[0], first.data.dtype, first.lengths
        spec = self.output.spec(
            source,
            self.aggregation,
            bands,
            dtype,
            self.plan.chunks,
            flat=flat,
            lengths=lengths,
            called=names_of_bands(self.operator),
            known=() if packing is None else packing.leading,
        )
        return replace(spec, layers=layer_specs(self.aggregation, self.layers))

    def tiles(self, plan: Plan, spec: ResultSpec, disagreement: Disagreement) -> TileRows:
        """Return empty state for a region; in it the ``disagreement`` is looked for."""
        parts = {"data": self.aggregation, **self.layers}
        exact = exact_dtype(spec.domain.dtype, plan.anchors.depth)
        return TileRows(plan.blocks, parts, exact, disagreement=disagreement)

    def stream(
        self, plan: Plan, operate: Operate, watch: Watch | None = None
    ) -> Generator[Contribution, None, None]:
        """Return the contributions to a region; the ``watch`` stands between its strips."""
        operate.batching.bound(plan.model.batch_size, plan.room_bytes)
        return contributions(plan, self.source, operate, pipelined=self.pipelined, watch=watch)


def run_region(
    job: Job,
    plan: Plan,
    spec: ResultSpec,
    sink: Sink,
    stream: Iterator[Contribution],
    done: Callable[[Box], None],
    stats: RunStats,
    meanwhile: Callable[[], None] | None = None,
) -> None:
    """Compute a region and write it; ``done`` hears of each row of blocks after the sink has it.

    ``meanwhile`` is called when all is computed, while the last rows are still being written. When the
    run is asked to stop, the rows that no patch would have touched any more are still finished and
    written; after an error, those that had been closed.

    Raises
    ------
    StopRequested
        The run was asked to stop.

    """
    disagreement = Disagreement(found=stats.averaged > 0)
    alone = plan.region == job.plan.region and plan.blocks.n_rows == 1  # nothing is done while it is written
    pipelined = job.pipelined and not alone
    finisher = Finisher(
        spec, sink, stats, done, pipelined=pipelined, disagreement=disagreement, hooks=job.hooks
    )
    tiles = job.tiles(plan, spec, disagreement)
    try:
        try:
            with recycling():
                stitch(
                    stream,
                    tiles,
                    finisher.emit,
                    stats,
                    pipelined=job.pipelined,
                    fresh=freshness_of(job.operator),
                )
        except StopRequested as stop:
            for box, row_tiles in tiles.close_above(stop.row):
                finisher.emit(box, row_tiles)
            finisher.finish()
            raise
        if meanwhile is not None:
            meanwhile()
        finisher.finish()
    except BaseException:
        finisher.settle()
        raise


def peeked(stream: Iterator[Contribution]) -> tuple[Contribution | None, Iterator[Contribution]]:
    """Return the first contribution, and the stream with it still in front."""
    first = next(stream, None)
    return first, stream if first is None else chain([first], stream)
