"""From what a user says to a job: shared by `reconstruct`, `plan` and the patcher."""

from __future__ import annotations

import functools
from types import MethodType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher.aggregation.base import SpatialAggregation
from geopatcher.box import Box
from geopatcher.engine.sizing import Sizes, model_of
from geopatcher.planning.plan import Plan, place
from geopatcher.protocols import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike

    from geopatcher.aggregation.base import AnyCellAggregation
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
