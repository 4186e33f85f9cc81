"""Operators over streams of patches: sample, apply, stitch.

Between them flows a stream that is sized, lazy and re-iterable, and that carries its plan; no list
of all patches is made anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from geotoolz.operators import Operator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from geopatcher import Patch, Plan, SpatialPatcher
    from geopatcher.fields.dispatch import Source
    from geopatcher.protocols import HasShape
    from geopatcher.sinks.targets import ResultArray

D = TypeVar("D")
E = TypeVar("E")


class Chips(Generic[D]):
    """A stream of patches: ``len`` and ``plan`` are known, iterating starts it anew each time."""

    def __init__(self, plan: Plan, start: Callable[[], Iterator[Patch[D]]]) -> None:
        self.plan = plan
        self._start = start

    def __iter__(self) -> Iterator[Patch[D]]:
        return self._start()

    def __len__(self) -> int:
        return self.plan.n_patches

    def map(self, fn: Callable[[D], E]) -> Chips[E]:
        """Return the stream whose patches carry ``fn`` of their data, computed when iterated."""
        return Chips(self.plan, lambda: (patch.with_data(fn(patch.data)) for patch in self))


class Aggregates(Protocol):
    """An aggregation that merges patches."""

    def merge(self, patches: Iterable[Patch[object]], domain: HasShape) -> ResultArray:
        """Stitch patches into a field."""
        ...

    def get_config(self) -> dict[str, object]:
        """Return name and parameters."""
        ...


class GridSampler(Operator["Source", "Chips[object]"]):
    """Turns a field into the stream of patches a patcher cuts it into."""

    def __init__(self, patcher: SpatialPatcher) -> None:
        self.patcher = patcher

    def __call__(self, field: Source) -> Chips[object]:
        """Return the patches of ``field``; nothing is read before they are iterated."""
        return Chips(self.patcher.plan(field), lambda: self.patcher.split(field))


class ApplyToChips(Operator["Chips[D]", "Chips[E]"], Generic[D, E]):
    """Applies an operator to the data of each patch."""

    def __init__(self, operator: Callable[[D], E]) -> None:
        self.operator = operator

    def __call__(self, chips: Chips[D]) -> Chips[E]:
        """Return the stream of results; each is computed when it is iterated."""
        return chips.map(self.operator)


class Stitch(Operator["Iterable[Patch[object]]", "ResultArray"]):
    """Merges a stream of patches into one field.

    Only ``shape`` is read from ``domain``, and the georeference where it has one.
    """

    def __init__(self, aggregation: Aggregates, domain: HasShape) -> None:
        self.aggregation = aggregation
        self.domain = domain

    def __call__(self, chips: Iterable[Patch[object]]) -> ResultArray:
        """Return the field."""
        return self.aggregation.merge(chips, self.domain)


class SplitApplyStitch(Operator["Source", "ResultArray"]):
    """Runs an operator over one field in patches of its own: a patcher within a patcher.

    Splits what it is given with ``patcher``, applies ``operator`` to the data of each patch, and
    stitches the results with the patcher's aggregation onto the same grid. As the operator of an
    outer patcher, whose patches are super-tiles, it keeps only one super-tile in memory; with a
    streaming aggregation outside, each super-tile is written as soon as it is done.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from geopatcher import (SpatialBoxcar, SpatialHann, SpatialOverlapAdd, SpatialPatcher,
    ...     SpatialRectangular, SpatialRegularStride)
    >>> from geotoolz import Lambda, Sequential
    >>> big = np.outer(np.linspace(0, 1, 64), np.linspace(0, 1, 64))
    >>> outer = SpatialPatcher(SpatialRectangular(32), SpatialRegularStride(32), SpatialBoxcar(),
    ...     SpatialOverlapAdd())
    >>> inner = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
    ...     SpatialOverlapAdd())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_disk = SpatialOverlapAdd(streaming=True, target_path=folder, chunks=(32, 32))
    ...     per_tile = SplitApplyStitch(inner, Lambda(lambda chip: chip * 2))
    ...     pipeline = Sequential([GridSampler(outer), ApplyToChips(per_tile), Stitch(to_disk, big)])
    ...     stored = pipeline(big)
    ...     print(type(stored).__name__, stored.chunks, bool(np.allclose(stored[:], big * 2)))
    Array (32, 32) True

    """

    def __init__(self, patcher: SpatialPatcher, operator: Callable[[object], object]) -> None:
        self.patcher = patcher
        self.operator = operator

    def __call__(self, field: Source) -> ResultArray:
        """Return the results, stitched: an array in memory unless the patcher's aggregation streams."""
        chips = GridSampler(self.patcher)(field).map(self.operator)
        return self.patcher.merge(chips, chips.plan.domain)
