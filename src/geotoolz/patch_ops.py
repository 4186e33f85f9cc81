"""Operators over streams of patches: sample, apply, stitch.

Between them flows a stream that is sized, lazy and re-iterable, and that carries its plan; no list
of all patches is made anywhere.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast, overload

from geopatcher.api.anchor_list import Anchors
from geopatcher.core.config import HasConfig, part_of
from geopatcher.merging.merge import Planned
from geopatcher.operators.positioning import position_for
from geotoolz.operators import Operator, as_operator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from geopatcher import Patch, Plan, SpatialPatcher
    from geopatcher.core.protocols import Array, HasShape
    from geopatcher.fields.open import Arrays, Lending, Source
    from geotoolz.operators import Json

D = TypeVar("D")
E = TypeVar("E")
D_co = TypeVar("D_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)


class Chips(Generic[D_co]):
    """A stream of patches: ``len`` and ``plan`` are known, iterating starts it anew each time.

    ``chips[3]`` is that patch alone, ``chips[:3]`` a list of some; nothing is kept.

    Parameters
    ----------
    plan
        Of the patches.
    start
        Starts the stream anew: called whenever it is iterated.
    pick
        Gives the patch of a number alone; ``None`` of a stream that has no numbers.

    """

    def __init__(
        self,
        plan: Plan,
        start: Callable[[], Iterator[Patch[D_co]]],
        pick: Callable[[int], Patch[D_co]] | None = None,
    ) -> None:
        self.plan = plan
        self._start = start
        self._pick = pick

    def __iter__(self) -> Iterator[Patch[D_co]]:
        return self._start()

    def __len__(self) -> int:
        return self.plan.n_patches

    @overload
    def __getitem__(self, index: int) -> Patch[D_co]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Patch[D_co]]: ...
    def __getitem__(self, index: int | slice) -> Patch[D_co] | list[Patch[D_co]]:
        if self._pick is None:
            raise TypeError("these patches come one after the other: iterate over them, or list them first")
        if isinstance(index, slice):
            return [self._pick(number) for number in range(*index.indices(len(self)))]
        return self._pick(range(len(self))[index])

    def _each(self, one: Callable[[Patch[D_co]], Patch[E]]) -> Chips[E]:
        pick = self._pick
        return Chips(
            self.plan, lambda: map(one, self), None if pick is None else lambda number: one(pick(number))
        )

    def map(self, fn: Callable[[D_co], E]) -> Chips[E]:
        """Return the stream whose patches carry ``fn`` of their data, computed when iterated.

        Parameters
        ----------
        fn
            ``fn(data) -> data``.

        Returns
        -------
        Chips
            Of the same plan.

        """
        return self._each(lambda patch: patch.with_data(fn(patch.data)))

    def operated(self, operator: Callable[..., E]) -> Chips[E]:
        """Return the stream after an operator; one that is `geopatcher.positioned` is told its places.

        Parameters
        ----------
        operator
            ``operator(data) -> data``, or ``operator(data, position) -> data``.

        Returns
        -------
        Chips
            Of the same plan.

        """
        domain = self.plan.domain

        def one(patch: Patch[D_co]) -> Patch[E]:
            return patch.with_data(operator(patch.data, *position_for(operator, domain, patch.indices)))

        return self._each(one)


class SizedPatches(Sized, Protocol):
    """Patches that can be counted."""

    def __iter__(self) -> Iterator[Patch[Any]]:
        """Return them one after the other."""
        ...


class Applied(Generic[E]):
    """The results of an operator on patches that carry no plan, computed when they are iterated.

    Parameters
    ----------
    patches
        Any iterable.
    operator
        ``operator(data) -> data``.

    """

    def __init__(self, patches: Iterable[Patch[Any]], operator: Callable[[Any], E]) -> None:
        self._patches, self._operator = patches, operator

    def __iter__(self) -> Iterator[Patch[E]]:
        return (patch.with_data(self._operator(patch.data)) for patch in self._patches)


class AppliedToSome(Applied[E]):
    """The same of a list, or of what else has a length.

    Parameters
    ----------
    patches
        An iterable with a length.
    operator
        ``operator(data) -> data``.

    """

    def __init__(self, patches: SizedPatches, operator: Callable[[Any], E]) -> None:
        super().__init__(patches, operator)
        self._sized = patches

    def __len__(self) -> int:
        return len(self._sized)


class Aggregates(Protocol[R_co]):
    """An aggregation that merges patches."""

    def merge(self, patches: Iterable[Patch[object]], domain: HasShape) -> R_co:
        """Stitch patches into a field.

        Parameters
        ----------
        patches
            Any iterable of patches.
        domain
            Anything with a ``shape`` that ends in height and width.

        Returns
        -------
        object
            The result.

        """
        ...

    def get_config(self) -> dict[str, object]:
        """Return name and parameters.

        Returns
        -------
        dict
            ``{"type": …}`` and the parameters by name.

        """
        ...


class GridSampler(Operator["Source", Chips[Any]]):
    """Turns a field into the stream of patches a patcher cuts it into.

    Parameters
    ----------
    patcher
        Cuts the fields it is called with.

    """

    def __init__(self, patcher: SpatialPatcher[object]) -> None:
        self.patcher = patcher

    @overload
    def __call__(self, field: Lending[D], /) -> Chips[D]: ...
    @overload
    def __call__(self, field: Arrays, /) -> Chips[Array]: ...
    def __call__(self, field: Source, /) -> Chips[object]:
        """Return the patches of ``field``; nothing is read before they are iterated."""
        plan = self.patcher.plan(field)
        anchors = Anchors(plan)
        return Chips(
            plan,
            lambda: self.patcher.split(field),
            lambda number: self.patcher.patch_at(field, anchors[number]),
        )

    def get_config(self) -> dict[str, Json]:
        """Return the name, and what the patcher is made of."""
        return {**super().get_config(), "patcher": _told(self.patcher)}


class ApplyToChips(Operator["Chips[D]", "Chips[E]"], Generic[D, E]):
    """Applies an operator to the data of each patch, of any iterable of patches.

    Parameters
    ----------
    operator
        ``operator(data) -> data``; `geopatcher.positioned` ones are told their places, where the patches
        carry a plan.

    Raises
    ------
    TypeError
        ``operator`` cannot be called.

    """

    def __init__(self, operator: Callable[[D], E]) -> None:
        as_operator(operator, "the operator")
        self.operator = operator

    @overload
    def __call__(self, chips: Chips[D], /) -> Chips[E]: ...
    @overload
    def __call__(self, chips: Iterable[Patch[D]], /) -> Iterable[Patch[E]]: ...
    def __call__(self, chips: Iterable[Patch[D]], /) -> Iterable[Patch[E]]:
        """Return the stream of results; each is computed when it is iterated.

        A list can be iterated again, and so can the results; an iterator cannot.
        """
        if isinstance(chips, Planned):
            planned = chips if isinstance(chips, Chips) else Chips(chips.plan, lambda: iter(chips))
            return planned.operated(self.operator)
        if isinstance(chips, Sized):
            return AppliedToSome(chips, self.operator)
        return Applied(chips, self.operator)

    def get_config(self) -> dict[str, Json]:
        """Return the name, and what the operator is."""
        return {**super().get_config(), "operator": as_operator(self.operator, "the operator").get_config()}


class Stitch(Operator["Iterable[Patch[object]]", R_co]):
    """Merges a stream of patches into one field.

    Only ``shape`` is read from ``domain``, and the georeference where it has one.

    Parameters
    ----------
    aggregation
        Merges the patches; in memory or on disk, as it says.
    domain
        Anything with a ``shape`` that ends in height and width.

    """

    def __init__(self, aggregation: Aggregates[R_co], domain: HasShape) -> None:
        self.aggregation = aggregation
        self.domain = domain

    def __call__(self, chips: Iterable[Patch[object]], /) -> R_co:
        """Return the field."""
        return self.aggregation.merge(chips, self.domain)

    def get_config(self) -> dict[str, Json]:
        """Return the name, and what aggregation and domain are made of; of an array the shape."""
        domain = self.domain
        told = _told(domain) if isinstance(domain, HasConfig) else {"shape": list(map(int, domain.shape))}
        return {**super().get_config(), "aggregation": _told(self.aggregation), "domain": told}


class SplitApplyStitch(Operator["Source", R_co]):
    """Runs an operator over one field in patches of its own: a patcher within a patcher.

    Splits what it is given with ``patcher``, applies ``operator`` to the data of each patch, and
    stitches the results with the patcher's aggregation onto the same grid. As the operator of an
    outer patcher, whose patches are super-tiles, it keeps only one super-tile in memory; with a
    streaming aggregation outside, each super-tile is written as soon as it is done.

    Parameters
    ----------
    patcher
        Cuts what it is called with, and stitches with its aggregation.
    operator
        ``operator(data) -> data``, of one patch.

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

    def __init__(self, patcher: SpatialPatcher[R_co], operator: Callable[..., object]) -> None:
        as_operator(operator, "the operator")
        self.patcher = patcher
        self.operator = operator

    def __call__(self, field: Source, /) -> R_co:
        """Return the results, stitched: an array in memory unless the patcher's aggregation streams."""
        chips = GridSampler(self.patcher)(field).operated(self.operator)
        return self.patcher.merge(chips, chips.plan.domain)

    def get_config(self) -> dict[str, Json]:
        """Return the name, and what patcher and operator are."""
        operator = as_operator(self.operator, "the operator").get_config()
        return {**super().get_config(), "patcher": _told(self.patcher), "operator": operator}


def _told(part: HasConfig) -> Json:
    """Return what a part is made of."""
    return cast("Json", part_of(part))
