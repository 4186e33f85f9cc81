"""What the global reducers share: patches in, one value out, in any order and any grouping."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np

from geopatcher.accumulators.base import SpatialAggregation
from geopatcher.accumulators.reducers.values import Values, pieces_of
from geopatcher.core.box import Box
from geopatcher.errors import OperatorError
from geopatcher.fields.plain_field import raster_domain
from geopatcher.merging.merge import checked
from geopatcher.merging.placed import Layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geopatcher.core.patch import Patch
    from geopatcher.core.protocols import Array, HasShape
    from geopatcher.engine.contributions import Contribution


class Incoming(NamedTuple):
    """What the cells of a reduction are: ``flat`` when patches are ``(h, w)`` and results scalars."""

    n_bands: int
    dtype: np.dtype
    flat: bool


class Accumulator(Protocol):
    """The state of one band."""

    def add(self, values: Values, band: int) -> None:
        """Take the cells of a band."""

    def merge(self, other: Self) -> None:
        """Take what another has seen."""


S = TypeVar("S")
A = TypeVar("A", bound=Accumulator)
R = TypeVar("R")


class GlobalAggregation(SpatialAggregation, ABC, Generic[S, R]):
    """An aggregation that reduces all cells to one value per band, or one for all.

    A monoid: any grouping of the cells gives the same value, exactly or within the bound the class
    states. NaN, masked and nodata cells do not count; weights do not matter. States are small, pickle, and
    can be made in different processes and merged.

    `SpatialPatcher.reduce` counts each pixel of a field once. `merge` counts what it is given: a pixel
    under four overlapping patches counts four times.
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
    def update(self, state: S, values: Values) -> S:
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

    def merge(self, patches: Iterable[Patch[object]], domain: HasShape) -> R:
        """Reduce patches, in any order, each as often as it comes.

        Parameters
        ----------
        patches
            Any iterable of `Patch`; none is kept.
        domain
            Anything with a ``shape`` that ends in height and width: what overhangs it does not count.

        Returns
        -------
        object
            What `finalise` makes of all cells.

        Raises
        ------
        OperatorError
            Patches disagree in their bands, or hold something that is not a real number.

        """
        layout = Layout.of(domain)
        grid = raster_domain(layout.domain)
        whole = Box.of_shape(grid.grid_shape)
        state: S | None = None
        incoming = Incoming(grid.n_bands, grid.dtype, flat=len(grid.shape) == 2)
        for contribution in checked(layout.patches(patches)):
            if state is None:
                incoming = _incoming(contribution)
                state = self.zero(incoming)
            for piece in pieces_of(contribution.box.intersect(whole)):
                state = self.update(state, _values(contribution, piece, incoming))
        return self.finalise(self.zero(incoming) if state is None else state)

    def get_config(self) -> dict[str, object]:
        """Return the class name as ``"type"`` and the parameters, all JSON values.

        Returns
        -------
        dict
            ``{"type": …}`` and the parameters by name.

        """
        known = {field.name: self.__dict__[field.name] for field in fields(self)}  # type: ignore[arg-type]
        return {"type": type(self).__name__} | {
            name: list(value) if isinstance(value, tuple) else value for name, value in known.items()
        }


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

    def update(self, state: BandStates[A], values: Values) -> BandStates[A]:
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
