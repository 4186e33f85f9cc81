"""`merge`: any iterable of patches into one field, in memory or on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher.aggregation.base import AnyCellAggregation, exact_dtype
from geopatcher.aggregations.collect import Collection
from geopatcher.box import Box
from geopatcher.domain import RasterDomain
from geopatcher.engine.contributions import Contribution, Cut, validity
from geopatcher.engine.job import Output, peeked
from geopatcher.engine.run import Finisher, stitch
from geopatcher.engine.stats import RunStats
from geopatcher.engine.tiles import TileRows
from geopatcher.errors import OperatorError
from geopatcher.patch import Patch
from geopatcher.planning.anchors import AnchorSet, Listed
from geopatcher.planning.plan import BlockGrid, Plan
from geopatcher.protocols import HasShape

if TYPE_CHECKING:
    from affine import Affine

    from geopatcher.protocols import Array
    from geopatcher.sinks.targets import ResultArray, Target


@runtime_checkable
class Planned(Protocol):
    """An iterable of patches that come in the order of a plan."""

    @property
    def plan(self) -> Plan:
        """The plan."""
        ...


@runtime_checkable
class Georeferenced(Protocol):
    """A domain with a georeference, such as a reader or a GeoTensor."""

    @property
    def transform(self) -> Affine:
        """Pixel corner to CRS coordinates."""
        ...

    @property
    def crs(self) -> object:
        """Coordinate reference system."""
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
    whole = Box.of_shape(grid.grid_shape)
    options.target.check()
    with ExitStack() as stack:
        stream = checked(patches)
        if isinstance(patches, Planned):
            anchors: AnchorSet = patches.plan.anchors
        else:
            collection = Collection.of(stream, options.memory_limit, options.scratch)
            stack.callback(collection.close)
            anchors = Listed(collection.boxes, grid.grid_shape)
            stream = collection.touching(whole)
        first, stream = peeked(stream)
        flat = first is None or first.flat
        bands, dtype = (1, np.dtype("float64")) if first is None else (first.data.shape[0], first.data.dtype)
        spec = options.output.spec(grid, aggregation, bands, dtype, options.chunks, flat=flat)
        tiles = TileRows(
            BlockGrid(whole, options.chunks),
            {"data": aggregation},
            exact_dtype(spec.domain.dtype, anchors.depth),
        )
        stats = RunStats()
        try:
            finisher = Finisher(spec, options.target.create(spec), stats, lambda _: None)
            try:
                stitch(stream, tiles, finisher.emit, stats)
                finisher.finish()
            except BaseException:
                finisher.abandon()
                raise
            return options.target.complete()
        except BaseException:
            options.target.discard()
            raise


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
        if weights is not None and weights.shape != box.shape:
            if patch.indices is None or weights.shape[0] < box.height or weights.shape[1] < box.width:
                raise OperatorError(
                    f"the patch at {patch.anchor} has data of {box.shape} and weights of {weights.shape}: "
                    f"an operator must return the height and width it was given"
                )
            weights = weights[: box.height, : box.width]
        plain = np.ma.getdata(data)
        yield Contribution(box, plain, validity(Cut(box, plain, None), data), weights, flat)


@runtime_checkable
class HasValues(Protocol):
    """Lazy or georeferenced data whose plain array is ``values``."""

    @property
    def values(self) -> Array:
        """The array."""
        ...


def array_of(data: object) -> Array:
    """Return patch data as an array: a masked one stays masked, a lazy reader is read."""
    if isinstance(data, HasValues):
        return np.asarray(data.values)
    return np.ma.asanyarray(data)


def raster_domain(domain: HasShape) -> RasterDomain:
    """Return what is known of a stand-in for a domain; only ``shape`` is required."""
    if isinstance(domain, RasterDomain):
        return domain
    shape = tuple(int(n) for n in domain.shape)
    if isinstance(domain, Georeferenced):
        crs = domain.crs
        text = crs if crs is None or isinstance(crs, str) else str(crs)
        return RasterDomain(shape=shape[-3:], transform=domain.transform, crs=text)
    return RasterDomain(shape=shape[-3:])


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return a target folder as an absolute path, so that what is built beside it has a name."""
    return Path(os.fspath(path)).absolute()
