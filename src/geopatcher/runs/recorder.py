"""Rows of blocks written down as they are finished, in a background thread."""

from __future__ import annotations

import time
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

from geopatcher.engine.pipeline import BackgroundWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from geopatcher.core.box import Box
    from geopatcher.runs.ledger.rows_json import Flaw
    from geopatcher.runs.ledger.writing import Ledger
    from geopatcher.targets.digests import Digests
    from geopatcher.targets.protocol import BlockStore

#: Longest time between two syncs of the blocks to the disk: the work a system that goes down may cost.
SYNC_SECONDS = 30.0


@dataclass
class LedgerWriter:
    """Writes rows of blocks into a ledger, and syncs their files from time to time.

    Whatever ends the process, its files outlive it. So that a system that goes down costs little too,
    the blocks are synced to the disk every `SYNC_SECONDS`, and the ledger says so: waiting for the disk
    after each row would make a run as slow as the disk. ``unsynced`` are rows, those of earlier runs
    included, that are not on the disk for sure. With ``pipelined`` off all is done in the calling thread.
    """

    ledger: Ledger
    sink: BlockStore
    unsynced: list[Box] = field(default_factory=list)
    _: KW_ONLY
    pipelined: bool
    has_synced: bool = False
    _writer: BackgroundWriter = field(init=False)
    _synced_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._writer = BackgroundWriter(pipelined=self.pipelined)

    def submit(self, call: Callable[[], None]) -> None:
        """Have something done in the background thread, after all that was handed over before."""
        self._writer.submit(call)

    def write(self, box: Box, files: Digests, flaws: Iterable[Flaw]) -> None:
        """Write down a row of blocks; called in the background thread."""
        self.ledger.row(box, files, flaws)
        self.unsynced.append(box)
        if time.monotonic() - self._synced_at >= SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Wait until all blocks so far are on the disk, and write that down."""
        for box in self.unsynced:
            self.sink.sync(box)
        self.ledger.synced()
        self.unsynced.clear()
        self._synced_at = time.monotonic()
        self.has_synced = True

    def finish(self) -> None:
        """Wait until everything is written down.

        Raises
        ------
        TargetError
            It could not be.

        """
        self._writer.finish()
