"""A run on disk: what is left to do, and the record of what is done."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from geopatcher.errors import SourceError, TargetError
from geopatcher.formats.local_files import is_here
from geopatcher.runs.fingerprint import fingerprint_of, warn_of_unknown
from geopatcher.runs.ledger.book import Account, Completion, Fingerprint, Header
from geopatcher.runs.ledger.rows_json import Flaw
from geopatcher.runs.ledger.writing import Ledger
from geopatcher.runs.recorder import LedgerWriter
from geopatcher.runs.recovery import lost_rows, settle, survey
from geopatcher.runs.remarks import tell_gaps
from geopatcher.runs.session import Standing, at_least, known_spec
from geopatcher.runs.source_watch import SourceWatch
from geopatcher.targets.protocol import ApartByIdentity
from geopatcher.targets.statistics import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.engine.contributions import Operate
    from geopatcher.runs.recovery import Found
    from geopatcher.targets.digests import Digests
    from geopatcher.targets.product import ResultArray
    from geopatcher.targets.protocol import BlockStore, DurableTarget


class _Finished(NamedTuple):
    """A row of blocks that the store has: what its files hold, and the patches that failed in it."""

    box: Box
    files: Digests
    flaws: list[Flaw]


@dataclass(kw_only=True)
class DiskSession(Standing):
    """A run whose finished rows of blocks are written down, and kept whatever happens to it.

    Rows are recorded in a thread behind the writer, which appends a line to the ledger. ``operate`` is
    who knows the patches that failed, and is told what the first patch of an earlier session said of
    the results. ``threads`` becomes that of an earlier session, where there was one.
    """

    target: DurableTarget
    operate: Operate
    durable: bool = field(default=True, init=False)
    sink: BlockStore | None = field(default=None, init=False)
    _fingerprint: Fingerprint = field(default_factory=dict, init=False)
    _account: Account | None = field(default=None, init=False)
    _writer: LedgerWriter | None = field(default=None, init=False)
    _replaces: bool = field(default=False, init=False)
    _begun: bool = field(default=False, init=False)
    _masked: bool = field(default=False, init=False)
    _watch: SourceWatch[_Finished] = field(init=False)
    _tally: Tally | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._watch = SourceWatch(self.job)

    def open(self) -> dict[str, ResultArray] | None:
        """Claim the target, and go on from what is there.

        Raises
        ------
        TargetError
            Another run has the target, or what is there is not of this run.

        """
        self.target.check_place()
        self.target.work.claim()
        self._watch.begin()
        self._fingerprint = fingerprint_of(self.job)
        if isinstance(self.target, ApartByIdentity):
            self.target.require_apart(self._fingerprint)
        self._watch.expect(self._fingerprint)
        found = survey(self.target, self._fingerprint)
        if self.target.resume is True:
            warn_of_unknown(self._fingerprint)
        account, self._replaces = found.account, found.replaces
        if account is None:
            self.target.publisher.require_room(*at_least(self.job))
            return None
        if found.state == "done":
            return self._what_is_there(account)
        self._go_on(account, found)
        return None  # and where the blocks are gone, from nothing

    def _what_is_there(self, account: Account) -> dict[str, ResultArray]:
        done = account.completion or Completion()
        self.operate.n_bands, self.operate.dtype = account.header.n_bands, account.header.dtype
        self.spec, arrays, _ = self.target.publisher.open(account.header.spec)
        self.stats.recall(done.stats)
        self.stats.notes.append(f"complete since {done.at or 'an earlier run'}: nothing was computed")
        self.target.work.release()
        return arrays

    def _go_on(self, account: Account, found: Found) -> None:
        target, header = self.target, account.header
        mend = found.state == "mend"
        made = mend and not target.publisher.keeps_blocks  # the store is of this run
        if mend and not target.publisher.restore(header.spec, account.intact(), account.run):
            return
        earlier = target.publisher.ledger if mend else target.work.ledger
        self.sink = target.blocks.reopen(
            header.spec, account.intact(), went_down=account.went_down and not made
        )
        if damage := lost_rows(target, account):
            self.stats.notes.append(f"what was damaged since it was written is computed again: {damage}")
        self.sink.sweep(account.finished.holds)
        ledger = Ledger.go_on(earlier, target.work.ledger, account, target.work.token)
        self._account, self.spec, self._tally = account, header.spec, Tally(header.spec)
        for row, files in account.files():
            self._tally.add(row, files)
        pending = list(account.unsynced)
        self._writer = LedgerWriter(ledger, self.sink, pending, pipelined=self.job.pipelined)
        self.operate.n_bands, self.operate.dtype = header.n_bands, header.dtype
        what = "the patches that failed are tried again" if mend else "goes on where an earlier run stopped"
        self.stats.notes.append(f"{found.note or what}: {account.rows} rows of blocks were recorded")
        self._keep_threads(header.threads)
        self.stats.notes += header.otherwise(self.job.batch_size)

    def _keep_threads(self, before: int | None) -> None:
        """Take over the number of threads the run was begun with, on which the last bit may depend."""
        if before is not None and self.threads is not None and before != self.threads:
            self.stats.notes.append(
                f"begun with {before} thread(s) for numerical libraries in each process, instead of the "
                f"{self.threads} this run would have: workers keep to that; without workers the last bit of "
                f"what such libraries compute may differ"
            )
            self.threads = before

    def left(self, region: Box) -> Iterable[Box]:
        """Return what of a region no ledger line holds."""
        return [region] if self._account is None else list(self._account.finished.missing(region))

    def start(self, spec: ResultSpec) -> BlockStore:
        """Make the working store and begin the ledger."""
        self._begun = True
        self.spec, self.sink = spec, self.target.begin(spec, replace=self._replaces)
        self._tally = Tally(spec)
        known = self.operate.n_bands, self.operate.dtype, self.threads, self._how()
        ledger = Ledger.begin(
            self.target.work.ledger, Header(self._fingerprint, spec, *known), self.target.work.token
        )
        self._writer = LedgerWriter(ledger, self.sink, pipelined=self.job.pipelined)
        return self.sink

    def _how(self) -> dict[str, str | int | float]:
        """Return how the run is carried out, and where its source is, as seen from the result."""
        name, path = self.job.source.name, self.target.path
        try:
            place = relpath(name, path.absolute().parent) if isinstance(path, Path) and is_here(name) else ""
        except ValueError:  # on another drive
            place = ""
        return self.job.how | ({"source": place} if place else {})

    def all_read(self) -> None:
        """Have the source compared with what it was."""
        self._watch.all_read()

    def record(self, box: Box, files: Digests | None = None) -> None:
        """Write down rows of blocks that the store has, in the thread behind."""
        if self._writer is not None and self.sink is not None:
            known = self.sink.take(box) if files is None else files
            self._writer.submit(partial(self._write_down, _Finished(box, known, self._flaws_in(box))))

    def _write_down(self, row: _Finished) -> None:
        self._write(self._watch.passed(row))

    def _write(self, rows: Iterable[_Finished]) -> None:
        for box, files, flaws in rows:
            if self._writer is not None and self._tally is not None:
                self._writer.write(box, files, flaws)
                self._tally.add(box, files)

    def _flaws_in(self, box: Box) -> list[Flaw]:
        height, width = self.job.plan.anchors.patch_shape
        return [
            Flaw(error.anchor, error.stage, error.message, error.retry_count)
            for error in self.operate.errors
            if box.row0 - height < error.anchor[0] < box.row1
            and box.col0 - width < error.anchor[1] < box.col1
        ]

    def assemble(self) -> None:
        """Wait until everything is recorded, and make the result from its blocks.

        Where something is there that it will replace, the blocks are on the disk before that goes.

        Raises
        ------
        SourceError
            The source changed while it was read.

        """
        scribe, tally = self._writer, self._tally
        if scribe is None or tally is None:
            return
        scribe.finish()
        self._write(self._watch.finish())
        self._require_ours(scribe)
        found = self.target.publisher.assemble(tally.statistics())
        self._masked = found.spec.masked
        tell_gaps(self.job, self.stats, known_spec(self.spec), found.spec, found.gaps)
        self.target.publisher.note_files(scribe.ledger)
        if scribe.has_synced or self.target.publisher.replaces:
            scribe.sync()
            self.target.publisher.sync()

    def _require_ours(self, scribe: LedgerWriter) -> None:
        if not scribe.ledger.is_current:
            raise TargetError(
                f"another run has taken over {self.target.path}, and goes on with what this one had finished"
            )

    def publish(self) -> dict[str, ResultArray]:
        """Write down that the result is complete, and let it appear."""
        begun, scribe = known_spec(self.spec), self._writer
        if scribe is not None:
            self._require_ours(scribe)
            scribe.ledger.complete(Completion(self.stats.as_dict(), "", self._replaces, self._masked))
            if scribe.has_synced:
                scribe.ledger.synced()
            scribe.ledger.close()
        made = self.target.publisher.layers_made()
        self.target.publisher.publish(replace=self._replaces)
        settle(self.target, made, flawed=bool(self.operate.errors))
        self.target.work.release()
        self.spec, arrays, _ = self.target.publisher.open(begun)
        return arrays

    def fail(self) -> str:
        """Keep what is recorded, or remove the folder of this run when nothing is; let go of the target."""
        target, scribe = self.target, self._writer
        n_rows = 0
        if scribe is not None:
            with suppress(TargetError, SourceError):  # what ended the run is what is told
                scribe.finish()
            n_rows = self._kept_rows(scribe)
            scribe.ledger.close()
        if n_rows == 0 and (self._begun or scribe is not None):
            with suppress(TargetError):
                target.work.leave()
        target.work.release()
        if n_rows == 0:
            return ""
        return (
            f"{n_rows} finished rows of blocks are kept in {target.work.path}: "
            f"run the same again to go on from there"
        )

    def _kept_rows(self, scribe: LedgerWriter) -> int:
        """Return how many finished rows are kept: none when they may be of two versions of the source."""
        is_one_version, rows = self._watch.leave()
        with suppress(TargetError):
            self._write(rows)
        return scribe.ledger.rows if is_one_version else 0
