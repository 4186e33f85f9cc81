"""A run on one target: what is left to do, and the record of what is done."""

from __future__ import annotations

import time
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from geopatcher.engine.pipeline import Behind
from geopatcher.errors import TargetError
from geopatcher.executors.fingerprint import fingerprint_of, source_identity
from geopatcher.executors.survey import settle, survey
from geopatcher.ledger.book import Account, Completion, Fingerprint, Flaw, Header, Ledger, differences
from geopatcher.sinks.folders import remove_work
from geopatcher.sinks.room import check_memory, check_room

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from geopatcher.box import Box
    from geopatcher.domain import RasterDomain, ResultSpec
    from geopatcher.engine.contributions import Operate
    from geopatcher.engine.job import Job
    from geopatcher.engine.stats import RunStats
    from geopatcher.protocols import Sink
    from geopatcher.sinks.disk import DiskTarget
    from geopatcher.sinks.targets import ResultArray, Target
    from geopatcher.sinks.zarr_store import ZarrSink

#: Longest time between two syncs of the blocks to the disk: the work a system that goes down may cost.
SYNC_SECONDS = 30.0


class Session(Protocol):
    """What a run stands in, from `open` to `complete` or `fail`."""

    @property
    def durable(self) -> bool:
        """Whether what is recorded outlives the process."""
        ...

    @property
    def spec(self) -> ResultSpec | None:
        """What is being made, once that is known."""
        ...

    @property
    def sink(self) -> Sink | None:
        """Where blocks go, once it is made."""
        ...

    @property
    def path(self) -> Path | None:
        """Where the result will be."""
        ...

    @property
    def domain(self) -> RasterDomain:
        """That of the result, once it is known."""
        ...

    def open(self) -> dict[str, ResultArray] | None:
        """Look at the target; return the arrays of a result that is there and complete."""
        ...

    def left(self, region: Box) -> Iterable[Box]:
        """Return what of a region is left to do."""
        ...

    def start(self, spec: ResultSpec) -> Sink:
        """Make the place for the result, now that the first patch has said what it is."""
        ...

    def record(self, box: Box) -> None:
        """Take a row of blocks that the sink has."""
        ...

    def assemble(self) -> None:
        """Wait until everything is recorded, and make the result from its blocks."""
        ...

    def publish(self) -> dict[str, ResultArray]:
        """Let the result appear, and return its arrays."""
        ...

    def fail(self) -> str:
        """End without a result; return what is kept and how to go on, if anything is."""
        ...


@dataclass
class MemorySession:
    """A run whose result is in memory: nothing outlives it."""

    job: Job
    target: Target
    durable: bool = False
    spec: ResultSpec | None = None
    sink: Sink | None = None

    @property
    def path(self) -> Path | None:
        """None."""
        return self.target.path

    @property
    def domain(self) -> RasterDomain:
        """That of the result."""
        return _known(self.spec).domain

    def open(self) -> None:
        """Check the target."""
        self.target.check()
        check_memory(*_at_least(self.job))

    def left(self, region: Box) -> Iterable[Box]:
        """Return the region."""
        return [region]

    def start(self, spec: ResultSpec) -> Sink:
        """Allocate the result."""
        self.spec, self.sink = spec, self.target.create(spec)
        return self.sink

    def record(self, box: Box) -> None:
        """Do nothing."""

    def assemble(self) -> None:
        """Do nothing."""

    def publish(self) -> dict[str, ResultArray]:
        """Return the arrays."""
        return self.target.complete()

    def fail(self) -> str:
        """Let go of the result."""
        self.target.discard()
        return ""


@dataclass
class DiskSession:
    """A run whose finished rows of blocks are written down, and kept whatever happens to it.

    Rows are recorded in a thread behind the writer, which appends a line to the ledger. Whatever
    ends the process, the files outlive it. So that a system that goes down costs little too, the
    blocks are synced to the disk every `SYNC_SECONDS`, and the ledger says so: waiting for the disk
    after each row would make a run as slow as the disk. ``operate`` is who knows the patches that
    failed, and is told what the first patch of an earlier session said of the results.
    """

    job: Job
    target: DiskTarget
    operate: Operate
    stats: RunStats
    durable: bool = True
    spec: ResultSpec | None = None
    sink: ZarrSink | None = None
    _fingerprint: Fingerprint = field(default_factory=dict)
    _account: Account | None = None
    _ledger: Ledger | None = None
    _begun: bool = False
    _behind: Behind | None = None
    _unsynced: list[Box] = field(default_factory=list)
    _synced_at: float = field(default_factory=time.monotonic)
    _long: bool = False

    @property
    def path(self) -> Path | None:
        """Where the result will be."""
        return self.target.path

    @property
    def domain(self) -> RasterDomain:
        """That of the result."""
        return _known(self.spec).domain

    def open(self) -> dict[str, ResultArray] | None:
        """Claim the target, and go on from what is there.

        Raises
        ------
        TargetError
            Another run has the target, or what is there is not of this run.

        """
        self.target.check_folder()
        self.target.claim()
        self._fingerprint = fingerprint_of(self.job)
        found = survey(self.target, self._fingerprint)
        account = found.account
        if account is None:
            check_room(self.target.place.parent, *_at_least(self.job))
            return None
        if found.state == "done":
            return self._what_is_there(account)
        if account.header.spec.domain.nodata is None and self.job.policy.on_error in ("skip", "mask"):
            raise TargetError(
                f"{self.target.path} was begun with an on_error that leaves no patch out, and has no nodata "
                f"value to stand for one: use that on_error, or pass overwrite=True (--overwrite)"
            )
        if found.state == "continue" or self.target.restore():
            self._go_on(account, mend=found.state == "mend")
        return None  # and where the blocks are gone, from nothing

    def _what_is_there(self, account: Account) -> dict[str, ResultArray]:
        done = account.completion or Completion()
        self.spec = account.header.spec
        arrays = self.target.open(self.spec)
        self.stats.recall(done.stats)
        self.stats.notes.append(f"complete since {done.at or 'an earlier run'}: nothing was computed")
        if done.changed:
            self.stats.notes.append(f"the source changed during that run: {'; '.join(done.changed)}")
        self.target.release()
        return arrays

    def _go_on(self, account: Account, *, mend: bool) -> None:
        target, header = self.target, account.header
        if mend:
            self._ledger = Ledger.revive(target.finished_ledger, target.ledger, account)
        else:
            self._ledger = Ledger.go_on(target.ledger, account)
        self._account, self.spec = account, header.spec
        self._behind = Behind(pipelined=self.job.pipelined)
        self.operate.n_bands, self.operate.dtype = header.n_bands, header.dtype
        self.sink = target.reopen(header.spec, account.finished.holds)
        what = "the patches that failed are tried again" if mend else "goes on where an earlier run stopped"
        self.stats.notes.append(f"{what}: {account.rows} rows of blocks were recorded")

    def left(self, region: Box) -> Iterable[Box]:
        """Return what of a region no ledger line holds."""
        return [region] if self._account is None else list(self._account.finished.missing(region))

    def start(self, spec: ResultSpec) -> ZarrSink:
        """Make the working store and begin the ledger."""
        self._begun = True
        self.spec, self.sink = spec, self.target.create(spec)
        header = Header(self._fingerprint, spec, self.operate.n_bands, self.operate.dtype)
        self._ledger = Ledger.begin(self.target.ledger, header)
        self._behind = Behind(pipelined=self.job.pipelined)
        return self.sink

    def record(self, box: Box) -> None:
        """Write down rows of blocks that the store has, in the thread behind."""
        if self._behind is not None:
            self._behind.submit(partial(self._write_down, box, self._flaws_in(box)))

    def _write_down(self, box: Box, flaws: list[Flaw]) -> None:
        if self._ledger is not None:
            self._ledger.row(box, flaws)
        self._unsynced.append(box)
        if time.monotonic() - self._synced_at >= SYNC_SECONDS:
            self._sync()

    def _sync(self) -> None:
        """Wait until all blocks so far are on the disk, and write that down."""
        if self.sink is not None and self._ledger is not None:
            for box in self._unsynced:
                self.sink.sync(box)
            self._ledger.synced()
        self._unsynced.clear()
        self._synced_at = time.monotonic()
        self._long = True

    def _flaws_in(self, box: Box) -> list[Flaw]:
        height, width = self.job.plan.anchors.patch_shape
        return [
            Flaw(error.anchor, error.kind, error.message, error.retry_count)
            for error in self.operate.errors
            if box.row0 - height < error.anchor[0] < box.row1
            and box.col0 - width < error.anchor[1] < box.col1
        ]

    def assemble(self) -> None:
        """Wait until everything is recorded, and make the result from its blocks."""
        if self._behind is not None:
            self._behind.finish()
        self.target.assemble()
        if self._long:
            self._sync()
            self.target.sync()

    def publish(self) -> dict[str, ResultArray]:
        """Write down that the result is complete, and let it appear."""
        spec = _known(self.spec)
        before = {key: value for key, value in self._fingerprint.items() if key.startswith("source.")}
        changed = differences(before, source_identity(self.job))
        if changed:
            self.stats.notes.append(f"the source changed during the run: {'; '.join(changed)}")
        if self._ledger is not None:
            self._ledger.complete(Completion(self.stats.as_dict(), tuple(changed)))
            if self._long:
                self._ledger.synced()
            self._ledger.close()
        self.target.publish()
        settle(self.target, flawed=bool(self.operate.errors))
        self.target.release()
        if changed:
            warnings.warn(
                f"{self.job.source.name} changed while it was read, so {self.target.path} may mix two "
                f"versions of it: {'; '.join(changed)}. Run again with overwrite=True (--overwrite)",
                RuntimeWarning,
                stacklevel=2,
            )
        return self.target.open(spec)

    def fail(self) -> str:
        """Keep what is recorded, or remove the working folder when nothing is; let go of the target."""
        with suppress(TargetError):  # what ended the run is what is told
            if self._behind is not None:
                self._behind.finish()
        ledger, target = self._ledger, self.target
        n_rows = 0 if ledger is None else ledger.rows
        if ledger is not None:
            ledger.close()
        if n_rows == 0 and (self._begun or ledger is not None):
            with suppress(TargetError):
                remove_work(target.work)
        target.release()
        if n_rows == 0:
            return ""
        return (
            f"{n_rows} finished rows of blocks are kept in {target.work}: "
            f"run the same again to go on from there"
        )


def _at_least(job: Job) -> tuple[int, str]:
    """Return the least bytes a result can take, asked before a first patch is looked for."""
    height, width = job.plan.region.shape
    return height * width, f"a result of {height:,} x {width:,} pixels, as large as {job.source.name},"


def _known(spec: ResultSpec | None) -> ResultSpec:
    if spec is None:
        raise TargetError("the result was asked for before the first patch said what it is")
    return spec
