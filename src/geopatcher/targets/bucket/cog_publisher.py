"""How a GeoTIFF that is complete on this machine becomes an object of a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geopatcher.core.gaps import VALID
from geopatcher.errors import TargetError
from geopatcher.targets.bucket.files import BucketFiles, stamp_of
from geopatcher.targets.bucket.ledger import BucketLedger
from geopatcher.targets.bucket.sending import Sending, e_tag_of, look_there, record_there
from geopatcher.targets.categories import sidecar_of
from geopatcher.targets.opened import layer_of, open_tiffs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.statistics import Statistics
    from geopatcher.targets.bucket.work_here import LeasedFolder
    from geopatcher.targets.digests import Finding, Reads, TiffRecord
    from geopatcher.targets.disk import CogPublisher
    from geopatcher.targets.places import BucketUrl
    from geopatcher.targets.product import Product
    from geopatcher.targets.publisher import FileNotes
    from geopatcher.targets.pyramid import Found
    from geopatcher.targets.zarr_store import ZarrBlocks


@dataclass
class BucketCogPublisher:
    """Sends the files that ``local`` makes, those of layers first, and the ledger when they are there.

    See `geopatcher.targets.durable.Publishing`. Used by one thread, while the run has ``work``.
    """

    place: BucketUrl
    work: LeasedFolder
    local: CogPublisher

    @property
    def ledger(self) -> BucketLedger:
        """The ledger of the finished result: one object, whole."""
        return BucketLedger(self.work.lease, f"{self.place.key}.ledger")

    @property
    def files(self) -> BucketFiles:
        """What would be below it, were it a store."""
        return BucketFiles(self.work.bucket, self.place.key)

    def has(self, name: str) -> bool:
        """Whether the file of an array is there."""
        return self.work.bucket.head(self.file_of(name).key) is not None

    @property
    def is_taken(self) -> bool:
        """Whether something is at the place."""
        return self.has("data")

    @property
    def is_there(self) -> bool:
        """Whether something is at the place."""
        return self.has("data")

    @property
    def has_product(self) -> bool:
        """Whether the file is made, and not sent yet."""
        return self.local.has_product

    @property
    def keeps_blocks(self) -> bool:
        """Yes: the file cannot be taken apart again."""
        return True

    @property
    def replaces(self) -> bool:
        """Always: all is on the disk before it is sent, for the ledger is read on other machines."""
        return True

    def require_room(self, n_bytes: int, what: str) -> None:
        """Refuse a result that the disk it is built on cannot hold."""
        self.local.require_room(n_bytes, what)

    def file_of(self, name: str) -> BucketUrl:
        """Return where an array is, of the result (``"data"``) or of a layer."""
        return layer_of(self.place, name)

    def look_at_tiff(self, name: str, known: TiffRecord, reads: Reads) -> Finding:
        """Compare the GeoTIFF of an array with what is known of it."""
        return look_there(self.work.bucket, self.file_of(name).key, known, reads)

    def tiff_record(self, name: str, piece_bytes: int) -> TiffRecord:
        """Read the GeoTIFF of an array for what is known of it.

        Raises
        ------
        TargetError
            It is not there.

        """
        key = self.file_of(name).key
        entry = self.work.bucket.head(key)
        if entry is None:
            raise TargetError(f"{self.file_of(name)} is missing")
        return record_there(self.work.bucket, key, entry, piece_bytes)

    @property
    def layers_apart(self) -> bool:
        """Yes."""
        return True

    def remove_layer(self, name: str, known: TiffRecord) -> None:
        """Remove the file of a layer of the result before, if it is as is known."""
        if not self.look_at_tiff(name, known, "touched").wrong:
            key = self.file_of(name).key
            self.work.bucket.remove([key, f"{key}.aux.xml"])

    def stored(self, spec: ResultSpec, level: int = 0) -> ZarrBlocks:
        """Refuse: a GeoTIFF is no store."""
        _ = spec, level
        raise TargetError(f"the ledger of {self.place} tells of blocks of a store, which a GeoTIFF has not")

    def restore(self, spec: ResultSpec, rows: Iterable[Box], run: str) -> bool:
        """Use the tiles that a result with failed patches leaves behind on the machine that made it."""
        return self.local.restore(spec, rows, run)

    def assemble(self, statistics: Sequence[Statistics | None] = ()) -> Found:
        """Put the tiles together, on this machine."""
        return self.local.assemble(statistics)

    def note_files(self, notes: FileNotes) -> None:
        """Tell of the files, and of the ETags that they will have."""
        for name in (*self.layers_made(), "data"):
            e_tag = e_tag_of(self.local.product_of(name))
            notes.tiff(name, self.local.record_of(name)._replace(mtime_ns=stamp_of(e_tag)))

    def sync(self) -> None:
        """Wait for the files, on this machine."""
        self.local.sync()

    def sync_all(self) -> None:
        """Wait for the files, on this machine."""
        self.local.sync_all()

    def layers_made(self) -> list[str]:
        """Return the names of the layers that are not sent yet."""
        return self.local.layers_made()

    def publish(self, *, replace: bool) -> None:
        """Send the files, the result last: it says that all are there. What is sent goes from this machine.

        Raises
        ------
        TargetExistsError
            Another file is there, and it is not to be replaced.
        TargetError
            The store does not take one, or another run has taken over.

        """
        bucket = self.work.bucket
        for name in (*self.layers_made(), "data"):
            product, url = self.local.product_of(name), self.file_of(name)
            Sending(bucket, url, product, self.work.lease.ensure, replace).send()
            if sidecar_of(product).exists():
                bucket.put(f"{url.key}.aux.xml", sidecar_of(product).read_bytes())
            else:  # that of a file before is not true any more
                bucket.remove([f"{url.key}.aux.xml"])
            product.unlink()

    def keep_ledger(self) -> None:
        """Put the ledger of the run where that of a finished result is.

        Raises
        ------
        TargetError
            It cannot be read or put.

        """
        try:
            content = self.work.ledger.read_bytes()
            self.ledger.begin([content])
            self.work.ledger.unlink()
        except OSError as error:
            raise TargetError(f"cannot move the ledger to {self.ledger}: {error}") from error

    def drop_ledger(self) -> None:
        """Remove the ledger of a finished result that is no more."""
        self.ledger.clear()

    def open(self, spec: ResultSpec) -> Product:
        """Return the GeoTIFFs as arrays that are read where they are sliced.

        Raises
        ------
        TargetError
            One cannot be opened, or is of another result.

        """
        return open_tiffs(self.place, spec, mask_beside=spec.masked and self.has(VALID))
