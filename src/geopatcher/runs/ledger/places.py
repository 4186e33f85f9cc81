"""Where a ledger is kept: a file to which lines are appended."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from geopatcher.runs.ledger.lines import append
from geopatcher.targets.digests import PIECE_BYTES
from geopatcher.targets.durable import LedgerPlace, Log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO


def ledger_at(place: Path | LedgerPlace) -> LedgerPlace:
    """Return where a ledger is kept; of a path, the file."""
    return FileLedger(place) if isinstance(place, Path) else place


@dataclass(frozen=True)
class FileLedger(LedgerPlace):
    """A file."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def boot(self) -> str:
        """What tells one start of the operating system from another: it may lose what was not synced."""
        return boot_id()

    def open(self) -> BinaryIO:
        """Open the file."""
        return self.path.open("rb")

    def start(self, n_bytes: int) -> Iterator[bytes]:
        """Yield the first bytes of the file, piece by piece."""
        with self.path.open("rb") as file:
            while n_bytes > 0 and (piece := file.read(min(PIECE_BYTES, n_bytes))):
                n_bytes -= len(piece)
                yield piece

    def begin(self, lines: Iterable[bytes]) -> FileLog:
        """Let the file appear with all of these lines, on the disk."""
        _put(self.path, lines)
        return FileLog(self.path)

    def go_on(self, earlier: LedgerPlace, n_bytes: int, line: bytes) -> FileLog:
        """Begin the file with what an earlier one says; it is another file, the two may have one name."""
        return self.begin(chain(earlier.start(n_bytes), [line]))

    def reopen(self, n_bytes: int) -> FileLog:
        """Open the file to add to its good bytes."""
        log = FileLog(self.path)
        log.cut(n_bytes)
        return log


@dataclass
class FileLog(Log):
    """An open file to which lines are appended."""

    path: Path
    _descriptor: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    @property
    def is_current(self) -> bool:
        """Whether it is still the file of its name."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except OSError:
            return False

    def append(self, line: bytes, *, sync: bool = True) -> None:
        """Append a line."""
        append(self._descriptor, line, sync=sync)

    def cut(self, n_bytes: int) -> None:
        """Forget what follows the first bytes."""
        os.ftruncate(self._descriptor, n_bytes)

    def close(self) -> None:
        """Write nothing more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def boot_id() -> str:
    """Return what tells one start of the operating system from another.

    What a process has written outlives it, but not the system, unless it was synced to the disk.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # not Linux: nothing is trusted that is not synced, but in the same hour of the clock
        return f"{socket.gethostname()} {int(time.time() - time.monotonic()) // 3600}"


def _put(path: Path, content: Iterable[bytes]) -> None:
    """Let a file appear with all of its content, on the disk."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.writelines(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
