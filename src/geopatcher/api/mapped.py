"""What `geopatcher.runners.parallel_map` gives: results that are computed whenever they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, cast, overload

from geopatcher.api.anchor_list import Anchors, LazySequence, PendingAnchors, shortened
from geopatcher.api.parallel import MapRun, committed, shown
from geopatcher.api.split import PatchStream
from geopatcher.core.config import comparable
from geopatcher.core.patch import Patch
from geopatcher.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from geopatcher.api.parallel import Backend, Journal, Work
    from geopatcher.api.patcher import SpatialPatcher
    from geopatcher.core.protocols import SourceField
    from geopatcher.planning.plan import Plan

E_co = TypeVar("E_co", covariant=True)


class MappedPatches(LazySequence[Patch[E_co]], Generic[E_co]):
    """The patches of a field with an operator's results as data, and their plan.

    Nothing is kept: each iteration is another pass over the field, and an index computes that patch alone.
    ``next`` needs an iterator, as of a list: ``next(iter(patches))``; closing that ends the pass. With a
    journal they are the patches it does not have. A patch left out by ``on_error="skip"`` is counted by
    ``len``, which computes nothing. They equal a list of patches of the same places with the same data.

    Parameters
    ----------
    patcher, field
        What is cut, and by what.
    work, backend, n_workers, batch_size, show_progress, journal
        As `parallel_map` has them.

    """

    def __init__(
        self,
        patcher: SpatialPatcher[object],
        field: SourceField[object],
        work: Work,
        *,
        backend: Backend,
        n_workers: int,
        batch_size: int,
        show_progress: bool,
        journal: Journal | None,
    ) -> None:
        self.plan: Plan = patcher.plan(field)
        self._patcher, self._field, self._work = patcher, field, work
        self._backend: Backend = backend
        self._n_workers, self._batch_size = n_workers, batch_size
        self._show_progress, self._journal = show_progress, journal
        every = Anchors(self.plan)
        self._anchors: Sequence[tuple[int, int]] = (
            every if journal is None else PendingAnchors(every, journal.has)
        )

    def __len__(self) -> int:
        return len(self._anchors)

    def __iter__(self) -> Generator[Patch[E_co], None, None]:
        patches = self._patcher.split(self._field, journal=self._journal)
        run = self._run_over(patches)
        made = committed(run.results(self._backend), self._journal)
        seen = shown(made, len(patches), show_progress=self._show_progress)
        return cast("Generator[Patch[E_co], None, None]", seen)

    @overload
    def __getitem__(self, index: int) -> Patch[E_co]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Patch[E_co]]: ...
    def __getitem__(self, index: int | slice) -> Patch[E_co] | list[Patch[E_co]]:
        if isinstance(index, slice):
            return [self._one(anchor) for anchor in self._anchors[index]]
        return self._one(self._anchors[index])

    def _are_same(self, mine: object, theirs: object) -> bool:
        """Whether two patches are of one place, and hold the same: they are made anew each time."""
        if not isinstance(mine, Patch) or not isinstance(theirs, Patch) or mine.anchor != theirs.anchor:
            return False
        return comparable(mine.data) == comparable(theirs.data)

    def _one(self, anchor: tuple[int, int]) -> Patch[E_co]:
        """Compute a patch alone; one that a policy would leave out is an error, since it was asked for."""
        alone = (patch for patch in [self._patcher.patch_at(self._field, anchor)])
        patch, made = next(self._run_over(PatchStream(self.plan, alone)).on_threads())
        if made.failure is not None:
            raise OperatorError(f"{self._work.name} failed on the patch at {anchor}: {made.failure.message}")
        return cast("Patch[E_co]", patch)

    def _run_over(self, patches: PatchStream[object]) -> MapRun:
        return MapRun(patches, self._work, self._n_workers, self._batch_size, self._patcher.errors)

    def __repr__(self) -> str:
        return f"MappedPatches({self._work.name}, {shortened(self._anchors)})"
