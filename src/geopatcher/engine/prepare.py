"""From what a user says to a job: shared by `reconstruct`, `plan` and the patcher."""

from __future__ import annotations

import functools
import math
import warnings
from dataclasses import dataclass, replace
from operator import index
from types import MethodType
from typing import TYPE_CHECKING, Protocol, SupportsIndex, runtime_checkable

import numpy as np

from geopatcher.accumulators.base import SpatialAggregation
from geopatcher.core.box import Box
from geopatcher.core.protocols import Named, Surrounded, Window
from geopatcher.core.sources import packing_of
from geopatcher.engine.resident import STORE_LIBRARIES, rss_bytes, unloaded_bytes
from geopatcher.engine.sizing import Sizes, model_of
from geopatcher.errors import MemoryLimitError
from geopatcher.fields.declared import outline_of
from geopatcher.planning.anchors import Lattice, place
from geopatcher.planning.memory import format_bytes
from geopatcher.planning.plan import Plan
from geopatcher.planning.reading import Reading, check_scale
from geopatcher.targets.preflight import machine_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike

    from geopatcher.accumulators.protocols import Plannable
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import PixelSource, RectGeometry, Sampler
    from geopatcher.planning.anchors import AnchorSet


#: What a raster has around it that is no part of another.
NOWHERE = (0, 0, 0, 0)
#: Of the weight of a cell.
WEIGHT_BYTES = 8


@runtime_checkable
class Titled(Protocol):
    """An operator that says what it is called, such as those of ``geotoolz``."""

    @property
    def name(self) -> object:
        """Its name."""
        ...


def make_plan(
    source: PixelSource,
    geometry: RectGeometry,
    sampler: Sampler,
    aggregation: Plannable,
    *,
    chunks: tuple[int, int],
    memory_limit: int,
    sizes: Sizes,
    result_dtype: np.dtype,
    region: Box | None = None,
    reading: Reading | None = None,
) -> Plan:
    """Lay patches over the blocks of a result; reads no pixel.

    Raises
    ------
    TypeError
        The region is no `Box` of whole pixels.
    ValueError
        It holds no pixel of the raster, or the geometry's ``pad_value`` is none that its pixels can have.
    MemoryLimitError
        The machine cannot hold a single patch.

    """
    domain = outline_of(source)
    read = reading or Reading()
    part = None if region is None else check_region(region)
    check_patch(geometry.size, domain, machine_bytes(), "this machine has", read)
    around = source.around if isinstance(source, Surrounded) else NOWHERE
    anchors = placed(domain, around, geometry, sampler)
    steps = (anchors.rows.step, anchors.cols.step) if isinstance(anchors, Lattice) else None
    packing = packing_of(source)
    if packing is not None:
        grid = Box.of_shape(domain.grid_shape).grown(around).shape
        packing.check(grid, geometry.size, steps, read.margin, geometry.boundary)
    check_scale(read, Box.of_shape(domain.grid_shape).grown(around).shape, geometry.size, steps)
    if read.scale != 1:
        domain, anchors = domain.rescaled(read.scale), anchors.rescaled(read.scale)
    whole = Box.of_shape(domain.grid_shape)
    model = model_of(source, anchors, aggregation, chunks, sizes, result_dtype)
    plan = Plan(
        domain=domain,
        anchors=anchors,
        boundary=geometry.boundary,
        pad_value=geometry.pad_value,
        chunks=chunks,
        region=whole,
        model=replace(model, reading=read).fitted(memory_limit, whole.height),
        memory_limit=memory_limit,
        source_name=source.name,
        reading=read,
        around=around,
    )
    if plan.boundary == "pad":
        plan.filling(domain.dtype)
    return plan if part is None else plan.restrict(part)


def placed(
    domain: RasterDomain, around: tuple[int, int, int, int], geometry: RectGeometry, sampler: Sampler
) -> AnchorSet:
    """Lay patches over a domain as they lie over the raster that it is a part of."""
    if around == NOWHERE:
        return place(domain, geometry, sampler)
    above, _, left, _ = around
    all_of_it = domain.cut(Box.of_shape(domain.grid_shape).grown(around))
    return place(all_of_it, geometry, sampler).seen_from(above, left)


def check_region(region: object) -> Box:
    """Return a rectangle of whole pixels, refusing what is none.

    Raises
    ------
    TypeError
        Says what was given, and what is wanted.

    """
    edges = (region.row0, region.row1, region.col0, region.col1) if isinstance(region, Box) else ()
    if not edges or not all(isinstance(edge, SupportsIndex) for edge in edges):
        raise TypeError(
            f"a region is a Box of whole pixels, such as Box(0, 512, 1024, 1536) for rows 0:512 and columns "
            f"1024:1536, not {region!r}"
        )
    return Box(*map(index, edges))


def check_patch(
    size: tuple[int, int], domain: RasterDomain, limit: int, of_whom: str, reading: Reading | None = None
) -> None:
    """Refuse patches of which not even one, with its weights and its margin, can be held.

    Raises
    ------
    MemoryLimitError
        Names the patch, and what it takes.

    """
    read = reading or Reading()
    seen = size[0] + 2 * read.margin[0], size[1] + 2 * read.margin[1]
    pixels = seen[0] * seen[1] * domain.n_bands * domain.dtype.itemsize
    least = math.ceil(size[0] * size[1] * read.scale**2) * WEIGHT_BYTES + pixels
    if least > limit:
        around = f", read as {seen[0]}x{seen[1]}," if seen != size else ""
        smaller = "a smaller size" if seen == size else "a smaller size or margin"
        many = " x ".join(map(str, domain.lengths)) or "1"
        raise MemoryLimitError(
            f"patch {size[0]}x{size[1]}{around} with {many} x {domain.dtype} and its weights needs "
            f"{format_bytes(least)}, and {of_whom} {format_bytes(limit)}: use {smaller} (the raster has "
            f"{domain.height}x{domain.width} pixels)"
        )


def check_blocks(source: PixelSource, limit: int) -> None:
    """Refuse a source that is stored in blocks too large to decode in the memory a region may take.

    Raises
    ------
    MemoryLimitError
        Names the blocks, and what they take.

    """
    height, width = source.block_shape
    domain = outline_of(source)
    n_bytes = min(height, domain.height) * width * domain.n_bands * domain.dtype.itemsize
    if n_bytes > limit:
        raise MemoryLimitError(
            f"{source.name} is stored in blocks of {height}x{width} pixels, which take "
            f"{format_bytes(n_bytes)} to decode, and memory_limit is {format_bytes(limit)}: "
            f"store it in smaller blocks (gdal_translate -co TILED=YES), or raise the limit"
        )


@dataclass(frozen=True)
class Finer:
    """The patches of a geometry on a grid of pixels ``scale`` times as fine: what a window is laid over."""

    size: tuple[int, int]
    boundary: str
    pad_value: float | None

    @classmethod
    def of(cls, geometry: RectGeometry, reading: Reading) -> RectGeometry:
        """Return the geometry itself where the grid is the source's."""
        if reading.scale == 1:
            return geometry
        return cls(reading.made(geometry.size), geometry.boundary, geometry.pad_value)


def warn_of_ground(source: PixelSource, *, stacklevel: int) -> None:
    """Say that a raster is tied to the ground by something a run does not apply, if it is."""
    notice = ground_notice(outline_of(source))
    if notice is not None:
        warnings.warn(f"{source.name} {notice}", UserWarning, stacklevel=stacklevel + 1)


def ground_notice(domain: RasterDomain) -> str | None:
    """Return what to say of a raster that more than a transform ties to the ground; ``None`` of others.

    >>> from geopatcher.core.domain import RasterDomain
    >>> from geopatcher.core.metadata import Ground, Metadata
    >>> tied = RasterDomain((2, 3), metadata=Metadata(ground=Ground(rpcs=(("LINE_OFF", "3"),))))
    >>> ground_notice(tied)[:69]
    'has rational polynomial coefficients (RPCs) and no transform: a resul'
    """
    ground = domain.metadata.ground
    if not ground:
        return None
    carried = "a result carries them"
    if ground.arrays:
        carried += " but for the arrays"
        carried = carried if ground.points or ground.rpcs else "a result does not carry them"
    if not domain.is_tied:
        return f"has {ground} beside its transform: {carried}, and is not corrected by them"
    return (
        f"has {ground} and no transform: {carried}, and has no georeference of its own; for one that has, "
        f"warp the raster first, for example with gdalwarp"
    )


def in_process(plan: Plan, target: object) -> Plan:
    """Return a plan that knows what this process takes before the run, with what that will load."""
    libraries = () if target is None else STORE_LIBRARIES
    setting = replace(plan.setting, idle_bytes=rss_bytes() + unloaded_bytes(libraries))
    return replace(plan, setting=setting)


def check_axes(window: object, aggregation: object) -> None:
    """Refuse a window or an aggregation that is none, before anything is read.

    Raises
    ------
    TypeError
        Says what was given, and what is wanted.

    """
    if not isinstance(window, Window):
        raise TypeError(
            f"a window is a name or a SpatialWindow, not {type(window).__name__}: "
            f"SpatialCustom makes one of a function that returns weights"
        )
    if not isinstance(aggregation, SpatialAggregation):  # one that gives no field can still be planned for
        raise TypeError(f"an aggregation is a name or a SpatialAggregation, not {type(aggregation).__name__}")


def check_operator(operator: object) -> None:
    """Refuse an operator that cannot be called.

    Raises
    ------
    TypeError
        Says what was given.

    """
    if not callable(operator):
        raise TypeError(f"the operator must be a function of an array, not {operator!r}")


def dtype_of_result(dtype: DTypeLike | None) -> np.dtype | None:
    """Return the dtype a caller asks for, ``None`` for the operator's.

    Raises
    ------
    ValueError
        A result cannot have it.

    """
    if dtype is None:
        return None
    known = np.dtype(dtype)
    if known.kind not in "iufc":
        raise ValueError(f"a result cannot have the dtype {known}: choose integers or floats, such as uint8")
    return known.newbyteorder("=")


def name_of(operator: Callable[..., object]) -> str:
    """Return what messages call an operator.

    >>> name_of(np.mean), name_of(functools.partial(np.mean, axis=0))
    ('mean', 'mean')
    """
    named: object = operator
    while isinstance(named, functools.partial):
        named = named.func
    if isinstance(named, Titled) and isinstance(named.name, str):
        return named.name
    if isinstance(named, MethodType):  # which has its name from its function only
        named = named.__func__
    return named.__name__ if isinstance(named, Named) else type(named).__name__
