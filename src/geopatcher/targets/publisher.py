"""How a result that is complete appears at its place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.targets.categories import sidecar_of
from geopatcher.targets.chunk_files import sync_tree
from geopatcher.targets.digests import look_at_tiff, tiff_record_of
from geopatcher.targets.files import FolderFiles
from geopatcher.targets.folders import put_in_place, sync_folder
from geopatcher.targets.opened import open_store
from geopatcher.targets.preflight import check_room

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.statistics import Statistics
    from geopatcher.targets.digests import Digests, FileRecord, Finding, Reads, TiffRecord
    from geopatcher.targets.product import Product
    from geopatcher.targets.pyramid import Found
    from geopatcher.targets.run_folder import RunFolder
    from geopatcher.targets.work_store import WorkStore
    from geopatcher.targets.zarr_store import ZarrSink


class FileNotes(Protocol):
    """Takes down what is known of the files of a result, so that damage is noticed later."""

    def seen(self, box: Box, level: int, files: Digests) -> None:
        """Take a row of blocks of an overview level."""
        ...

    def others(self, others: Mapping[str, FileRecord]) -> None:
        """Take files of a store that hold no blocks, by their names."""
        ...

    def tiff(self, name: str, record: TiffRecord) -> None:
        """Take the GeoTIFF of an array."""
        ...


@dataclass
class Publisher(ABC):
    """Makes the product from the blocks, and renames it to its place.

    ``path`` is what messages call the ``place``. Used by one thread, while the run has ``work``.
    """

    path: Path
    place: Path
    work: RunFolder
    blocks: WorkStore

    @property
    def ledger(self) -> Path:
        """The ledger of the finished result."""
        return self.place.with_name(f"{self.place.name}.ledger.jsonl")

    @property
    @abstractmethod
    def product(self) -> Path:
        """The complete result in the folder of this run, before it is renamed."""

    @property
    def has_product(self) -> bool:
        """Whether the result is made, and not yet renamed."""
        return self.product.exists()

    @property
    def is_there(self) -> bool:
        """Whether something is at the place."""
        return self.place.exists()

    @property
    def files(self) -> FolderFiles:
        """The files of a result that is a store."""
        return FolderFiles(self.place)

    def require_room(self, n_bytes: int, what: str) -> None:
        """Refuse a result that the disk cannot hold.

        Raises
        ------
        TargetError
            No compression can make it fit.

        """
        check_room(self.place.parent, n_bytes, what)

    @property
    def is_taken(self) -> bool:
        """Whether something is at the place; an empty folder does not count."""
        return self.place.exists() and not (self.place.is_dir() and not any(self.place.iterdir()))

    @abstractmethod
    def require_replaceable(self) -> None:
        """Refuse to replace a folder of other things, whether or not that is allowed of results.

        Raises
        ------
        TargetExistsError
            Names it, and what is in it.

        """

    @abstractmethod
    def require_room_for(self, spec: ResultSpec, *, replace: bool) -> None:
        """Refuse a result that the product cannot hold, or that has layers where other files are.

        Raises
        ------
        TargetError
            Says what it cannot hold, or names the file.

        """

    @abstractmethod
    def layer_place(self, name: str) -> Path | None:
        """Return the file a layer has to itself, ``None`` where it lies in the result."""

    def file_of(self, name: str) -> Path:
        """Return where an array is, of the result (``"data"``) or of a layer."""
        layer = None if name == "data" else self.layer_place(name)
        return self.place if layer is None else layer

    @property
    def layers_apart(self) -> bool:
        """Whether layers have files of their own."""
        return self.layer_place("data") is not None

    def remove_layer(self, name: str, known: TiffRecord) -> None:
        """Remove the file of a layer of the result before, if it is as is known.

        Raises
        ------
        TargetError
            It cannot be removed.

        """
        file = self.file_of(name)
        try:
            if file.is_file() and not look_at_tiff(file, known).wrong:
                file.unlink()
                sidecar_of(file).unlink(missing_ok=True)
        except OSError as error:
            raise TargetError(f"cannot remove {file}, a layer of the result before: {error}") from error

    def look_at_tiff(self, name: str, known: TiffRecord, reads: Reads) -> Finding:
        """Compare the GeoTIFF of an array with what is known of it."""
        return look_at_tiff(self.file_of(name), known, reads)

    def tiff_record(self, name: str, piece_bytes: int) -> TiffRecord:
        """Read the GeoTIFF of an array for what is known of it."""
        return tiff_record_of(self.file_of(name), piece_bytes)

    def stored(self, spec: ResultSpec, level: int = 0) -> ZarrSink:
        """Open a finished store, or an overview level of it that ``spec`` describes.

        Raises
        ------
        TargetError
            It cannot be opened, or is of another result.

        """
        return open_store(self.place / str(level) if level else self.place, spec)

    @property
    @abstractmethod
    def keeps_blocks(self) -> bool:
        """Whether a result with failed patches keeps its working store, from which it can be mended."""

    @abstractmethod
    def restore(self, spec: ResultSpec, rows: Iterable[Box], run: str) -> bool:
        """Bring back the store of the finished result, to be worked on; ``False`` where that is gone.

        ``rows`` are the rows of blocks to keep, ``run`` is the token of the run that made the result.
        """

    @abstractmethod
    def assemble(self, statistics: Sequence[Statistics | None] = ()) -> Found:
        """Make the product from the store; return what it came to be.

        ``statistics`` are those of its bands, none where they are not known, or the store knows them.
        """

    @abstractmethod
    def note_files(self, notes: FileNotes) -> None:
        """Tell what is known of the files of the product but for its blocks, of which the writer tells."""

    @abstractmethod
    def sync(self) -> None:
        """Wait until what `assemble` made is on the disk."""

    def sync_all(self) -> None:
        """Wait until the product is on the disk, with all its blocks."""
        sync_tree(self.product)

    def layers_made(self) -> list[str]:
        """Return the names of layers that are to be published in files of their own."""
        return []

    @property
    def replaces(self) -> bool:
        """Whether `publish` replaces anything."""
        return self.place.exists()

    def publish(self, *, replace: bool) -> None:
        """Rename the product to its place.

        Raises
        ------
        TargetExistsError
            Something is there, and it is not to be replaced.

        """
        if self.is_taken:
            self.require_replaceable()
            if not replace:
                raise TargetExistsError(
                    f"{self.path} was not there when the run began, and is now. The result is complete in "
                    f"{self.product}: move one of them, or run the same with overwrite=True (--overwrite)"
                )
        self.rename_all()

    def keep_ledger(self) -> None:
        """Put the ledger of the run beside the result.

        Raises
        ------
        TargetError
            It cannot be moved.

        """
        try:
            self.work.ledger.replace(self.ledger)
            sync_folder(self.place.parent)
        except OSError as error:
            raise TargetError(f"cannot move the ledger to {self.ledger}: {error}") from error

    def drop_ledger(self) -> None:
        """Remove the ledger of a finished result that is no more."""
        self.ledger.unlink(missing_ok=True)

    def rename_all(self) -> None:
        """Rename all files of the product, the result last."""
        self.rename(self.product, self.place)

    def rename(self, product: Path, place: Path) -> None:
        """Rename one file or folder; what was there goes when the other is in its place."""
        put_in_place(product, place, self.work.own / "replaced")

    @abstractmethod
    def open(self, spec: ResultSpec) -> Product:
        """Return the finished result of a run that began with ``spec``.

        Raises
        ------
        TargetError
            What is there is not this result.

        """
