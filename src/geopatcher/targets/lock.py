"""One writer per target: a lock file that the operating system lets go when its process ends."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geopatcher.errors import TargetError, TargetLockedError

if TYPE_CHECKING:
    from pathlib import Path

#: How a lock begins.
SIGNATURE = b"process "


@dataclass
class TargetLock:
    """A lock on ``path``, held from `take` to `release`.

    It is the kernel's (``flock``), so the lock of a process that died, however it died, is gone: the
    next run takes over. It holds between threads of one process too. On network file systems
    it holds as far as those pass ``flock`` on.
    """

    path: Path
    _descriptor: int = field(default=-1, init=False, repr=False)

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor >= 0

    def take(self) -> None:
        """Take the lock, or say who has it.

        Raises
        ------
        TargetLockedError
            Another live run has it; names its process and when it started.
        TargetError
            The lock file cannot be made.

        """
        while not self.held:
            try:
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except OSError as error:
                raise TargetError(f"cannot make the lock {self.path}: {error}") from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.read(descriptor, 4096).decode(errors="replace").strip()
                os.close(descriptor)
                raise TargetLockedError(
                    f"{self.path.with_suffix('')} is being written by {owner or 'another process'}: "
                    f"wait for it, stop it, or choose another target"
                ) from None
            except OSError as error:
                os.close(descriptor)
                raise TargetError(f"cannot lock {self.path}: {error}") from error
            if self._is_current(descriptor):
                self._require_ours(descriptor)
                self._descriptor = descriptor
                self._sign()
            else:  # its last holder removed the file between our opening and locking it
                os.close(descriptor)

    def release(self) -> None:
        """Let go, and remove the file. Harmless when the lock is not held."""
        if not self.held:
            return
        self.path.unlink(missing_ok=True)  # while it is held: nobody else can have locked this file
        os.close(self._descriptor)
        self._descriptor = -1

    def _require_ours(self, descriptor: int) -> None:
        """Refuse a file of somebody else that has the name of the lock."""
        held = os.read(descriptor, 4096).strip(b"\0")  # a power failure may leave zeros, or a part
        if not (held.startswith(SIGNATURE) or SIGNATURE.startswith(held)):
            os.close(descriptor)
            raise TargetError(
                f"{self.path} is in the way and is not a lock: move it, or choose another target"
            )

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def _sign(self) -> None:
        started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        text = f"{SIGNATURE.decode()}{os.getpid()} on {socket.gethostname()}, which started at {started}\n"
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, text.encode())
