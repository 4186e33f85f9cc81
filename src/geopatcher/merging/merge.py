"""`merge`: any iterable of patches into one field, in memory or on disk."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from rasterio.windows import Window

from geopatcher.accumulators.depth import exact_dtype
from geopatcher.accumulators.int64 import is_wide
from geopatcher.accumulators.labels import Disagreement, averaged
from geopatcher.core.box import Box, box_of
from geopatcher.core.containment import StrayError, contained
from geopatcher.core.leading import unnamed
from geopatcher.core.patch import Patch
from geopatcher.engine.contributions import Contribution
from geopatcher.engine.job import peeked
from geopatcher.engine.results import NoArrayError, as_array
from geopatcher.engine.run import Finisher, stitch
from geopatcher.engine.sizing import gap_bytes, kept_bytes
from geopatcher.engine.stats import RunStats
from geopatcher.engine.tiles import TileRows
from geopatcher.engine.validity import validity
from geopatcher.errors import OperatorError, TargetExistsError
from geopatcher.fields.plain_field import Loadable, raster_domain
from geopatcher.formats.rasterio_warnings import caller_level
from geopatcher.merging.collect import Collection
from geopatcher.merging.placed import Layout, cells_of
from geopatcher.planning.anchors import AnchorSet, Listed
from geopatcher.planning.memory import MemoryModel
from geopatcher.planning.plan import Plan
from geopatcher.targets.places import local_place

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from geopatcher.accumulators.base import AnyCellAggregation
    from geopatcher.core.domain import RasterDomain, ResultSpec
    from geopatcher.core.protocols import Array, HasShape, Sink
    from geopatcher.engine.output import Output
    from geopatcher.targets.product import ResultArray
    from geopatcher.targets.protocol import Target


@runtime_checkable
class Planned(Protocol):
    """An iterable of patches that come in the order of a plan."""

    @property
    def plan(self) -> Plan:
        """The plan."""
        ...


@dataclass(frozen=True)
class PlannedPatches:
    """Patches that come in the order of a plan."""

    plan: Plan
    patches: Iterator[Patch[object]]

    def __iter__(self) -> Iterator[Patch[object]]:
        return self.patches


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
    anchors: AnchorSet | None = None,
) -> dict[str, ResultArray]:
    """Stitch patches into the field they belong to.

    Patches that carry a plan, or come in the order of ``anchors``, close blocks as early as that allows.
    Others are collected first, beyond the memory limit in a scratch file, and stitched in row-major order:
    the result has the same bits whatever order they came in.

    Raises
    ------
    OperatorError
        A patch's data does not fit its place, patches disagree in their number of bands or their dtypes, or
        a value was chosen that the dtype asked for cannot hold.
    TargetError
        The target cannot be written.
    ValueError
        A patch lies outside the domain, or the dtype asked for has no room for the classes.

    Warns
    -----
    RuntimeWarning
        Integers of overlapping patches differed, and were averaged.

    """
    layout = Layout.of(domain)
    grid = raster_domain(layout.domain)
    if layout.numbered and options.target.path is not None:
        raise ValueError(
            f"{options.target.path} stores rasters, and the domain is {layout.n_places} numbered places: "
            f"merge in memory, without streaming=True"
        )
    laid_out = patches if isinstance(patches, Planned) else layout.patches(patches)
    if options.output.dtype is not None:
        aggregation.check_dtype(options.output.dtype)
    with nothing_replaced():
        options.target.check()
    with ExitStack() as stack:
        first, stream = peeked(checked(laid_out, grid.grid_shape))
        if first is not None:
            _check_kind(first, aggregation)
        bands, dtype = (1, np.dtype("float64")) if first is None else (first.data.shape[0], first.data.dtype)
        output = options.output
        if options.target.path is None:
            output = replace(output, dtype=aggregation.memory_dtype(dtype))
        flat = first is None or first.flat
        lengths = () if first is None else first.lengths
        if lengths and lengths != grid.lengths:  # there is nobody who could say their names
            output = replace(output, dims=unnamed(lengths))
        spec = output.spec(grid, aggregation, bands, dtype, options.chunks, flat=flat, lengths=lengths)
        merge = _Merge(aggregation, spec, options, bands, dtype)
        known = patches.plan.anchors if isinstance(patches, Planned) else anchors
        planned = None if known is None else merge.plan(grid, known)
        if planned is not None and planned.n_regions == 1:
            streams = iter([(planned, stream)])
        else:
            # What is in a list stays as it is; who yields patches may use one array for all of them.
            collection = Collection.of(
                stream, options.memory_limit // 2, options.scratch, copy=not isinstance(laid_out, Sequence)
            )
            stack.callback(collection.close)
            listed = Listed(collection.boxes, grid.grid_shape) if known is None else known
            regions = merge.plan(grid, listed).regions()
            streams = ((region, collection.touching(region.region)) for region in regions)
        try:
            with nothing_replaced():
                sink = options.target.create(spec)
            merge.run(streams, sink)
            arrays = options.target.complete().arrays
            if not layout.numbered:
                return arrays
            return {name: layout.result(np.asarray(array)) for name, array in arrays.items()}
        except BaseException:
            options.target.discard()
            raise


@dataclass(frozen=True)
class _Merge:
    """An aggregation, what it makes, and of patches of how many bands and which dtype."""

    aggregation: AnyCellAggregation
    spec: ResultSpec
    options: MergeOptions
    n_bands: int
    dtype: np.dtype

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
            valid_bytes=self.spec.n_bands if self.spec.masked else 0,
        )
        whole = Box.of_shape(grid.grid_shape)
        least = model.bytes_for(self.options.chunks[1], grid.height)
        limit = max(self.options.memory_limit - self.options.memory_limit // 2, least)
        return Plan(grid, anchors, "pad", None, self.options.chunks, whole, model, limit)

    def run(self, streams: Iterator[tuple[Plan, Iterator[Contribution]]], sink: Sink) -> None:
        """Stitch region after region."""
        stats = RunStats()
        disagreement = Disagreement()
        finisher = Finisher(self.spec, sink, stats, _nothing, disagreement=disagreement)
        try:
            for plan, stream in streams:
                exact = exact_dtype(self.spec.domain.dtype, plan.anchors.depth)
                parts = {"data": self.aggregation}
                tiles = TileRows(plan.blocks, parts, exact, disagreement=disagreement)
                stitch(stream, tiles, finisher.emit, stats)
            finisher.finish()
        except BaseException:
            finisher.settle()
            raise
        if disagreement.found:
            text = averaged("the patches", self.dtype, self.aggregation)
            warnings.warn(text, RuntimeWarning, stacklevel=caller_level())


def _nothing(box: Box) -> None:
    """Hear of a finished row of blocks and do nothing."""


@contextmanager
def nothing_replaced() -> Iterator[None]:
    """Have those who merge onto what is there told what they can do: there is no ``overwrite`` for them."""
    try:
        yield
    except TargetExistsError as error:
        found = str(error).partition(": ")[0]
        raise TargetExistsError(
            f"{found}, and merge replaces nothing: choose another target_path, or remove it first"
        ) from None


def checked(
    patches: Iterable[Patch[object]], within: tuple[int, int] | None = None
) -> Iterator[Contribution]:
    """Yield patches as contributions, each checked against its place and its predecessors.

    One may overhang a raster of the shape ``within``, as at its edges, but not lie beside it.
    """
    before: tuple[int, ...] | None = None
    dtype: np.dtype | None = None
    for patch in _contained(patches):
        data = _data_of(patch)
        if data.ndim < 2:
            raise OperatorError(
                f"the patch at {patch.anchor} has shape {data.shape}: expected (h, w) or (bands, h, w)"
            )
        lengths = data.shape[:-2]
        data = data.reshape(math.prod(lengths), *data.shape[-2:])
        if before is not None and lengths != before:
            now, then = ("x".join(map(str, each)) or "1" for each in (lengths, before))
            raise OperatorError(
                f"the patch at {patch.anchor} has {now} bands and those before have {then}: "
                f"the number of bands must not change midway"
            )
        before = lengths
        dtype = data.dtype if dtype is None else dtype
        if not (np.can_cast(data.dtype, dtype) or data.dtype.kind == dtype.kind == "f"):
            raise OperatorError(
                f"the patch at {patch.anchor} holds {data.dtype} values and those before {dtype}: "
                f"return the same dtype always, for example with "
                f".astype({np.promote_types(data.dtype, dtype).name!r})"
            )
        box = cells_of(patch, data.shape)
        if within is not None and box.n_pixels and box.intersect(Box.of_shape(within)).empty:
            raise ValueError(
                f"the patch at {patch.anchor} of {data.shape[1]}x{data.shape[2]} pixels lies outside the "
                f"domain of {within[0]}x{within[1]}: merge onto the domain it was cut from, or leave it out"
            )
        weights = None if patch.weights is None else np.asarray(patch.weights)
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
        several = lengths if len(lengths) > 1 else ()
        yield Contribution(box, plain, validity(None, data), weights, not lengths, lengths=several)


def _check_kind(first: Contribution, aggregation: AnyCellAggregation) -> None:
    """Refuse what cannot be merged; patches after the first have its dtype, or one that it can hold."""
    dtype = first.data.dtype
    if dtype.kind not in aggregation.kinds:
        parts = ", such as real and imaginary part as two bands" if dtype.kind == "c" else ""
        raise OperatorError(
            f"the patch at {first.box} holds {dtype} values: only real numbers and booleans are "
            f"merged{parts}; SpatialByIndex keeps whatever a patch gives"
        )


def _contained(patches: Iterable[Patch[object]]) -> Iterator[Patch[object]]:
    """Yield patches; an operator in whoever makes them cannot end the program."""
    stream = iter(patches)
    try:
        while (patch := contained(lambda: next(stream, None))) is not None:
            yield patch
    except StrayError as error:
        raise OperatorError(f"what makes the patches to be merged ended with {error}") from error


def as_patch(made: Contribution) -> Patch[object]:
    """Return a contribution as a patch, masked where it does not count."""
    data = made.data if made.valid is None else np.ma.array(made.data, mask=~made.valid)
    box = made.box
    indices = Window(box.col0, box.row0, box.width, box.height)
    shaped = data[0] if made.flat else data.reshape(*(made.lengths or data.shape[:1]), *data.shape[-2:])
    return Patch(shaped, (box.row0, box.col0), indices, made.weights)


def _data_of(patch: Patch[object]) -> Array:
    """Return a patch's data as an array; lazy data is read."""
    data = patch.data
    try:
        return as_array(data.load().values if isinstance(data, Loadable) else data)
    except NoArrayError as error:
        raise OperatorError(
            f"the patch at {patch.anchor} holds {error.what}, which is no array: {error.advice}"
        ) from error


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return a target folder as an absolute path, so that what is built beside it has a name."""
    return local_place(path).absolute()
