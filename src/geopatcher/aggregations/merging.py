"""`merge`: any iterable of patches into one field, in memory or on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher.aggregation.base import AnyCellAggregation, exact_dtype
from geopatcher.aggregation.wide import is_wide
from geopatcher.aggregations.collect import Collection
from geopatcher.box import Box, box_of
from geopatcher.engine.contributions import Contribution
from geopatcher.engine.job import Output, peeked
from geopatcher.engine.run import Finisher, stitch
from geopatcher.engine.sizing import gap_bytes, kept_bytes
from geopatcher.engine.stats import RunStats
from geopatcher.engine.tiles import TileRows
from geopatcher.engine.validity import validity
from geopatcher.errors import OperatorError
from geopatcher.fields.plain_field import array_of, raster_domain
from geopatcher.planning.anchors import AnchorSet, Listed
from geopatcher.planning.memory import MemoryModel
from geopatcher.planning.plan import Plan

if TYPE_CHECKING:
    from geopatcher.domain import RasterDomain, ResultSpec
    from geopatcher.patch import Patch
    from geopatcher.protocols import HasShape, Sink
    from geopatcher.sinks.targets import ResultArray, Target


@runtime_checkable
class Planned(Protocol):
    """An iterable of patches that come in the order of a plan."""

    @property
    def plan(self) -> Plan:
        """The plan."""
        ...


@dataclass(frozen=True)
class MergeOptions:
    """Where and how a merge stores its result."""

    target: Target
    output: Output
    chunks: tuple[int, int]
    memory_limit: int
    scratch: Path | None = None


def merge_patches(
    aggregation: AnyCellAggregation,
    patches: Iterable[Patch[object]],
    domain: HasShape,
    options: MergeOptions,
) -> dict[str, ResultArray]:
    """Stitch patches into the field they belong to.

    Patches that carry a plan close blocks as early as it allows. Others are collected first, beyond
    the memory limit in a scratch file, and stitched in row-major order: the result has the same
    bits whatever order they came in.

    Raises
    ------
    OperatorError
        A patch's data does not fit its place, or patches disagree in their number of bands.
    TargetError
        The target cannot be written.

    """
    grid = raster_domain(domain)
    options.target.check()
    with ExitStack() as stack:
        first, stream = peeked(checked(patches))
        bands, dtype = (1, np.dtype("float64")) if first is None else (first.data.shape[0], first.data.dtype)
        output = options.output
        if options.target.path is None:
            output = replace(output, dtype=aggregation.memory_dtype(dtype))
        flat = first is None or first.flat
        # Whether patches leave gaps shows when they have all come.
        spec = output.spec(grid, aggregation, bands, dtype, options.chunks, flat=flat, gaps=True)
        merge = _Merge(aggregation, spec, options, bands)
        planned = merge.plan(grid, patches.plan.anchors) if isinstance(patches, Planned) else None
        if planned is not None and planned.n_regions == 1:
            streams = iter([(planned, stream)])
        else:
            # What is in a list stays as it is; who yields patches may use one array for all of them.
            collection = Collection.of(
                stream, options.memory_limit // 2, options.scratch, copy=not isinstance(patches, Sequence)
            )
            stack.callback(collection.close)
            anchors = Listed(collection.boxes, grid.grid_shape) if planned is None else planned.anchors
            regions = merge.plan(grid, anchors).regions()
            streams = ((region, collection.touching(region.region)) for region in regions)
        try:
            merge.run(streams, options.target.create(spec))
            return options.target.complete()
        except BaseException:
            options.target.discard()
            raise


@dataclass(frozen=True)
class _Merge:
    """An aggregation and what it makes."""

    aggregation: AnyCellAggregation
    spec: ResultSpec
    options: MergeOptions
    n_bands: int

    def plan(self, grid: RasterDomain, anchors: AnchorSet) -> Plan:
        """Return the plan of a merge: no input is read, and at least a column of blocks is held."""
        exact = exact_dtype(self.spec.domain.dtype, anchors.depth)
        model = MemoryModel(
            patch=anchors.patch_shape,
            tile=self.options.chunks,
            unit_rows=0,
            in_bytes=0,
            mask_bytes=0,
            state_bytes=self.aggregation.state_bytes(self.n_bands, exact, anchors.depth)
            + (self.aggregation.wide_bytes(self.n_bands) if is_wide(self.spec.domain.dtype) else 0),
            gap_bytes=gap_bytes((self.aggregation,), anchors, self.n_bands, gaps=True),
            kept_bytes=kept_bytes((self.aggregation,), anchors.patch_shape, exact),
            out_bytes=self.spec.n_bands * self.spec.domain.dtype.itemsize,
            item_bytes=self.spec.domain.dtype.itemsize,
        )
        whole = Box.of_shape(grid.grid_shape)
        least = model.bytes_for(self.options.chunks[1], grid.height)
        limit = max(self.options.memory_limit - self.options.memory_limit // 2, least)
        return Plan(grid, anchors, "pad", None, self.options.chunks, whole, model, limit)

    def run(self, streams: Iterator[tuple[Plan, Iterator[Contribution]]], sink: Sink) -> None:
        """Stitch region after region."""
        stats = RunStats()
        finisher = Finisher(self.spec, sink, stats, _nothing)
        try:
            for plan, stream in streams:
                exact = exact_dtype(self.spec.domain.dtype, plan.anchors.depth)
                tiles = TileRows(plan.blocks, {"data": self.aggregation}, exact)
                stitch(stream, tiles, finisher.emit, stats)
            finisher.finish()
        except BaseException:
            finisher.settle()
            raise


def _nothing(box: Box) -> None:
    """Hear of a finished row of blocks and do nothing."""


def checked(patches: Iterable[Patch[object]]) -> Iterator[Contribution]:
    """Yield patches as contributions, each checked against its place and its predecessors."""
    n_bands: int | None = None
    for patch in patches:
        data = array_of(patch.data)
        if data.ndim not in (2, 3):
            raise OperatorError(
                f"the patch at {patch.anchor} has shape {data.shape}: expected (h, w) or (bands, h, w)"
            )
        flat = data.ndim == 2
        data = data[np.newaxis] if flat else data
        if n_bands is not None and data.shape[0] != n_bands:
            raise OperatorError(
                f"the patch at {patch.anchor} has {data.shape[0]} bands and those before have {n_bands}: "
                f"the number of bands must not change midway"
            )
        n_bands = data.shape[0]
        row, col = patch.anchor
        box = Box(row, row + data.shape[1], col, col + data.shape[2])
        weights = patch.weights
        given = box.shape if patch.indices is None else box_of(patch.indices).shape
        if weights is not None and given == box.shape:
            given = weights.shape
        if given != box.shape:
            raise OperatorError(
                f"the patch at {patch.anchor} has data of {box.shape}, "
                f"and its window or weights are {given}: "
                f"an operator must return the height and width it was given"
            )
        plain = np.ma.getdata(data)
        yield Contribution(box, plain, validity(None, data), weights, flat)


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return a target folder as an absolute path, so that what is built beside it has a name."""
    return Path(os.fspath(path)).absolute()
