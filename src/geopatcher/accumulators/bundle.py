"""Several results of one operator: some of the bands it returns each, aggregated on their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from geopatcher.accumulators.base import AnyCellAggregation, CellAggregation
from geopatcher.accumulators.casting import default_nodata
from geopatcher.accumulators.finished import Beside, Finished
from geopatcher.core.config import part_of
from geopatcher.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geopatcher.accumulators.labels import Misfit
    from geopatcher.accumulators.pieces import Piece, Tile
    from geopatcher.core.metadata import Metadata

#: The states of the members, in their order; of what kind each is only its aggregation knows.
States: TypeAlias = list[Any]
#: What is blended of floats.
_FLOAT = np.dtype(np.float32)


class Member(NamedTuple):
    """An array that is made of the bands ``[first, stop)`` of what an operator returns.

    ``stop`` is ``None`` where the number of bands is not known; then it is all from ``first`` on. ``labels``
    are the names of the bands, where the aggregation has none.
    """

    name: str
    aggregation: AnyCellAggregation
    first: int = 0
    stop: int | None = None
    labels: tuple[str, ...] = ()

    def count(self, n_bands: int) -> int:
        """Return how many of ``n_bands`` are its own; those of before the first call may be too few."""
        return (n_bands if self.stop is None else self.stop) - self.first

    def of_tile(self, tile: Tile) -> Tile:
        """Return the tile of its bands."""
        return replace(tile, shape=(self.count(tile.shape[0]), *tile.shape[1:]))

    def of_piece(self, piece: Piece) -> Piece:
        """Return the piece of its bands."""
        valid = None if piece.valid is None else piece.valid[self.first : self.stop]
        there = piece.present
        if there is not None:  # which says as much by being the same array
            there = valid if there is piece.valid else there[self.first : self.stop]
        return replace(piece, data=piece.data[self.first : self.stop], valid=valid, present=there)

    @property
    def beside(self) -> Beside:
        """What it is beside a result."""
        dtype = self.aggregation.out_dtype(_FLOAT)
        fill = default_nodata(dtype, self.aggregation.nodata_for(dtype))
        bands = self.aggregation.out_bands(self.count(0))
        flat = self.aggregation.flat or bands == 1
        return Beside(dtype, 0 if fill is None else fill, 0 if flat else bands, self.aggregation.metadata)


@dataclass(frozen=True)
class Bundle(CellAggregation[States]):
    """Arrays that are blended side by side: the first of ``members`` is the result, and others lie beside it.

    ``order`` are the names of all arrays, those that lie beside the members' own results among them.
    """

    takes_shares: ClassVar[bool] = True

    members: tuple[Member, ...]
    order: tuple[str, ...]

    @property
    def main(self) -> Member:
        """The one that is the result."""
        return self.members[0]

    @property
    def _own(self) -> AnyCellAggregation:
        return self.main.aggregation

    def get_config(self) -> dict[str, object]:
        """Return the arrays, and what each is made of, all JSON values."""
        members = [
            {"name": one.name, "bands": [one.first, one.stop], "aggregation": part_of(one.aggregation)}
            for one in self.members
        ]
        return {"outputs": list(self.order), "members": members}

    @property
    def beside(self) -> Mapping[str, Beside]:
        """All arrays but the first."""
        found = {member.name: member.beside for member in self.members[1:]}
        for member in self.members:
            found |= member.aggregation.beside
        return {name: found[name] for name in self.order[1:]}

    @property
    def band_names(self) -> tuple[str, ...]:
        """Those of the first."""
        return self._own.band_names or self.main.labels

    @property
    def metadata(self) -> Metadata:
        """What is said of the first."""
        return self._own.metadata

    def zero(self, tile: Tile) -> States:
        """Return the states of all.

        Raises
        ------
        OperatorError
            The operator returned other bands than it said.

        """
        known = max(member.stop or 0 for member in self.members)
        if known and known != tile.shape[0]:
            raise OperatorError(
                f"patches have {tile.shape[0]} bands, and {', '.join(self.order)} are made of {known}: the "
                f"operator returned other bands than of the zeros it was tried on"
            )
        return [member.aggregation.zero(member.of_tile(tile)) for member in self.members]

    def update(self, state: States, piece: Piece) -> States:
        """Add a piece to each, as far as its bands go."""
        return [
            member.aggregation.update(one, member.of_piece(piece))
            for member, one in zip(self.members, state, strict=True)
        ]

    def merge_states(self, first: States, second: States) -> States:
        """Bring the states of each together."""
        return [
            member.aggregation.merge_states(one, other)
            for member, one, other in zip(self.members, first, second, strict=True)
        ]

    def finalise(self, state: States) -> Finished:
        """Return the first."""
        return self._own.finalise(state[0])

    def finalise_all(self, state: States) -> tuple[Finished, Mapping[str, Finished]]:
        """Return the first, and the others by name."""
        found = {}
        for member, one in zip(self.members, state, strict=True):
            found[member.name], more = member.aggregation.finalise_all(one)
            found |= more
        return found[self.order[0]], {name: found[name] for name in self.order[1:]}

    def misfit(self, finished: Finished, dtype: np.dtype) -> Misfit | None:
        """Return a value of the first that must not be saturated, but would be in ``dtype``."""
        return self._own.misfit(finished, dtype)

    def out_bands(self, n_bands: int) -> int:
        """Those of the first."""
        return self._own.out_bands(self.main.count(n_bands))

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return that of the first."""
        return self._own.out_dtype(dtype)

    def memory_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return that of the first."""
        return self._own.memory_dtype(dtype)

    def check_dtype(self, dtype: np.dtype) -> None:
        """Refuse a dtype the first cannot have."""
        self._own.check_dtype(dtype)

    def nodata_for(self, dtype: np.dtype) -> float | int | None:
        """Return that of the first."""
        return self._own.nodata_for(dtype)

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Return what all take."""
        counted = ((member.aggregation, member.count(n_bands)) for member in self.members)
        return sum(aggregation.state_bytes(count, dtype, depth) for aggregation, count in counted)

    def wide_bytes(self, n_bands: int) -> int:
        """Return what all take."""
        return sum(member.aggregation.wide_bytes(member.count(n_bands)) for member in self.members)

    def gap_bytes(self, n_bands: int, depth: int) -> float:
        """Return what all take."""
        return sum(member.aggregation.gap_bytes(member.count(n_bands), depth) for member in self.members)


@dataclass(frozen=True)
class FlatBundle(Bundle):
    """A `Bundle` whose first array is ``(h, w)``."""

    flat: ClassVar[bool] = True


@dataclass(frozen=True)
class LabelBundle(FlatBundle):
    """A `Bundle` whose first array is a map of classes."""

    gives_labels: ClassVar[bool] = True


def bundle(members: Sequence[Member], order: Sequence[str]) -> Bundle:
    """Return the aggregation that gives the arrays ``order``, of which ``members`` make one or more each.

    Examples
    --------
    >>> from geopatcher.accumulators.sums import WeightedMean
    >>> parts = [Member("height", WeightedMean(), 0, 1), Member("logits", WeightedMean(), 1, 4)]
    >>> both = bundle(parts, ("height", "logits"))
    >>> both.flat, both.beside["logits"].bands
    (True, 3)

    """
    main = next(member for member in members if member.name == order[0])
    kind: type[Bundle] = Bundle
    if main.aggregation.gives_labels:
        kind = LabelBundle
    elif main.aggregation.flat or (main.stop is not None and main.count(0) == 1):
        kind = FlatBundle
    ordered = (main, *(member for member in members if member is not main))
    return kind(ordered, tuple(order))
