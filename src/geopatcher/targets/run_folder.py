"""The working folder of a target, which one run at a time has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geopatcher.targets.lock import TargetLock
from geopatcher.targets.work_folder import WorkFolder

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class RunFolder:
    """Where one run at a time builds a result: ``path``, and in it ``own``, a folder of that run.

    A run has it from `claim` to `release`, by the lock file ``lock_path``; threads of one process and other
    processes are kept out alike. Objects are used by one thread, and stay in their process: workers are told
    where to write by a store that pickles as its path.
    """

    path: Path
    lock_path: Path
    _lock: TargetLock = field(init=False, repr=False)
    _work: WorkFolder = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._lock = TargetLock(self.lock_path)
        self._work = WorkFolder(self.path)

    @property
    def token(self) -> str:
        """The token of this run."""
        return self._work.token

    @property
    def own(self) -> Path:
        """The folder of this run."""
        return self._work.own

    @property
    def ledger(self) -> Path:
        """The ledger of this run."""
        return self.ledger_in(self.own)

    @staticmethod
    def ledger_in(folder: Path) -> Path:
        """Return the ledger in the folder of a run."""
        return folder / "ledger.jsonl"

    @property
    def is_held(self) -> bool:
        """Whether this run has it."""
        return self._lock.held

    def claim(self) -> None:
        """Become the one writer of the target.

        Raises
        ------
        TargetLockedError
            Another live run is; names its process and when it started.

        """
        if not self._lock.held:
            self._work = WorkFolder(self.path)
        self._lock.take()

    def release(self) -> None:
        """Let others have the target."""
        self._lock.release()

    @property
    def is_begun(self) -> bool:
        """Whether runs left anything to go on with: copies, which are made anew, do not."""
        return self.earlier() is not None

    def earlier(self) -> Path | None:
        """Return the folder in which an earlier run left something to go on with."""
        left = [folder for folder in self._work.earlier() if self.ledger_in(folder).is_file()]
        return max(left, key=lambda folder: self.ledger_in(folder).stat().st_mtime_ns, default=None)

    def earlier_ledger(self) -> Path | None:
        """Return the ledger in that folder."""
        folder = self.earlier()
        return None if folder is None else self.ledger_in(folder)

    def adopt_earlier(self) -> None:
        """Take over that folder, and remove those of others."""
        self.adopt(self.earlier() or self.own)

    def earlier_of(self, token: str) -> Path | None:
        """Return the folder an earlier run of this token left."""
        folder = self._work.named(token)
        return folder if folder in self._work.earlier() else None

    def begin(self) -> None:
        """Make the folder of this run, instead of what earlier ones left."""
        self.claim()
        self._work.begin()

    def adopt(self, folder: Path) -> None:
        """Take over the folder of an earlier run; who still works for that one finds it no more."""
        self._work.adopt(folder)

    def tidy(self) -> None:
        """Remove what this run and earlier ones have left, and the folder."""
        self._work.remove()

    def leave(self) -> None:
        """Remove what this run has left."""
        self._work.leave()
