"""From what a user says to a job: shared by `reconstruct`, `plan` and the patcher."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from geopatcher.aggregation.base import exact_dtype
from geopatcher.box import Box
from geopatcher.engine.rows import unit_rows
from geopatcher.planning.memory import MemoryModel
from geopatcher.planning.plan import Plan, place

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from geopatcher.aggregation.base import AnyCellAggregation
    from geopatcher.planning.anchors import AnchorSet
    from geopatcher.protocols import PixelSource, RectGeometry, Sampler


@runtime_checkable
class Named(Protocol):
    """A function or class."""

    @property
    def __name__(self) -> str:
        """Its name."""
        ...


@runtime_checkable
class Titled(Protocol):
    """An operator that says what it is called, such as those of ``geotoolz``."""

    @property
    def name(self) -> object:
        """Its name."""
        ...


@dataclass(frozen=True)
class Sizes:
    """What decides memory beside the plan's geometry.

    ``n_bands`` and ``dtype`` are the operator's, as far as they are known.
    """

    n_bands: int
    dtype: np.dtype
    batch_size: int = 1
    layers: tuple[AnyCellAggregation, ...] = ()


def make_plan(
    source: PixelSource,
    geometry: RectGeometry,
    sampler: Sampler,
    aggregation: AnyCellAggregation,
    *,
    chunks: tuple[int, int],
    memory_limit: int,
    sizes: Sizes,
    result_dtype: np.dtype,
    region: Box | None = None,
) -> Plan:
    """Lay patches over the blocks of a result; reads no pixel."""
    domain = source.domain
    anchors = place(domain, geometry, sampler)
    whole = Box.of_shape(domain.grid_shape)
    plan = Plan(
        domain=domain,
        anchors=anchors,
        boundary=geometry.boundary,
        pad_value=geometry.pad_value,
        chunks=chunks,
        region=whole,
        model=model_of(source, anchors, aggregation, chunks, sizes, result_dtype),
        memory_limit=memory_limit,
        source_name=source.name,
    )
    return plan if region is None else plan.restrict(region)


def model_of(
    source: PixelSource,
    anchors: AnchorSet,
    aggregation: AnyCellAggregation,
    chunks: tuple[int, int],
    sizes: Sizes,
    result_dtype: np.dtype,
) -> MemoryModel:
    """Return the sizes that decide memory and disk."""
    domain = source.domain
    exact = exact_dtype(result_dtype, anchors.depth)
    masked = source.has_nodata and domain.dtype.kind != "f"
    parts = (aggregation, *sizes.layers)
    layer_bytes = sum(layer.out_dtype(result_dtype).itemsize for layer in sizes.layers)
    return MemoryModel(
        patch=anchors.patch_shape,
        tile=chunks,
        unit_rows=unit_rows(source.block_shape[0]),
        in_bytes=domain.n_bands * domain.dtype.itemsize,
        mask_bytes=domain.n_bands if masked else 0,
        state_bytes=sum(part.state_bytes(sizes.n_bands, exact, anchors.depth) for part in parts),
        weight_bytes=exact.itemsize,
        out_bytes=aggregation.out_bands(sizes.n_bands) * result_dtype.itemsize + layer_bytes,
        batch_size=sizes.batch_size,
    )


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
    return named.__name__ if isinstance(named, Named) else type(named).__name__
