"""A ledger in a bucket: a line is an object, which is put only where there is none."""

from __future__ import annotations

import io
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geopatcher.targets.durable import LedgerPlace, Log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from geopatcher.formats.buckets import Entry
    from geopatcher.targets.bucket.lease import Lease

#: Lines that are asked for at once.
THREADS = 8


@dataclass(frozen=True)
class BucketLedger(LedgerPlace):
    """The lines ``prefix/RUN/NUMBER``, where RUN began the ledger, and numbers follow each other from 0.

    What a run whose lease ended puts later is either refused, for the line is there, or of another ``RUN``.
    """

    lease: Lease
    prefix: str

    def __str__(self) -> str:
        return f"{self.lease.bucket.root}/{self.prefix}"

    @property
    def boot(self) -> str:
        """Always the same: a store that has answered loses nothing when a system goes down."""
        return "bucket"

    def entries(self) -> list[Entry]:
        """Return the lines there are, up to a gap; of several ledgers those of the newest."""
        runs: dict[str, dict[str, Entry]] = {}
        for entry in self.lease.bucket.entries(self.prefix):
            run, _, number = entry.key.removeprefix(f"{self.prefix}/").partition("/")
            runs.setdefault(run, {})[number] = entry
        begun = [lines for lines in runs.values() if _named(0) in lines]
        if not begun:
            return []
        lines = max(begun, key=lambda each: each[_named(0)].modified)
        numbers = itertools.takewhile(lines.__contains__, map(_named, itertools.count()))
        return [lines[number] for number in numbers]

    def open(self) -> BinaryIO:
        """Return all lines.

        Raises
        ------
        FileNotFoundError
            There are none.

        """
        entries = self.entries()
        if not entries:
            raise FileNotFoundError(str(self))
        with ThreadPoolExecutor(THREADS, "geopatcher-ledger") as pool:
            return io.BytesIO(b"".join(pool.map(self.lease.bucket.get, (entry.key for entry in entries))))

    def start(self, n_bytes: int) -> Iterator[bytes]:
        """Yield the first bytes of it."""
        with self.open() as file:
            yield file.read(n_bytes)

    def begin(self, lines: Iterable[bytes]) -> BucketLog:
        """Begin a ledger of this run; those that were there are removed first."""
        self.clear()
        log = BucketLog(self.lease, f"{self.prefix}/{self.lease.token}")
        for line in lines:
            log.append(line)
        return log

    def go_on(self, earlier: LedgerPlace, n_bytes: int, line: bytes) -> BucketLog:
        """Go on behind the good lines, with one that nobody else can put any more."""
        _ = earlier
        log = self.reopen(n_bytes)
        log.append(line)
        return log

    def reopen(self, n_bytes: int) -> BucketLog:
        """Go on behind the good lines; damaged ones are removed."""
        entries = self.entries()
        sizes = itertools.accumulate(entry.n_bytes for entry in entries)
        n_good = sum(size <= n_bytes for size in sizes)
        self.lease.bucket.remove([entry.key for entry in entries[n_good:]])
        return BucketLog(self.lease, entries[0].key.rpartition("/")[0], n_good)

    def clear(self) -> None:
        """Remove all lines."""
        self.lease.ensure()
        self.lease.bucket.remove([entry.key for entry in self.lease.bucket.entries(self.prefix)])


@dataclass
class BucketLog(Log):
    """Puts lines below a prefix, as long as the lease is held."""

    lease: Lease
    prefix: str
    _number: int = 0

    @property
    def is_current(self) -> bool:
        """Whether this run has the lease; the store is asked."""
        return self.lease.confirm()

    def append(self, line: bytes, *, sync: bool = True) -> None:
        """Put a line.

        Raises
        ------
        TargetError
            Another run has taken over.

        """
        _ = sync
        self.lease.require()
        key = f"{self.prefix}/{_named(self._number)}"
        if self.lease.bucket.put_new(key, line) is None:
            self.lease.ensure()
            self.lease.bucket.put(key, line)  # of a run whose lease has ended, and that did not know it yet
        self._number += 1

    def close(self) -> None:
        """Do nothing."""


def _named(number: int) -> str:
    return f"{number:010d}"
