"""What the global reducers share: patches in, one value out, in any order and any grouping."""

from __future__ import annotations

from abc import abstractmethod
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np

from geopatcher.accumulators.base import SpatialAggregation
from geopatcher.accumulators.reducers.values import Values, pieces_of
from geopatcher.core.box import Box
from geopatcher.core.patch import carriers
from geopatcher.errors import OperatorError
from geopatcher.fields.plain_field import raster_domain
from geopatcher.merging.merge import checked
from geopatcher.merging.placed import Layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geopatcher.core.patch import Patch
    from geopatcher.core.protocols import Array, HasShape
    from geopatcher.engine.contributions import Contribution


S = TypeVar("S")

#: Where an aggregation keeps what it has seen by itself.
SEEN = "_seen"
#: More rows, and more columns, than any raster has.
ENDLESS = 1 << 40


class Incoming(NamedTuple):
    """What the cells of a reduction are: ``flat`` when patches are ``(h, w)`` and results scalars."""

    n_bands: int
    dtype: np.dtype
    flat: bool


class Running(NamedTuple, Generic[S]):
    """Cells so far: what they are, where they may lie, and their state, ``None`` of no cells."""

    incoming: Incoming
    whole: Box
    state: S | None


class Accumulator(Protocol):
    """The state of one band."""

    def add(self, values: Values, band: int) -> None:
        """Take the cells of a band."""

    def merge(self, other: Self) -> None:
        """Take what another has seen."""


A = TypeVar("A", bound=Accumulator)
R = TypeVar("R")


class GlobalAggregation(SpatialAggregation, Generic[S, R]):
    """An aggregation that reduces all cells to one value per band, or one for all.

    A monoid: any grouping of the cells gives the same value, exactly or within the bound the class
    states. NaN, masked and nodata cells do not count; weights do not matter. States are small, pickle, and
    can be made in different processes and merged.

    In a loop of your own it takes patches one by one by `update`, and its value is asked for by `finalize`.
    `SpatialPatcher.reduce` counts each pixel of a field once. `merge` counts what it is given: a pixel
    under four overlapping patches counts four times.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> patcher = geopatcher.SpatialPatcher(geopatcher.SpatialRectangular(10),
    ...     geopatcher.SpatialRegularStride(5), geopatcher.SpatialHann(), geopatcher.SpatialOverlapAdd())
    >>> image = np.arange(1200.0).reshape(30, 40)
    >>> float(patcher.reduce(image, geopatcher.SpatialMeanStd())["mean"])
    599.5

    """

    @abstractmethod
    def zero(self, incoming: Incoming) -> S:
        """Return the state of no cells.

        Parameters
        ----------
        incoming
            Bands and dtype of the cells, and whether patches are ``(h, w)``.

        Returns
        -------
        object
            The state.

        """

    @abstractmethod
    def take(self, state: S, values: Values) -> S:
        """Add the cells of a rectangle, in place where possible, and return the state.

        Parameters
        ----------
        state
            What `zero` or this method returned; it may be written into.
        values
            The cells of a rectangle, ``(bands, h, w)``, and which count.

        Returns
        -------
        object
            The state.

        """

    @abstractmethod
    def merge_states(self, first: S, second: S) -> S:
        """Return the state of both; ``first`` may be used up.

        Parameters
        ----------
        first, second
            States made for cells of the same kind.

        Returns
        -------
        object
            The state of both.

        """

    @abstractmethod
    def finalise(self, state: S) -> R:
        """Return the value.

        Parameters
        ----------
        state
            The state of all cells.

        Returns
        -------
        object
            A number, an array or a dict: the class says which.

        """

    def merge(self, patches: Iterable[Patch[object]], domain: HasShape | None = None) -> R:
        """Reduce patches, in any order, each as often as it comes.

        Parameters
        ----------
        patches
            Any iterable of `Patch`; none is kept.
        domain
            Anything with a ``shape`` that ends in height and width: what overhangs it does not count. Without
            one, all rows and columns from 0 on do.

        Returns
        -------
        object
            What `finalise` makes of all cells.

        Raises
        ------
        OperatorError
            Patches disagree in their bands, or hold something that is not a real number.

        """
        layout = None if domain is None else Layout.of(domain)
        given = carriers(patches) if layout is None else layout.patches(patches)
        running = Running(*_whole(None if layout is None else layout.domain), None)
        return self._value(self._reduced(given, running))

    def update(self, patch: Patch[object]) -> Self:
        """Add a patch to what this object itself has seen, for a loop of your own.

        `merge` and the verbs of patchers do not look at that. It travels with the object by pickle.

        Parameters
        ----------
        patch
            Its cells count; those in rows and columns before 0 do not.

        Returns
        -------
        Self
            This object.

        Raises
        ------
        OperatorError
            The patch disagrees with those before, or holds something that is not a real number.

        Examples
        --------
        >>> import numpy as np
        >>> from geopatcher import Patch, SpatialMeanStd
        >>> one, other = SpatialMeanStd(), SpatialMeanStd()
        >>> for value, sketch in [(1.0, one), (2.0, one), (6.0, other)]:
        ...     _ = sketch.update(Patch(np.full((1, 2), value), (0, 0), None))
        >>> one.merge_state(other).finalize()["mean"]
        3.0

        """
        return self._remember(self._reduced([patch], self._running()))

    def merge_state(self, other: Self) -> Self:
        """Add what another object of the same kind has seen.

        Parameters
        ----------
        other
            It must not be used after.

        Returns
        -------
        Self
            This object.

        Raises
        ------
        ValueError
            They saw cells of different kinds, or have other parameters.
        TypeError
            The other is of another class.

        """
        if type(other) is not type(self):
            raise TypeError(f"a {type(self).__name__} adds what another has seen, not {other!r}")
        mine, theirs = self._running(), other._running()
        if self.get_config() != other.get_config():
            raise ValueError(
                f"what {other!r} has seen is not for {self!r}: make both with the same parameters"
            )
        if theirs.state is None:
            return self
        state = theirs.state if mine.state is None else self.merge_states(mine.state, theirs.state)
        return self._remember(theirs._replace(state=state))

    def finalize(self) -> R:
        """Return the value of what this object has seen by `update` and `merge_state`; it may go on after.

        Returns
        -------
        object
            As of `merge`.

        """
        return self._value(deepcopy(self._running()))

    def _running(self) -> Running[S]:
        kept: Running[S] | None = self.__dict__.get(SEEN)
        return Running(*_whole(None), None) if kept is None else kept

    def _remember(self, running: Running[S]) -> Self:
        self.__dict__[SEEN] = running  # no parameter: it does not count when two are compared
        return self

    def _value(self, running: Running[S]) -> R:
        state = self.zero(running.incoming) if running.state is None else running.state
        return self.finalise(state)

    def _reduced(self, patches: Iterable[Patch[object]], running: Running[S]) -> Running[S]:
        incoming, whole, state = running
        for contribution in checked(patches):
            if state is None:
                incoming = _incoming(contribution)
                state = self.zero(incoming)
            for piece in pieces_of(contribution.box.intersect(whole)):
                state = self.take(state, _values(contribution, piece, incoming))
        return Running(incoming, whole, state)


@dataclass(slots=True, eq=False)
class BandStates(Generic[A]):
    """The states of all bands."""

    incoming: Incoming
    bands: list[A]


class BandAggregation(GlobalAggregation[BandStates[A], R], Generic[A, R]):
    """A global aggregation that looks at each band by itself."""

    @abstractmethod
    def band_zero(self, dtype: np.dtype) -> A:
        """Return the state of one band without cells.

        Parameters
        ----------
        dtype
            Of the cells.

        Returns
        -------
        Accumulator
            The state.

        """

    def zero(self, incoming: Incoming) -> BandStates[A]:
        """Return a state for each band."""
        incoming = incoming._replace(dtype=_counted(incoming.dtype))
        return BandStates(incoming, [self.band_zero(incoming.dtype) for _ in range(incoming.n_bands)])

    def take(self, state: BandStates[A], values: Values) -> BandStates[A]:
        """Add the cells of each band."""
        values = numbers_of(values)
        for index, band in enumerate(state.bands):
            band.add(values, index)
        return state

    def merge_states(self, first: BandStates[A], second: BandStates[A]) -> BandStates[A]:
        """Merge band by band.

        Raises
        ------
        ValueError
            The states are of cells of different kinds.

        """
        if first.incoming != second.incoming:
            raise ValueError(f"states of {first.incoming} and of {second.incoming} cannot be merged")
        for one, other in zip(first.bands, second.bands, strict=True):
            one.merge(other)
        return first


def _whole(domain: HasShape | None) -> tuple[Incoming, Box]:
    """Return what no cells of a domain are, and where cells count."""
    if domain is None:
        return Incoming(1, np.dtype(np.float64), flat=True), Box.of_shape((ENDLESS, ENDLESS))
    grid = raster_domain(domain)
    return Incoming(grid.n_bands, grid.dtype, flat=len(grid.shape) == 2), Box.of_shape(grid.grid_shape)


def numbers_of(values: Values) -> Values:
    """Return booleans as 0 and 1."""
    return replace(values, data=values.data.view(np.uint8)) if values.data.dtype.kind == "b" else values


def _counted(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype


def _incoming(first: Contribution) -> Incoming:
    dtype = first.data.dtype
    if dtype.kind not in "biuf":
        raise OperatorError(
            f"the patch at {first.box} holds {dtype} values: only real numbers and booleans can be reduced"
        )
    return Incoming(first.data.shape[0], dtype, first.flat)


def _values(contribution: Contribution, inside: Box, incoming: Incoming) -> Values:
    data, valid = contribution.data, contribution.valid
    if not np.can_cast(data.dtype, incoming.dtype):
        raise OperatorError(
            f"the patch at {contribution.box} holds {data.dtype} values and those before {incoming.dtype}: "
            f"return the same dtype always, for example with "
            f".astype({np.promote_types(data.dtype, incoming.dtype).name!r})"
        )
    where: tuple[slice, ...] = (slice(None), *inside.slices(contribution.box))
    cells: Array = data[where].astype(incoming.dtype, copy=False)
    return Values(cells, None if valid is None else valid[where], inside)
