"""The steps of a result that blocks collect for and a publisher makes: the same on a disk and in a bucket."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from geopatcher.core.box import Box
from geopatcher.errors import TargetExistsError
from geopatcher.targets.statistics import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.statistics import Statistics
    from geopatcher.targets.durable import Blocks, Publishing, Work
    from geopatcher.targets.places import Spot
    from geopatcher.targets.product import Product
    from geopatcher.targets.protocol import BlockStore


def _nothing(publisher: Publishing, made: Iterable[str]) -> None:
    """Do nothing more."""


class BlockTarget(ABC):
    """A result of which one run at a time has ``work``, from when it claims that to `complete` or `discard`.

    ``overwrite`` allows to replace what is at ``path``.
    """

    path: Spot
    overwrite: bool
    work: Work
    blocks: Blocks
    publisher: Publishing
    _sink: BlockStore | None = None

    @abstractmethod
    def check_place(self) -> None:
        """Refuse a place where nothing can be, or that is never replaced."""

    @abstractmethod
    def begin(self, spec: ResultSpec, *, replace: bool) -> BlockStore:
        """Make the place for the blocks of a result that may ``replace`` another, and claim it."""

    def check(self) -> None:
        """Refuse a target that exists, or a place where nothing can be.

        Raises
        ------
        TargetExistsError
            Something is there and ``overwrite`` is not set, or it is never replaced.
        TargetError
            There is no such place.

        """
        self.check_place()
        if self.publisher.is_taken and not self.overwrite:
            raise TargetExistsError(
                f"{self.path} exists: choose another target, or pass overwrite=True (--overwrite)"
            )

    def claim_afresh(self) -> None:
        """Become the one writer of a target that is not there, and that no interrupted run goes on with.

        What an interrupted run left is looked for by the one writer, so that none comes to it in between.

        Raises
        ------
        TargetExistsError
            It is, or one does, and ``overwrite`` is not set.
        TargetLockedError
            Another live run has it.

        """
        self.check()
        self.work.claim()
        try:
            self._require_not_begun()
        except BaseException:
            self.work.release()
            raise

    def _require_not_begun(self) -> None:
        if self.work.is_begun and not self.overwrite:
            raise TargetExistsError(
                f"{self.work.path} holds what an interrupted run finished for {self.path}: run that again to "
                f"go on, choose another target, or pass overwrite=True (--overwrite)"
            )

    def create(self, spec: ResultSpec) -> BlockStore:
        """Make the place for the blocks of a result."""
        self._sink = self.begin(spec, replace=False)
        return self._sink

    def _counted(self, spec: ResultSpec) -> tuple[Statistics | None, ...]:
        """Return the statistics of what this process has written."""
        if self._sink is None:
            return ()
        tally, whole = Tally(spec), Box.of_shape(spec.domain.grid_shape)
        tally.add(whole, self._sink.take(whole))
        return tally.statistics()

    def complete(self) -> Product:
        """Let the result appear; for results without a ledger."""
        return self.complete_then(_nothing)

    def complete_then(self, then: Callable[[Publishing, Iterable[str]], None]) -> Product:
        """Let the result appear, kept for sure before it replaces anything.

        ``then`` is called with the names of the layers that were made, while the ledger of what was
        replaced is still there.
        """
        publisher, spec = self.publisher, self.blocks.spec
        publisher.assemble(self._counted(spec))
        if publisher.replaces:
            publisher.sync_all()
        made = publisher.layers_made()
        publisher.publish(replace=self.overwrite)
        then(publisher, made)
        publisher.drop_ledger()  # whatever it told of is gone
        self.work.tidy()
        self.work.release()
        return publisher.open(spec)

    def discard(self) -> None:
        """Remove what this run has made, unless another has the target."""
        if self.work.is_held:
            self.work.leave()
            self.work.release()
