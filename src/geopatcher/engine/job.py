"""A job: everything a region needs to be computed, here or elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from geopatcher.accumulators.base import AnyCellAggregation, exact_dtype
from geopatcher.accumulators.casting import default_nodata, fits
from geopatcher.accumulators.labels import Disagreement
from geopatcher.core.box import Box
from geopatcher.core.buffers import recycling
from geopatcher.core.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.core.leading import BAND, Dimension, leading_of_result, plain
from geopatcher.core.metadata import usual_method
from geopatcher.core.protocols import Bounded
from geopatcher.core.sources import packing_of
from geopatcher.core.styles import Style, scaled_style, styled
from geopatcher.engine.batching import Batching, BatchSize
from geopatcher.engine.contributions import Contribution, Operate
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.engine.hooks import Hooks
from geopatcher.engine.lateness import Late
from geopatcher.engine.progress import Advance, no_progress
from geopatcher.engine.run import Finisher, contributions, stitch
from geopatcher.engine.sizing import Sizes, model_of, usual_kind
from geopatcher.engine.tiles import TileRows
from geopatcher.engine.watch import StopRequested, Watch
from geopatcher.errors import OperatorError
from geopatcher.fields.labels import names_along
from geopatcher.operators.wrappers import (
    gives_fresh,
    lengths_seen,
    names_of_bands,
    wants_mask,
    wants_position,
)
from geopatcher.targets.protocol import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from pathlib import Path

    from geopatcher.accumulators.protocols import Plannable
    from geopatcher.core.leading import Leading
    from geopatcher.core.metadata import Metadata
    from geopatcher.core.operators import ArrayOperator
    from geopatcher.core.protocols import Array, PixelSource, Sink
    from geopatcher.core.scaling import ScaleTo, Scaling
    from geopatcher.engine.lateness import Limit
    from geopatcher.engine.stats import RunStats
    from geopatcher.planning.plan import Plan
    from geopatcher.targets.protocol import Storage


#: What stands for missing in a result: a value, the source's value, or ``None`` for what follows.
Nodata: TypeAlias = float | int | Literal["inherit"] | None


@dataclass(frozen=True)
class Output:
    """How the caller wants the result: ``None`` is what follows from the operator and the source.

    What that comes to is one value, the `ResultSpec` that `spec` returns.
    """

    dtype: np.dtype | None = None
    nodata: Nodata = None
    chunks: tuple[int, int] | None = None
    storage: Storage = field(default_factory=MemoryStorage)
    dims: Leading | None = None
    style: Style | None = None
    scale_to: ScaleTo | None = None

    def settings(self) -> dict[str, object]:
        """Return all that is asked for by name, in one list."""
        own: dict[str, object] = {"dtype": self.dtype, "nodata": self.nodata, "chunks": self.chunks}
        own |= {} if self.dims is None else {"output_dims": self.dims}
        own |= {} if self.style is None else {"style": self.style}
        own |= {} if self.scale_to is None else {"scale_to": self.scale_to}
        return own | self.storage.settings()

    def spec(
        self,
        source: RasterDomain,
        aggregation: AnyCellAggregation,
        n_bands: int,
        dtype: np.dtype,
        chunks: tuple[int, int],
        *,
        flat: bool,
        lengths: tuple[int, ...] = (),
        called: tuple[str, ...] = (),
    ) -> ResultSpec:
        """Return the result of aggregating patches of ``n_bands`` and ``dtype`` over a source's grid.

        ``lengths`` are those of leading dimensions, where patches have several; ``called`` is what the
        operator calls its bands, if it does.

        What says that a cell is missing is decided here, before the first block. Floats have NaN, and
        classes a value above the last. Other integers, and floats for which a value is given, have a
        mask beside them, which can collide with nothing; and where the result is of the source's own
        kind, or a value is given, that value too, as long as no cell that holds data has it.

        Raises
        ------
        ValueError
            The caller's nodata value does not fit the result's dtype, or there is none to inherit.
        OperatorError
            It cannot be known which leading dimensions the patches have.

        """
        out_bands = aggregation.out_bands(n_bands)
        flat = aggregation.flat or (flat and out_bands == n_bands)
        result = self.dtype or _storable(aggregation.out_dtype(dtype))
        leading = () if flat else self._leading(source, out_bands, lengths if out_bands == n_bands else ())
        same_bands = out_bands == source.n_bands and leading == source.leading
        # What is said of the source's values holds for the result's where they are of the same kind.
        own = same_bands and result == source.dtype and aggregation.keeps_quantity and self.scale_to is None
        free = aggregation.nodata_for(result) if self.nodata is None else None
        nodata = default_nodata(result, self._stated(source, result, own=own) if free is None else free)
        scaling = None if self.scale_to is None else self.scale_to.scaling(nodata)
        nodata = nodata if scaling is None else scaling.nodata
        plain = (
            free is not None
            or scaling is not None
            or result.kind not in "iuf"
            or (nodata is not None and np.isnan(nodata))
        )
        named = self.style is not None and bool(self.style.classes)
        labels = aggregation.gives_labels or named or (own and source.metadata.has_labels)
        names = source.band_names if same_bands else names_along(leading, out_bands)
        names = aggregation.band_names or (called if len(called) == out_bands else names)
        domain = source.with_bands(names, n_bands=None if flat else out_bands, dtype=result)
        said = (
            source.metadata.of_result() if own else replace(domain.metadata, bands=aggregation.metadata.bands)
        )
        domain = replace(
            domain,
            nodata=nodata,
            units=source.units if own else (),
            metadata=self._look(said, domain.n_bands, scaling),
            leading=leading,
        )
        spec = ResultSpec(
            domain=domain,
            chunks=self.chunks or chunks,
            fill=_outermost(result) if nodata is None else nodata,
            masked=not plain,
            overview=usual_method(labels=labels),
            scaling=scaling,
        )
        return self.storage.applied(spec)

    def _look(self, said: Metadata, n_bands: int, scaling: Scaling | None) -> Metadata:
        """Return what a result says of how it looks, and of what its numbers stand for."""
        if scaling is None:
            return styled(said, self.style, n_bands)
        said = styled(said, scaled_style(self.style or Style(), scaling), n_bands)
        meant = (replace(band, scale=scaling.scale, offset=scaling.offset) for band in said.bands)
        return replace(said, bands=tuple(meant))

    def _leading(self, source: RasterDomain, n_bands: int, lengths: tuple[int, ...]) -> Leading:
        """Return the leading dimensions of a result; none where there is but one of bands."""
        known = source.leading or tuple(Dimension(BAND, length) for length in source.shape[:-2])
        try:
            return plain(leading_of_result(known, lengths or (n_bands,), self.dims))
        except ValueError as error:
            raise OperatorError(f"patches have {error}") from error

    def _stated(self, source: RasterDomain, result: np.dtype, *, own: bool) -> float | int | None:
        """Return the value that is given, or inherited where the result is the source's ``own`` quantity."""
        if self.nodata is None:
            return source.nodata if own and result.kind != "f" else None
        value = source.nodata if self.nodata == "inherit" else self.nodata
        if value is None:
            raise ValueError(
                'nodata="inherit" asks for the nodata value of the source, which has no single one: '
                "give a number, or leave it out"
            )
        if not fits(result, value):
            raise ValueError(f"nodata={value} does not fit a result of {result}: choose another value")
        return value

    def assumed(
        self,
        source: RasterDomain,
        n_bands: int,
        chunks: tuple[int, int],
        layers: Mapping[str, LayerSpec],
    ) -> ResultSpec:
        """Return what a result of ``n_bands`` takes room for, while no patch has said what it is."""
        spec = ResultSpec(
            domain=source.with_bands((), n_bands=n_bands, dtype=self.dtype or np.dtype("float32")),
            chunks=self.chunks or chunks,
            fill=0,
            layers=layers,
        )
        return self.storage.applied(spec)


def _outermost(dtype: np.dtype) -> int:
    """Return the end of an integer range that is least likely a value: never 0. It lies under a mask.

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
            source_name=self.source.name,
            stats=stats,
            policy=self.policy,
            batching=batching or Batching.of(self.batch_size),
            weights=self.weights,
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
        lengths = source.lengths
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
    finisher = Finisher(spec, sink, stats, done, pipelined=job.pipelined, disagreement=disagreement)
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
                    fresh=partial(gives_fresh, job.operator),
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
