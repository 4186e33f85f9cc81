"""The store in which the blocks of a result collect until it is complete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geopatcher.errors import TargetError
from geopatcher.targets.chunk_files import remove_litter, sync_tree
from geopatcher.targets.folders import remove
from geopatcher.targets.opened import open_store
from geopatcher.targets.preflight import bytes_of, check_room, describe
from geopatcher.targets.pyramid import take_over, unsettle
from geopatcher.targets.zarr_store import ZarrSink, create_store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.targets.block_files import BlockFolder
    from geopatcher.targets.run_folder import RunFolder


@dataclass
class WorkStore(ABC):
    """A store of blocks in the folder of a run; ``result`` is what messages call what is made.

    Used by one thread; what it opens is written by many, and by other processes.
    """

    result: Path
    work: RunFolder
    _spec: ResultSpec | None = None

    @property
    @abstractmethod
    def path(self) -> Path:
        """Where it is."""

    @property
    def is_there(self) -> bool:
        """Whether it is there."""
        return self.path.is_dir()

    @property
    def spec(self) -> ResultSpec:
        """What is being made.

        Raises
        ------
        TargetError
            Nothing is, yet.

        """
        if self._spec is None:
            raise TargetError(f"{self.result} was completed before it was created")
        return self._spec

    def create(self, spec: ResultSpec) -> BlockFolder:
        """Make it, empty.

        It is not waited for: what a system that went down has left is made anew, see `reopen`.

        Raises
        ------
        TargetError
            The disk has no room for it, or cannot take it.

        """
        check_room(self.work.path.parent, bytes_of(spec), describe(spec))
        sink = self.make(spec)
        self._spec = spec
        return sink

    @abstractmethod
    def make(self, spec: ResultSpec) -> BlockFolder:
        """Make the store of a result, empty, where it is."""

    @abstractmethod
    def open(self, spec: ResultSpec) -> BlockFolder:
        """Open what is there.

        Raises
        ------
        TargetError
            It cannot be opened, or is not of this result.

        """

    @abstractmethod
    def restore(self, spec: ResultSpec) -> None:
        """Make of what an earlier run left, complete or not, a store that blocks are written into."""

    @abstractmethod
    def take_over(self, source: Path, sink: BlockFolder, spec: ResultSpec, rows: Iterable[Box]) -> None:
        """Give a new store the ``rows`` of blocks of another one of the same result, as links."""

    def reopen(self, spec: ResultSpec, rows: Iterable[Box], *, went_down: bool) -> BlockFolder:
        """Open what an earlier run left, in the folder that is this run's now.

        When the system ``went_down`` since, only what was synced can be relied on: the store is made anew,
        with links to the blocks of ``rows``.

        Raises
        ------
        TargetError
            The store cannot be opened or tidied, or is not of this result.

        """
        self._spec = spec
        store = self.path
        before, gone = store.with_name(f"before{store.suffix}"), store.with_name(f"gone{store.suffix}")
        if not went_down and not before.exists():
            self.restore(spec)
            return self.open(spec)
        try:
            remove(gone)
            if before.exists():  # a run ended while it did this: what it was made of is still there
                remove(store)
            else:
                store.rename(before)
            sink = self.make(spec)
            self.take_over(before, sink, spec, rows)
            sync_tree(store)
            before.rename(gone)
            remove(gone)
        except OSError as error:
            raise TargetError(f"cannot make {store} anew: {error}") from error
        return sink


@dataclass
class ZarrWorkStore(WorkStore):
    """A zarr store, which becomes the result."""

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.work.own / "store.zarr"

    def make(self, spec: ResultSpec) -> ZarrSink:
        """Make the store of a result, empty."""
        return create_store(self.path, spec)

    def open(self, spec: ResultSpec) -> ZarrSink:
        """Open what is there."""
        return open_store(self.path, spec)

    def restore(self, spec: ResultSpec) -> None:
        """Remove litter and levels, and give back the mask that a finished store went without."""
        remove_litter(self.path)
        unsettle(self.path, spec)

    def take_over(self, source: Path, sink: BlockFolder, spec: ResultSpec, rows: Iterable[Box]) -> None:
        """Link blocks of another store, finished or not."""
        take_over(source, sink, spec, rows)
