"""Where patches sit, as a sequence that is computed when it is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, TypeVar, overload

import numpy as np

from geopatcher.api.split import anchor_of, boxes_of
from geopatcher.core.box import Box
from geopatcher.planning.anchors import Lattice, Listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from geopatcher.planning.plan import Plan

T_co = TypeVar("T_co", covariant=True)


#: What stands where one of two sequences has ended: it equals nothing else.
_NOTHING = object()


class LazySequence(Sequence[T_co]):
    """What all lazy sequences share: they equal a list of the same items, in their order."""

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        # What is made anew may be fewer than its length says.
        pairs = zip_longest(self, other, fillvalue=_NOTHING)
        return len(self) == len(other) and all(self._are_same(mine, theirs) for mine, theirs in pairs)

    def _are_same(self, mine: object, theirs: object) -> bool:
        """Whether two items, at the same place of both, are equal."""
        return mine == theirs

    # It is compared as a list is, and like a list it has no hash.
    __hash__ = None  # type: ignore[assignment]


class Anchors(LazySequence[tuple[int, int]]):
    """The anchors of a plan, ``(row, col)`` of each patch's upper-left pixel, in the order of `split`.

    Parameters
    ----------
    plan
        Of the patches. No pixel is read, and on a lattice nothing is listed.

    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        #: Gives the nominal rectangle of a patch by its number.
        self.box_at = box_at(plan)
        self._count = plan.n_patches  # which looks at all that are listed

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return (anchor_of(self.plan, box) for box in boxes_of(self.plan))

    @overload
    def __getitem__(self, index: int) -> tuple[int, int]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[int, int]]: ...
    def __getitem__(self, index: int | slice) -> tuple[int, int] | list[tuple[int, int]]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no patch {index}: there are {len(self)}")
        return anchor_of(self.plan, self.box_at(index % len(self)))

    def __repr__(self) -> str:
        return shortened(self)


class PlacedAnchors(LazySequence[tuple[int, int]]):
    """The anchors of patches that no plan is of, as their domain calls its places: see `geopatcher.Domain`.

    Parameters
    ----------
    choose
        Gives the same anchors each time. They are listed when their number is asked for, or one of them.

    """

    def __init__(self, choose: Callable[[], Iterator[tuple[int, int]]]) -> None:
        self._choose = choose
        choose()  # which says what is wrong with them

    @cached_property
    def _listed(self) -> list[tuple[int, int]]:
        return list(self._choose())

    def __len__(self) -> int:
        return len(self._listed)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return self._choose()

    @overload
    def __getitem__(self, index: int) -> tuple[int, int]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[int, int]]: ...
    def __getitem__(self, index: int | slice) -> tuple[int, int] | list[tuple[int, int]]:
        if isinstance(index, int) and not -len(self) <= index < len(self):
            raise IndexError(f"there is no patch {index}: there are {len(self)}")
        return self._listed[index]

    def __repr__(self) -> str:
        return shortened(self)


class PendingAnchors(LazySequence[tuple[int, int]]):
    """Those of some anchors that are not done, looked at anew whenever this is.

    Parameters
    ----------
    anchors
        ``(row, col)`` of each patch; what can be iterated only once is listed.
    has
        Whether the patch at an anchor is done.

    """

    def __init__(self, anchors: Iterable[tuple[int, int]], has: Callable[[tuple[int, int]], bool]) -> None:
        self._anchors = list(anchors) if isinstance(anchors, Iterator) else anchors
        self._has = has

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return (anchor for anchor in self._anchors if not self._has(anchor))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @overload
    def __getitem__(self, index: int) -> tuple[int, int]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[int, int]]: ...
    def __getitem__(self, index: int | slice) -> tuple[int, int] | list[tuple[int, int]]:
        if isinstance(index, slice):
            return list(self)[index]
        at = index + len(self) if index < 0 else index
        found = next(islice(self, at, None), None) if at >= 0 else None
        if found is None:
            raise IndexError(f"there is no pending patch {index}: there are {len(self)}")
        return found

    def __repr__(self) -> str:
        return shortened(self)


def shortened(items: Sequence[object], most: int = 4) -> str:
    """Return the first items of a sequence, and how many there are.

    >>> shortened(range(9))
    '[0, 1, 2, 3, …] (9)'
    """
    texts = [repr(item) for item in islice(items, most)]
    return f"[{', '.join(texts)}{', …' if len(items) > most else ''}] ({len(items)})"


def box_at(plan: Plan) -> Callable[[int], Box]:
    """Return what gives a patch's nominal rectangle by its number: computed on a lattice, else listed."""
    if isinstance(plan.anchors, Lattice):
        rows, cols = plan.anchors.rows, plan.anchors.cols

        def of_lattice(index: int) -> Box:
            row, col = rows.anchor(index // cols.count), cols.anchor(index % cols.count)
            return Box(row, row + rows.size, col, col + cols.size)

        return of_lattice
    listed = _listed(plan)
    return lambda index: Box(*listed[index].tolist())


def _listed(plan: Plan) -> NDArray[np.int64]:
    """Return ``(n, 4)`` edges of the nominal rectangles: row0, row1, col0, col1."""
    if isinstance(plan.anchors, Listed):
        return plan.anchors.within(plan.region)
    edges = [(box.row0, box.row1, box.col0, box.col1) for box in boxes_of(plan)]
    return np.asarray(edges, dtype=np.int64).reshape(-1, 4)
