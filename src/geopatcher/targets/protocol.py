"""The door for targets: where a result goes, and what a run asks of one that outlives it.

`Target` is all a target must be. Each of the protocols below it is one thing more that it may be able to do;
who needs it asks for that one, and for no class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from geopatcher.core.protocols import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import Resume
    from geopatcher.targets.digests import Digests
    from geopatcher.targets.durable import Blocks, Publishing, Work
    from geopatcher.targets.places import Spot
    from geopatcher.targets.product import Product


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

    def complete_then(self, then: Callable[[Publishing, Iterable[str]], None]) -> Product:
        """Let the result appear; ``then`` is called with the layers made, before the former ledger goes."""
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
