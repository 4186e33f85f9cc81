"""Results on disk: built in a working folder beside their place, and renamed when they are complete."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geopatcher.core.gaps import VALID
from geopatcher.errors import TargetError
from geopatcher.targets.block_target import BlockTarget
from geopatcher.targets.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import Resume
    from geopatcher.targets.protocol import BlockStore
    from geopatcher.targets.publisher import Publisher
    from geopatcher.targets.work_store import WorkStore


@dataclass
class DiskTarget(BlockTarget):
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
        """Refuse a target that exists, or a folder that does not; of a folder of other things say so.

        Raises
        ------
        TargetExistsError
            Something is there and ``overwrite`` is not set, or it is a folder of other things.
        TargetError
            The folder above is missing.

        """
        if self.publisher.is_taken and not self.overwrite:
            self.publisher.require_replaceable()
        super().check()

    def check_place(self) -> None:
        """Refuse a target whose folder is missing, or that is a folder which is never replaced."""
        folder = self.publisher.place.parent
        if not folder.is_dir():
            raise TargetError(f"the folder {folder} does not exist: create it, or choose another target")
        if self.overwrite:
            self.publisher.require_replaceable()

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
