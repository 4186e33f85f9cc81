"""The door for targets: where a result goes, and what a run asks of one that outlives it.

`Target` is all a target must be. Each of the protocols below it is one thing more that it may be able to do;
who needs it asks for that one, and for no class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from geopatcher.core.protocols import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import Resume
    from geopatcher.targets.block_files import BlockFiles
    from geopatcher.targets.digests import Digests, Finding, Reads, TiffRecord
    from geopatcher.targets.files import Files
    from geopatcher.targets.places import Spot
    from geopatcher.targets.product import Product
    from geopatcher.targets.publisher import FileNotes, Publisher
    from geopatcher.targets.pyramid import Found
    from geopatcher.targets.zarr_store import ZarrBlocks


@runtime_checkable
class Target(Protocol):
    """Where a result goes.

    `check`, `create` and `complete` (or `discard`) are called once each, in this order, in the thread that
    runs the job. What `create` returns is written by one thread at a time, not that one. Neither is sent to
    other processes: blocks that workers make come here, unless it is a `BlockStore`.
    """

    @property
    def path(self) -> Spot | None:
        """Where it is, ``None`` where it has no place: then blocks come here from all workers."""
        ...

    def check(self) -> None:
        """Refuse, before anything is read, what cannot be written."""
        ...

    def create(self, spec: ResultSpec) -> Sink:
        """Make the place for the result, empty, and return where its blocks go.

        Arrays of ``spec`` of which a block is never written hold its ``fill`` there.
        """
        ...

    def complete(self) -> Product:
        """Let the finished result appear under its name, and return it."""
        ...

    def discard(self) -> None:
        """Remove what was made and not completed; also called when nothing was."""
        ...


@runtime_checkable
class BlockStore(Sink, Protocol):
    """A sink that workers write into by themselves, and that outlives its process.

    It pickles, as what says where it is. Several threads and processes may write at once, each other blocks.
    """

    def take(self, box: Box) -> Digests:
        """Return, once, what is known of the files of blocks that this object has written."""
        ...

    def sync(self, box: Box) -> None:
        """Wait until the blocks of ``box`` are on the disk."""
        ...

    def sweep(self, keep: Callable[[Box], bool]) -> int:
        """Remove the blocks that ``keep`` does not hold, and what killed writers left; return how many."""
        ...


@runtime_checkable
class Placed(Protocol):
    """A target that knows the files it makes: none of them may be where the pixels come from."""

    def places(self, layers: Iterable[str]) -> list[Path]:
        """Return all that a run writes, replaces or removes."""
        ...


@runtime_checkable
class ApartByIdentity(Protocol):
    """A target elsewhere: whether pixels come from there is known by what identifies their source."""

    def require_apart(self, identity: Mapping[str, str | int | float]) -> None:
        """Refuse to write where a source is that has this identity."""
        ...


@runtime_checkable
class Claimable(Protocol):
    """A target that a single writer takes for itself, without going on with what another has begun."""

    def claim_afresh(self) -> None:
        """Refuse a target that is taken, or that an interrupted run means to go on with; else claim it."""
        ...


@runtime_checkable
class KnowsAlpha(Protocol):
    """A target of which readers take a band of alpha for what it is: it says which cells are missing."""

    @property
    def knows_alpha(self) -> bool:
        """Whether that is so."""
        ...


@runtime_checkable
class Replacing(Protocol):
    """A target that removes what the result before it had, and this one has not."""

    def complete_then(self, then: Callable[[Publisher, Iterable[str]], None]) -> Product:
        """Let the result appear; ``then`` is called with the layers made, before the former ledger goes."""
        ...


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
        """Whether `publish` replaces anything."""
        ...

    @property
    def files(self) -> Files:
        """The files of a result that is a store."""
        ...

    def require_room(self, n_bytes: int, what: str) -> None:
        """Refuse a result of so many bytes that no compression can make fit."""
        ...

    def layer_place(self, name: str) -> Path | None:
        """Return the file a layer has to itself, ``None`` where it lies in the result."""
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

    def assemble(self) -> Found:
        """Make the result from the store; return what it came to be."""
        ...

    def note_files(self, notes: FileNotes) -> None:
        """Tell what is known of the files of the result but for its blocks."""
        ...

    def sync(self) -> None:
        """Wait until what `assemble` made is kept."""
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

    def open(self, spec: ResultSpec) -> Product:
        """Return the finished result of a run that began with ``spec``."""
        ...


@runtime_checkable
class DurableTarget(Target, Protocol):
    """A target whose finished blocks outlive a run that was interrupted, so that another goes on from there.

    A run claims ``work``, lets blocks collect in ``blocks``, and has ``publisher`` make the result appear.
    All three are used by one thread at a time, in the process that runs the job.
    """

    @property
    def path(self) -> Spot:
        """Where it is, as it was given."""
        ...

    @property
    def overwrite(self) -> bool:
        """Whether what is there may be replaced."""
        ...

    @property
    def resume(self) -> Resume:
        """Whether to go on with what an earlier run left."""
        ...

    @property
    def work(self) -> Work:
        """What one run at a time has, to build the result in."""
        ...

    @property
    def blocks(self) -> Blocks:
        """Where blocks collect."""
        ...

    @property
    def publisher(self) -> Publishing:
        """Who makes the product and puts it into its place."""
        ...

    def check_place(self) -> None:
        """Refuse a place where nothing can be, or that is never replaced."""
        ...

    def begin(self, spec: ResultSpec, *, replace: bool) -> BlockStore:
        """Make the place for a result that may ``replace`` another; what earlier runs left goes."""
        ...


class Storage(Protocol):
    """What a run has to know of how its result is stored. Frozen, and pickles."""

    def blocks(self, chunks: tuple[int, int]) -> tuple[int, int]:
        """Return what is written at once: a chunk, or several.

        Parameters
        ----------
        chunks
            ``(rows, columns)`` in pixels of a chunk of the result.

        Returns
        -------
        tuple of int
            ``(rows, columns)`` in pixels.

        """
        ...

    def applied(self, spec: ResultSpec) -> ResultSpec:
        """Return a result stored this way; ``spec.overview`` stays where nothing else is asked for.

        Parameters
        ----------
        spec
            The result, as the run makes it.

        Returns
        -------
        ResultSpec
            The same grid and dtype.

        """
        ...

    def assembly_bytes(self, spec: ResultSpec) -> int:
        """Return about the most memory it takes to make the result from its finished blocks.

        That is above a process that has given back what it computed with.

        Parameters
        ----------
        spec
            The result, stored this way.

        Returns
        -------
        int
            Bytes.

        """
        ...

    def settings(self) -> dict[str, object]:
        """Return all options by name.

        Returns
        -------
        dict
            ``{name: value}``, as they were given.

        """
        ...


@dataclass(frozen=True)
class MemoryStorage(Storage):
    """A result that stays in memory: there is nothing to choose."""

    def blocks(self, chunks: tuple[int, int]) -> tuple[int, int]:
        """Return the chunks."""
        return chunks

    def applied(self, spec: ResultSpec) -> ResultSpec:
        """Return the result as it is."""
        return spec

    def assembly_bytes(self, spec: ResultSpec) -> int:
        """Return 0: the blocks are the result."""
        _ = spec
        return 0

    def settings(self) -> dict[str, object]:
        """Return nothing."""
        return {}
