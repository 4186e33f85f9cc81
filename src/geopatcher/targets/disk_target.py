"""Results on disk: built in a working folder beside their place, and renamed when they are complete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geopatcher.core.gaps import VALID
from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.targets.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import Resume
    from geopatcher.targets.product import Product
    from geopatcher.targets.protocol import BlockStore
    from geopatcher.targets.publisher import Publisher
    from geopatcher.targets.work_store import WorkStore


def _nothing(publisher: Publisher, made: Iterable[str]) -> None:
    """Do nothing more."""


@dataclass
class DiskTarget(ABC):
    """A result on disk at ``path``: built in a working folder beside it, renamed when it is complete.

    ``overwrite`` allows to replace what is at ``path``; ``resume`` to go on with what an earlier run
    left, ``"always"`` even if it cannot be known whether that had the same operator. A ``path`` that is
    a symbolic link stands for what it points to. Only one run at a time can have a target, from when it
    claims ``work`` (or `create`) to `complete` or `discard`.
    """

    path: Path
    overwrite: bool = False
    resume: Resume = True
    work: RunFolder = field(init=False, repr=False)
    blocks: WorkStore = field(init=False, repr=False)
    publisher: Publisher = field(init=False, repr=False)

    def __post_init__(self) -> None:
        place = self.path.resolve() if self.path.is_symlink() else self.path.absolute()
        beside = (place.with_name(place.name + ending) for ending in (".partial", ".lock"))
        self.work = RunFolder(*beside)
        self.blocks, self.publisher = self._parts(place)

    @abstractmethod
    def _parts(self, place: Path) -> tuple[WorkStore, Publisher]:
        """Return where blocks collect, and who makes the result of them."""

    def places(self, layers: Iterable[str]) -> list[Path]:
        """Return all that a run writes, replaces or removes."""
        publisher = self.publisher
        apart = (publisher.layer_place(name) for name in (*layers, VALID))
        return [
            publisher.place,
            self.work.path,
            publisher.ledger,
            self.work.lock_path,
            *(file for file in apart if file is not None),
        ]

    def check(self) -> None:
        """Refuse a target that exists, or a folder that does not.

        Raises
        ------
        TargetExistsError
            Something is there and ``overwrite`` is not set, or it is a folder of other things.
        TargetError
            The folder above is missing.

        """
        self.check_place()
        if self.publisher.is_taken and not self.overwrite:
            self.publisher.require_replaceable()
            raise TargetExistsError(
                f"{self.path} exists: choose another target, or pass overwrite=True (--overwrite)"
            )

    def check_place(self) -> None:
        """Refuse a target whose folder is missing, or that is a folder which is never replaced."""
        folder = self.publisher.place.parent
        if not folder.is_dir():
            raise TargetError(f"the folder {folder} does not exist: create it, or choose another target")
        if self.overwrite:
            self.publisher.require_replaceable()

    def claim_afresh(self) -> None:
        """Become the one writer of a target that is not there, and that no interrupted run goes on with.

        Raises
        ------
        TargetExistsError
            It is, or one does, and ``overwrite`` is not set.
        TargetLockedError
            Another live run has it.

        """
        self.check()
        if self.work.is_begun and not self.overwrite:
            raise TargetExistsError(
                f"{self.work.path} holds what an interrupted run finished: run that again to go on, choose "
                f"another target, or pass overwrite=True (--overwrite)"
            )
        self.work.claim()

    def create(self, spec: ResultSpec) -> BlockStore:
        """Create the store in a folder of this run."""
        return self.begin(spec, replace=False)

    def begin(self, spec: ResultSpec, *, replace: bool) -> BlockStore:
        """Create the store in a folder of this run, for a result that may ``replace`` another.

        Raises
        ------
        TargetError
            The target cannot hold such a result.
        TargetExistsError
            The file of a layer is there, and neither ``replace`` nor ``overwrite`` is set.

        """
        self.publisher.require_room_for(spec, replace=replace or self.overwrite)
        self.work.begin()
        return self.blocks.create(spec)

    def complete(self) -> Product:
        """Assemble, publish, tidy up, and return the result; for results without a ledger."""
        return self.complete_then(_nothing)

    def complete_then(self, then: Callable[[Publisher, Iterable[str]], None]) -> Product:
        """Complete the result, on the disk before anything is replaced.

        ``then`` is called with the names of the layers that were made, while the ledger of what was
        replaced is still there.
        """
        publisher = self.publisher
        publisher.assemble()
        if publisher.replaces:
            publisher.sync_all()
        made = publisher.layers_made()
        publisher.publish(replace=self.overwrite)
        then(publisher, made)
        publisher.ledger.unlink(missing_ok=True)  # whatever it told of is gone
        self.work.tidy()
        self.work.release()
        return publisher.open(self.blocks.spec)

    def discard(self) -> None:
        """Remove the working folder, unless another run holds it."""
        if self.work.is_held:
            self.work.tidy()
            self.work.release()
