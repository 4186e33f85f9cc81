"""A job: everything a region needs to be computed, here or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.aggregation.base import AnyCellAggregation, exact_dtype
from geopatcher.aggregation.casting import default_nodata
from geopatcher.domain import RasterDomain, ResultSpec
from geopatcher.engine.contributions import Contribution, Operate
from geopatcher.engine.run import Finisher, contributions, stitch
from geopatcher.engine.tiles import TileRows
from geopatcher.policy import ErrorPolicy

if TYPE_CHECKING:
    from geopatcher.box import Box
    from geopatcher.engine.contributions import ArrayOperator
    from geopatcher.engine.stats import RunStats
    from geopatcher.planning.plan import Plan
    from geopatcher.protocols import Array, PixelSource, Sink


@dataclass(frozen=True)
class Output:
    """How the caller wants the result: ``None`` is what follows from the operator and the source."""

    dtype: np.dtype | None = None
    nodata: float | int | None = None
    codec: str = "zstd"
    shards: tuple[int, int] | None = None

    def spec(
        self,
        source: RasterDomain,
        aggregation: AnyCellAggregation,
        n_bands: int,
        dtype: np.dtype,
        chunks: tuple[int, int],
        *,
        flat: bool,
    ) -> ResultSpec:
        """Return the result of aggregating patches of ``n_bands`` and ``dtype`` over a source's grid."""
        out_bands = aggregation.out_bands(n_bands)
        result = self.dtype or _storable(aggregation.out_dtype(dtype))
        nodata = default_nodata(result, source.nodata if self.nodata is None else self.nodata)
        same_bands = out_bands == source.n_bands
        names = source.band_names if same_bands else tuple(f"b{i + 1}" for i in range(out_bands))
        domain = source.with_bands(names, n_bands=None if flat else out_bands, dtype=result)
        return ResultSpec(
            domain=replace(domain, nodata=nodata, units=source.units if same_bands else ()),
            chunks=chunks,
            fill=0 if nodata is None else nodata,
            codec=self.codec,
            shards=self.shards,
        )


def _storable(dtype: np.dtype) -> np.dtype:
    """Return the nearest dtype that both zarr and GeoTIFF hold."""
    if dtype.kind == "b":
        return np.dtype("uint8")
    return np.dtype("float32") if dtype == np.float16 else dtype


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
    batch_size: int = 1
    policy: ErrorPolicy = field(default_factory=ErrorPolicy)
    skip_empty: bool = False
    output: Output = field(default_factory=Output)
    pipelined: bool = True

    def operate(self, stats: RunStats) -> Operate:
        """Return what calls the operator."""
        return Operate(
            operator=self.operator,
            name=self.name,
            source_name=self.source.name,
            stats=stats,
            policy=self.policy,
            batch_size=self.batch_size,
            weights=self.weights,
            flat=len(self.source.domain.shape) == 2,
            skip_empty=self.skip_empty,
        )

    def spec_for(self, first: Contribution | None, *, flat: bool) -> ResultSpec:
        """Return what the result is, given the first contribution (``None``: no patch held data)."""
        source = self.source.domain
        bands, dtype = (
            (source.n_bands, source.dtype) if first is None else (first.data.shape[0], first.data.dtype)
        )
        return self.output.spec(source, self.aggregation, bands, dtype, self.plan.chunks, flat=flat)

    def tiles(self, plan: Plan, spec: ResultSpec) -> TileRows:
        """Return empty state for a region."""
        parts = {"data": self.aggregation, **self.layers}
        return TileRows(plan.blocks, parts, exact_dtype(spec.domain.dtype, plan.anchors.depth))

    def stream(self, plan: Plan, operate: Operate) -> Generator[Contribution, None, None]:
        """Return the contributions to a region."""
        return contributions(plan, self.source, operate, pipelined=self.pipelined)


def run_region(
    job: Job,
    plan: Plan,
    spec: ResultSpec,
    sink: Sink,
    stream: Iterator[Contribution],
    done: Callable[[Box], None],
    stats: RunStats,
) -> None:
    """Compute a region and write it; ``done`` hears of each row of blocks after the sink has it."""
    finisher = Finisher(spec, sink, stats, done, pipelined=job.pipelined)
    try:
        stitch(stream, job.tiles(plan, spec), finisher.emit, stats)
        finisher.finish()
    except BaseException:
        finisher.abandon()
        raise


def peeked(stream: Iterator[Contribution]) -> tuple[Contribution | None, Iterator[Contribution]]:
    """Return the first contribution, and the stream with it still in front."""
    first = next(stream, None)
    return first, stream if first is None else chain([first], stream)
