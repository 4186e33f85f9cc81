"""A job: everything a region needs to be computed, here or elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.aggregation.base import AnyCellAggregation, exact_dtype
from geopatcher.aggregation.casting import default_nodata, fits
from geopatcher.aggregation.soft import SoftVote
from geopatcher.aggregation.tally import Counted
from geopatcher.buffers import recycling
from geopatcher.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.engine.contributions import Contribution, Operate
from geopatcher.engine.run import Finisher, contributions, stitch
from geopatcher.engine.sizing import Sizes, model_of
from geopatcher.engine.tiles import TileRows
from geopatcher.engine.watch import StopRequested, Watch
from geopatcher.hooks import Hooks
from geopatcher.policy import ErrorPolicy
from geopatcher.progress import Advance, no_progress
from geopatcher.protocols import MaskAware

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from pathlib import Path

    from geopatcher.box import Box
    from geopatcher.engine.contributions import ArrayOperator
    from geopatcher.engine.stats import RunStats
    from geopatcher.planning.plan import Plan
    from geopatcher.protocols import Array, PixelSource, Sink
    from geopatcher.sinks.geotiff import CogOptions


@dataclass(frozen=True)
class Output:
    """How the caller wants the result: ``None`` is what follows from the operator and the source."""

    dtype: np.dtype | None = None
    nodata: float | int | None = None
    codec: str = "zstd"
    shards: tuple[int, int] | None = None
    chunks: tuple[int, int] | None = None
    multiscales: bool = False
    overview: str | None = None
    cog: CogOptions | None = None

    def spec(
        self,
        source: RasterDomain,
        aggregation: AnyCellAggregation,
        n_bands: int,
        dtype: np.dtype,
        chunks: tuple[int, int],
        *,
        flat: bool,
        gaps: bool = False,
    ) -> ResultSpec:
        """Return the result of aggregating patches of ``n_bands`` and ``dtype`` over a source's grid.

        With ``gaps`` cells may be left without data, so that integers need a value that says so.

        Raises
        ------
        ValueError
            The caller's nodata value does not fit the result's dtype.

        """
        out_bands = aggregation.out_bands(n_bands)
        flat = flat or aggregation.flat
        result = self.dtype or _storable(aggregation.out_dtype(dtype))
        # A float computed from integers may well be 0, or whatever their nodata was: NaN stands apart.
        inherited = None if result.kind == "f" and source.dtype.kind != "f" else source.nodata
        known = aggregation.nodata_for(result) if self.nodata is None else self.nodata
        nodata = default_nodata(result, inherited if known is None else known)
        if self.nodata is not None and not fits(result, self.nodata):
            raise ValueError(f"nodata={self.nodata} does not fit a result of {result}: choose another value")
        if nodata is None and gaps:
            nodata = _outermost(result)
        same_bands = out_bands == source.n_bands
        names = source.band_names if same_bands else tuple(f"b{i + 1}" for i in range(out_bands))
        domain = source.with_bands(names, n_bands=None if flat else out_bands, dtype=result)
        return ResultSpec(
            domain=replace(domain, nodata=nodata, units=source.units if same_bands else ()),
            chunks=self.chunks or chunks,
            fill=0 if nodata is None else nodata,
            codec=self.codec,
            shards=self.shards,
            multiscales=self.multiscales,
            overview=self.overview or ("mode" if isinstance(aggregation, Counted | SoftVote) else "average"),
        )


def _wants_mask(operator: object) -> bool:
    return isinstance(operator, MaskAware) and operator.wants_mask


def _outermost(dtype: np.dtype) -> int:
    """Return the end of an integer range that is least likely a value: never 0.

    GDAL keeps nodata of 64-bit integers as a float, which is exact up to 2**53.
    """
    limits = np.iinfo(dtype)
    return min(int(limits.max), 2**53) if limits.min == 0 else max(int(limits.min), -(2**53))


def _storable(dtype: np.dtype) -> np.dtype:
    """Return the nearest dtype that both zarr and GeoTIFF hold."""
    if dtype.kind == "b":
        return np.dtype("uint8")
    if dtype == np.float16:
        return np.dtype("float32")
    return np.dtype("float64") if dtype.itemsize > 8 else dtype.newbyteorder("=")


def _layer_spec(layer: AnyCellAggregation) -> LayerSpec:
    dtype = layer.out_dtype(np.dtype("float64"))
    fill = default_nodata(dtype, layer.nodata_for(dtype))
    return LayerSpec(dtype, 0 if fill is None else fill)


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
    advance: Advance = no_progress
    hooks: Hooks = field(default_factory=Hooks)
    log_json: Path | None = None

    def resized(self, first: Contribution) -> Job:
        """Return this job with a plan that knows the operator's bands and dtype from its first result."""
        spec = self.spec_for(first, flat=first.flat)
        layers = tuple(self.layers.values())
        sizes = Sizes(first.data.shape[0], spec.domain.dtype, self.batch_size, layers)
        plan = self.plan
        model = model_of(self.source, plan.anchors, self.aggregation, plan.chunks, sizes, spec.domain.dtype)
        return replace(self, plan=replace(plan, model=model))

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
            masked=_wants_mask(self.operator),
            skip_empty=self.skip_empty,
            advance=self.advance,
            hooks=self.hooks,
        )

    def spec_for(self, first: Contribution | None, *, flat: bool) -> ResultSpec:
        """Return what the result is, given the first contribution (``None``: no patch held data)."""
        source = self.source.domain
        bands, dtype = (
            (source.n_bands, source.dtype) if first is None else (first.data.shape[0], first.data.dtype)
        )
        gaps = (
            self.source.has_nodata
            or source.dtype.kind == "f"
            or self.policy.on_error in ("skip", "mask")
            or not self.plan.coverage.complete
        )
        spec = self.output.spec(
            source, self.aggregation, bands, dtype, self.plan.chunks, flat=flat, gaps=gaps
        )
        return replace(spec, layers={name: _layer_spec(layer) for name, layer in self.layers.items()})

    def tiles(self, plan: Plan, spec: ResultSpec) -> TileRows:
        """Return empty state for a region."""
        parts = {"data": self.aggregation, **self.layers}
        return TileRows(plan.blocks, parts, exact_dtype(spec.domain.dtype, plan.anchors.depth))

    def stream(
        self, plan: Plan, operate: Operate, watch: Watch | None = None
    ) -> Generator[Contribution, None, None]:
        """Return the contributions to a region; the ``watch`` stands between its strips."""
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
    finisher = Finisher(spec, sink, stats, done, pipelined=job.pipelined)
    tiles = job.tiles(plan, spec)
    try:
        try:
            with recycling():
                stitch(stream, tiles, finisher.emit, stats)
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
