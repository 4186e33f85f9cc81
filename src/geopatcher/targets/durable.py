"""What a run asks of the parts of a target that outlives it: on a disk and in a bucket they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.statistics import Statistics
    from geopatcher.targets.block_files import BlockFiles
    from geopatcher.targets.digests import Finding, Reads, TiffRecord
    from geopatcher.targets.files import Files
    from geopatcher.targets.places import Spot
    from geopatcher.targets.product import Product
    from geopatcher.targets.publisher import FileNotes
    from geopatcher.targets.pyramid import Found
    from geopatcher.targets.zarr_store import ZarrBlocks


class Log(Protocol):
    """Takes lines of a ledger, one after the other; used by one thread."""

    @property
    def is_current(self) -> bool:
        """Whether no other run has taken over."""
        ...

    def append(self, line: bytes, *, sync: bool = True) -> None:
        """Append a line, and wait until it is kept, unless a later one will be waited for."""
        ...

    def close(self) -> None:
        """Take nothing more."""
        ...


class LedgerPlace(Protocol):
    """Where a ledger is kept; `str` names it. What goes wrong is an `OSError`."""

    @property
    def boot(self) -> str:
        """What differs when lines that were not synced may be lost."""
        ...

    def open(self) -> BinaryIO:
        """Open it to be read; a `FileNotFoundError` where there is none."""
        ...

    def start(self, n_bytes: int) -> Iterator[bytes]:
        """Yield its first bytes, piece by piece."""
        ...

    def begin(self, lines: Iterable[bytes]) -> Log:
        """Begin it with these lines, in place of what is there."""
        ...

    def go_on(self, earlier: LedgerPlace, n_bytes: int, line: bytes) -> Log:
        """Go on from the first bytes of an earlier one with a line, from which on no other run adds to it."""
        ...

    def reopen(self, n_bytes: int) -> Log:
        """Add to its first bytes what nobody depends on."""
        ...


class Work(Protocol):
    """What one run at a time has of a target, from `claim` to `release`."""

    @property
    def path(self) -> Spot:
        """What messages call it."""
        ...

    @property
    def token(self) -> str:
        """The token of this run."""
        ...

    @property
    def ledger(self) -> Path | LedgerPlace:
        """The ledger of this run."""
        ...

    @property
    def is_held(self) -> bool:
        """Whether this run has it, as far as that is known without asking."""
        ...

    @property
    def is_begun(self) -> bool:
        """Whether runs left anything to go on with."""
        ...

    def claim(self) -> None:
        """Become the one writer of the target; a `TargetLockedError` where another live run is."""
        ...

    def release(self) -> None:
        """Let others have the target."""
        ...

    def earlier_ledger(self) -> Path | LedgerPlace | None:
        """Return the ledger of an earlier run that left something to go on with."""
        ...

    def adopt_earlier(self) -> None:
        """Take over what that run left."""
        ...

    def tidy(self) -> None:
        """Remove what this run and earlier ones have left, but the result."""
        ...

    def leave(self) -> None:
        """Remove what this run has left."""
        ...


class Blocks(Protocol):
    """Where the blocks of a result collect until it is complete."""

    @property
    def is_there(self) -> bool:
        """Whether there is a place for them."""
        ...

    @property
    def spec(self) -> ResultSpec:
        """What is being made; a `TargetError` where nothing is."""
        ...

    def open(self, spec: ResultSpec) -> BlockFiles:
        """Open what is there; a `TargetError` where it is not of this result."""
        ...

    def reopen(self, spec: ResultSpec, rows: Iterable[Box], *, went_down: bool) -> BlockFiles:
        """Open what an earlier run left; when the system ``went_down``, ``rows`` of it can be relied on."""
        ...


class Publishing(Protocol):
    """Makes the result from its blocks, and lets it appear; see `geopatcher.targets.publisher.Publisher`."""

    @property
    def place(self) -> Spot:
        """Where the result will be."""
        ...

    @property
    def ledger(self) -> Path | LedgerPlace:
        """The ledger of the finished result."""
        ...

    @property
    def is_taken(self) -> bool:
        """Whether something is at the place."""
        ...

    @property
    def is_there(self) -> bool:
        """Whether a result, or what has its name, is at the place."""
        ...

    @property
    def has_product(self) -> bool:
        """Whether this run has made the result, and has not let it appear."""
        ...

    @property
    def keeps_blocks(self) -> bool:
        """Whether a result with failed patches keeps its working store."""
        ...

    @property
    def replaces(self) -> bool:
        """Whether `publish` replaces anything, so that all is kept for sure before."""
        ...

    @property
    def files(self) -> Files:
        """The files of a result that is a store."""
        ...

    def require_room(self, n_bytes: int, what: str) -> None:
        """Refuse a result of so many bytes that no compression can make fit."""
        ...

    @property
    def layers_apart(self) -> bool:
        """Whether layers have files of their own."""
        ...

    def remove_layer(self, name: str, known: TiffRecord) -> None:
        """Remove the file of a layer of the result before, if it is as is known."""
        ...

    def file_of(self, name: str) -> Spot:
        """Return where an array is."""
        ...

    def look_at_tiff(self, name: str, known: TiffRecord, reads: Reads) -> Finding:
        """Compare the GeoTIFF of an array with what is known of it."""
        ...

    def tiff_record(self, name: str, piece_bytes: int) -> TiffRecord:
        """Read the GeoTIFF of an array for what is known of it."""
        ...

    def stored(self, spec: ResultSpec, level: int = 0) -> ZarrBlocks:
        """Open a finished store, or an overview level of it that ``spec`` describes."""
        ...

    def restore(self, spec: ResultSpec, rows: Iterable[Box], run: str) -> bool:
        """Bring back the store of the finished result, to be worked on; ``False`` where that cannot be."""
        ...

    def assemble(self, statistics: Sequence[Statistics | None] = ()) -> Found:
        """Make the result from the store; return what it came to be.

        ``statistics`` are those of its bands, none where they are not known, or the store knows them.
        """
        ...

    def note_files(self, notes: FileNotes) -> None:
        """Tell what is known of the files of the result but for its blocks."""
        ...

    def sync(self) -> None:
        """Wait until what `assemble` made is kept."""
        ...

    def sync_all(self) -> None:
        """Wait until all of the result is kept, its blocks too."""
        ...

    def layers_made(self) -> list[str]:
        """Return the names of layers that are to be published in files of their own."""
        ...

    def publish(self, *, replace: bool) -> None:
        """Let the result appear at its place."""
        ...

    def keep_ledger(self) -> None:
        """Put the ledger of the run where that of a finished result is."""
        ...

    def drop_ledger(self) -> None:
        """Remove the ledger of a finished result that is no more."""
        ...

    def open(self, spec: ResultSpec) -> Product:
        """Return the finished result of a run that began with ``spec``."""
        ...
