"""How a store in a bucket becomes a result: its documents are put behind all blocks, the root's last."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from geopatcher._optional import load
from geopatcher.core.gaps import VALID
from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.targets.bucket.store import ROOT, BucketBlocks, finished_documents
from geopatcher.targets.digests import FileRecord
from geopatcher.targets.levels import build_levels, level_specs
from geopatcher.targets.opened import settled_store
from geopatcher.targets.product import Product

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.statistics import Statistics
    from geopatcher.targets.bucket.files import BucketFiles
    from geopatcher.targets.bucket.lease import Lease
    from geopatcher.targets.bucket.ledger import BucketLedger
    from geopatcher.targets.bucket.store import BucketPlace, BucketSink
    from geopatcher.targets.digests import Finding, Reads, TiffRecord
    from geopatcher.targets.levels import LevelRow
    from geopatcher.targets.places import BucketUrl
    from geopatcher.targets.publisher import FileNotes
    from geopatcher.targets.pyramid import Found


class Leased(Protocol):
    """A run's hold on a store."""

    @property
    def lease(self) -> Lease:
        """The lease."""
        ...

    @property
    def ledger(self) -> BucketLedger:
        """The ledger."""
        ...

    @property
    def is_committed(self) -> bool:
        """Whether a result is there."""
        ...


class Opening(Protocol):
    """Where blocks are put."""

    @property
    def spec(self) -> ResultSpec:
        """What is being made."""
        ...

    def open(self, spec: ResultSpec) -> BucketSink:
        """Return what puts blocks."""
        ...


@dataclass
class BucketPublisher:
    """Puts the documents of a store whose blocks are all there; the one that makes it a result last.

    See `geopatcher.targets.protocol.Publishing`. Used by one thread, while the run has the lease.
    """

    at: BucketPlace
    work: Leased
    blocks: Opening
    _root: bytes = field(default=b"", init=False, repr=False)
    _known: dict[str, FileRecord] = field(default_factory=dict, init=False, repr=False)
    _levels: list[LevelRow] = field(default_factory=list, init=False, repr=False)
    _keeps_mask: bool = field(default=True, init=False)

    @property
    def place(self) -> BucketUrl:
        """Where the result will be."""
        return self.at.url

    @property
    def ledger(self) -> BucketLedger:
        """The ledger."""
        return self.work.ledger

    @property
    def files(self) -> BucketFiles:
        """The objects of the store."""
        return self.at.files

    @property
    def is_taken(self) -> bool:
        """Whether a result is there, or objects of which no ledger tells."""
        if self.work.is_committed:
            return True
        return next(self.files.keys(), None) is not None and not self.ledger.entries()

    @property
    def is_there(self) -> bool:
        """Whether a result is there."""
        return self.work.is_committed

    @property
    def has_product(self) -> bool:
        """Never: what is put last is made of the spec and the blocks."""
        return False

    @property
    def keeps_blocks(self) -> bool:
        """No: the blocks are the result."""
        return False

    @property
    def replaces(self) -> bool:
        """No: what is replaced goes before the first block is put."""
        return False

    def require_room(self, n_bytes: int, what: str) -> None:
        """Do nothing: a bucket has no end that could be asked for."""

    @property
    def layers_apart(self) -> bool:
        """No: they are arrays of the store."""
        return False

    def remove_layer(self, name: str, known: TiffRecord) -> None:
        """Do nothing: layers are arrays of the store."""

    def file_of(self, name: str) -> BucketUrl:
        """Return the store."""
        _ = name
        return self.place

    def look_at_tiff(self, name: str, known: TiffRecord, reads: Reads) -> Finding:
        """Refuse: a store has no GeoTIFF."""
        _ = known, reads
        raise TargetError(f"the ledger of {self.place} tells of a GeoTIFF, {name}, which a store has not")

    def tiff_record(self, name: str, piece_bytes: int) -> TiffRecord:
        """Refuse: a store has no GeoTIFF."""
        _ = piece_bytes
        raise TargetError(f"the ledger of {self.place} tells of a GeoTIFF, {name}, which a store has not")

    def stored(self, spec: ResultSpec, level: int = 0) -> BucketBlocks:
        """Open the finished store, or an overview level of it that ``spec`` describes.

        Raises
        ------
        TargetError
            It cannot be opened, or is of another result.

        """
        return BucketBlocks.stored(self.at.level(level), spec)

    def restore(self, spec: ResultSpec, rows: Iterable[Box], run: str) -> bool:
        """Make the result incomplete again; ``False`` where its mask is gone, and all is made anew."""
        _ = rows, run
        if spec.masked and self.files.size(f"{VALID}/{ROOT}") == 0:
            return False
        self.work.lease.ensure()
        self.files.remove(ROOT)
        return True

    def assemble(self, statistics: Sequence[Statistics | None] = ()) -> Found:
        """Put overview levels, and all documents but the last: all blocks they tell of are there."""
        spec, blocks = self.blocks.spec, self.blocks.open(self.blocks.spec)
        documents, found = finished_documents(spec, blocks, statistics)
        self._root, self._keeps_mask = documents.pop(ROOT), found.spec.masked or not spec.masked
        self._levels = list(self._put_levels(blocks, found.spec))
        self.work.lease.ensure()
        self._known = {key: self.files.put(key, content) for key, content in sorted(documents.items())}
        return found

    def _put_levels(self, blocks: BucketBlocks, spec: ResultSpec) -> Iterator[LevelRow]:
        """Put the blocks of overview levels, in place of those that an earlier run has put."""
        self.work.lease.ensure()
        places = [(self.at.level(number), each) for number, each in enumerate(level_specs(spec), start=1)]
        for place, _ in places:
            place.files.remove_all(place.files.keys())
        levels = [BucketBlocks.begun(place, each) for place, each in places]
        for row in build_levels(blocks, levels, spec):
            self.work.lease.require()
            yield row

    def note_files(self, notes: FileNotes) -> None:
        """Tell of levels and documents; of the last one the ETag is not known yet."""
        for row in self._levels:
            notes.seen(*row)
        root = FileRecord(len(self._root), zlib.crc32(self._root), 0)
        notes.others(self._known | {ROOT: root})

    def sync(self) -> None:
        """Do nothing: a store that has answered has it."""

    def sync_all(self) -> None:
        """Do nothing, as `sync`."""

    def layers_made(self) -> list[str]:
        """Return nothing: layers are arrays of the store."""
        return []

    def publish(self, *, replace: bool) -> None:
        """Put the last document.

        Raises
        ------
        TargetExistsError
            Another store is there, and it is not to be replaced.
        TargetError
            Another run has taken over.

        """
        self.work.lease.ensure()
        bucket, key = self.files.bucket, f"{self.place.key}/{ROOT}"
        if bucket.put_new(key, self._root) is None:
            if not replace:
                raise TargetExistsError(
                    f"{self.place} was not there when the run began, and is now: move it, or run the same "
                    f"with overwrite=True (--overwrite)"
                )
            bucket.put(key, self._root)
        if not self._keeps_mask:
            mask = self.files.below(VALID)
            mask.remove_all(mask.keys())

    def keep_ledger(self) -> None:
        """Do nothing: the ledger of the run is that of the result."""

    def drop_ledger(self) -> None:
        """Remove the ledger of a finished result that is no more."""
        self.ledger.clear()

    def open(self, spec: ResultSpec) -> Product:
        """Return the arrays of the store, lazily read.

        Raises
        ------
        TargetError
            It cannot be opened, or is of another result.

        """
        reader = load("zarr.storage").StorePath(self.at.reader(), self.place.key)
        settled = settled_store(reader, spec)
        return Product(settled, {**self.stored(settled).arrays})
