"""The store in which the blocks of a result collect until it is complete."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    from geopatcher.targets.run_folder import RunFolder

#: Of blocks that are read once and removed: quick, and half the size of none at all.
WORK_CODEC = "blosc-lz4"


@dataclass
class WorkStore:
    """A zarr store in the folder of a run; ``result`` is what messages call what is made.

    With ``passing`` its blocks are read once, to make a file of them, and removed; without, they are the
    result. Used by one thread; what it opens is written by many, and by other processes.
    """

    result: Path
    work: RunFolder
    passing: bool
    _spec: ResultSpec | None = None

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.work.own / "store.zarr"

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

    def create(self, spec: ResultSpec) -> ZarrSink:
        """Make it, empty.

        Raises
        ------
        TargetError
            The disk has no room for it, or cannot take it.

        """
        check_room(self.work.path.parent, bytes_of(spec), describe(spec))
        create_store(self.path, self._stored_as(spec))
        sync_tree(self.path)
        self._spec = spec
        return ZarrSink(self.path)

    def _stored_as(self, spec: ResultSpec) -> ResultSpec:
        """Return how blocks are stored on their way."""
        if not self.passing:
            return spec
        return replace(spec, codec=WORK_CODEC, shards=None, multiscales=False, checksum=False)

    def reopen(self, spec: ResultSpec, rows: Iterable[Box], *, went_down: bool) -> ZarrSink:
        """Open what an earlier run left, in the folder that is this run's now.

        When the system ``went_down`` since, only what was synced can be relied on: the store is made anew,
        with links to the blocks of ``rows``.

        Raises
        ------
        TargetError
            The store cannot be opened or tidied, or is not of this result.

        """
        self._spec = spec
        folder, store = self.work.own, self.path
        before = folder / "before.zarr"
        if not went_down and not before.exists():
            remove_litter(store)
            unsettle(store, spec)
            return open_store(store, spec)
        try:
            remove(folder / "gone.zarr")
            if before.exists():  # a run ended while it did this: what it was made of is still there
                remove(store)
            else:
                store.rename(before)
            create_store(store, self._stored_as(spec))
            sink = ZarrSink(store)
            take_over(before, sink, spec, rows)
            sync_tree(store)
            before.rename(folder / "gone.zarr")
            remove(folder / "gone.zarr")
        except OSError as error:
            raise TargetError(f"cannot make {store} anew: {error}") from error
        return sink
