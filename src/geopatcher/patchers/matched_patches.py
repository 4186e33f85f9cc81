"""The carriers of several sources at one place or time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from geopatcher.core.patch import Patch
from geopatcher.temporal.patch import SpatioTemporalPatch, TemporalPatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

#: What the first of several sources is called.
PRIMARY_KEY = "primary"


class Member(Protocol):
    """A patch of one source."""

    @property
    def data(self) -> object:
        """What it carries."""
        ...

    def with_data(self, data: object, /) -> Self:
        """Return the same patch carrying other data."""
        ...


M = TypeVar("M", bound=Member)
A = TypeVar("A")


@dataclass(frozen=True, eq=False)
class Matched(Generic[A, M]):
    """Patches of several sources at one anchor.

    Parameters
    ----------
    anchor
        Where or when they are.
    members
        A patch for each source by its name; that of the primary one is `PRIMARY_KEY`.
    valid_mask
        Where all of them have data, shaped like ``weights``; ``None`` where nobody asked for it.
    weights
        The taper of the primary one.

    """

    anchor: A
    members: Mapping[str, M]
    valid_mask: NDArray[np.bool_] | None = None
    weights: NDArray[np.floating] | None = None

    @property
    def primary(self) -> M:
        """The patch of the primary source."""
        return self.members[PRIMARY_KEY]

    @property
    def secondary_names(self) -> tuple[str, ...]:
        """The names of the others, in their order."""
        return tuple(name for name in self.members if name != PRIMARY_KEY)

    @property
    def data(self) -> dict[str, object]:
        """What the patches carry, by the names of their sources."""
        return {name: member.data for name, member in self.members.items()}

    def with_data(self, data: Mapping[str, object]) -> Self:
        """Return the same patches, some of them carrying other data.

        Parameters
        ----------
        data
            The other data by the names of sources; those that are not named keep theirs.

        Returns
        -------
        object
            With the same anchor, mask and weights.

        Raises
        ------
        ValueError
            There is no such source; names it.

        """
        check_names(data, self.members, "the patch")
        members = {
            name: member.with_data(data[name]) if name in data else member
            for name, member in self.members.items()
        }
        return replace(self, members=members)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.members)} at {self.anchor})"


def check_names(asked: Mapping[str, object], known: Mapping[str, object], what: str) -> None:
    """Refuse names of sources that are not known.

    Raises
    ------
    ValueError
        There is one; names it and those there are.

    """
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise ValueError(f"{what} has no source {unknown[0]!r}: it has {', '.join(known) or 'none'}")


class MatchedPatch(Matched["tuple[int, int]", Patch[object]]):
    """Patches of several fields at one place: ``anchor`` is ``(row, col)``, ``members`` are `Patch`.

    Examples
    --------
    >>> from geopatcher import Patch
    >>> patch = MatchedPatch((0, 8), {"primary": Patch(1, (0, 8), None), "dem": Patch(2, (0, 8), None)})
    >>> patch.primary.data, patch.secondary_names, patch.with_data({"dem": 5}).members["dem"].data
    (1, ('dem',), 5)

    """


class MatchedTemporalPatch(Matched[int, TemporalPatch[object]]):
    """Patches of several series at one step: ``anchor`` is the step, ``members`` are `TemporalPatch`."""


class MatchedSpatioTemporalPatch(Matched["tuple[tuple[int, int], int]", SpatioTemporalPatch[object]]):
    """Patches of several fields at one place and step.

    ``anchor`` is ``((row, col), step)``, ``members`` are `SpatioTemporalPatch`.
    """

    @property
    def space(self) -> tuple[int, int]:
        """``(row, col)`` of the upper-left pixel."""
        return self.anchor[0]

    @property
    def time(self) -> int:
        """The step."""
        return self.anchor[1]
