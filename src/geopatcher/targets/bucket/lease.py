"""One writer per target in a bucket: an object that its writer renews, and that ends when it does not."""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from geopatcher.errors import TargetError, TargetLockedError
from geopatcher.targets.work_folder import fresh_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.formats.buckets import Bucket, Entry

#: How long a lease lasts that is not renewed, and how often it is renewed in that time.
LEASE_S, RENEWALS = 60.0, 4
#: Times that others may come between before it is given up to take a lease.
TRIES = 5
#: What a lease begins with.
FORMAT = 1


@dataclass
class Lease:
    """The lease on ``key``, held from `take` to `release` and renewed in a thread meanwhile.

    It is put where there is none, and changed only as the object that was seen, by its ETag, so that of two
    who want it one gets it. It ends `LEASE_S` after its writer was last heard of, by the clock of the store,
    and at once if that was a process of this machine that is no more. ``place`` is what messages call the
    target, ``token`` is that of the run. Used by one thread.
    """

    bucket: Bucket
    key: str
    place: str
    token: str
    seconds: float = field(default_factory=lambda: LEASE_S)
    _e_tag: str | None = field(default=None, init=False, repr=False)
    _count: int = field(default=0, init=False, repr=False)
    _renewed_at: float = field(default=0.0, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _ended: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _started: str = field(default="", init=False, repr=False)

    @property
    def held(self) -> bool:
        """Whether this run has it, as far as that is known without asking."""
        return self._e_tag is not None and time.monotonic() - self._renewed_at < self.seconds

    def take(self) -> None:
        """Take the lease, or say who has it.

        Raises
        ------
        TargetLockedError
            Another live run has it; names its process, its machine, and when it was heard of.
        TargetError
            The store does not let us, or something else has the name of the lease.

        """
        if self._e_tag is not None:
            return
        self._started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        for _ in range(TRIES):
            asked = time.monotonic()
            e_tag = self.bucket.put_new(self.key, self._content())
            entry = self.bucket.head(self.key) if e_tag is None else None
            if entry is not None:
                self._require_stale(entry)
                e_tag = self.bucket.swap(self.key, self._content(), entry.e_tag)
            if e_tag is not None:
                self._e_tag, self._renewed_at = e_tag, asked
                self._ended.clear()
                threading.Thread(target=self._keep, name="geopatcher-lease", daemon=True).start()
                return
        raise TargetLockedError(f"{self.place} is wanted by several runs at once: try again")

    def confirm(self) -> bool:
        """Renew the lease; return whether this run has it."""
        with self._lock:
            if self._e_tag is None:
                return False
            self._count += 1
            asked = time.monotonic()
            e_tag = self.bucket.swap(self.key, self._content(), self._e_tag)
            self._e_tag = e_tag
            if e_tag is not None:
                self._renewed_at = asked
            return e_tag is not None

    def require(self) -> None:
        """Refuse to go on when another run may have the target; the store is asked when that is not known.

        Raises
        ------
        TargetError
            The lease was lost.

        """
        if not self.held and not self.confirm():  # a process may have slept longer than its lease lasts
            raise TargetError(
                f"another run has taken over {self.place}: what was finished is kept, run the same again to "
                f"go on from there"
            )

    def ensure(self) -> None:
        """Refuse to go on when another run has the target; the store is asked.

        Raises
        ------
        TargetError
            The lease was lost.

        """
        self._renewed_at = float("-inf")
        self.require()

    def release(self) -> None:
        """Let go. Harmless when the lease is not held; where the store does not answer, it ends by itself."""
        self._ended.set()
        with suppress(TargetError):
            if self.confirm():  # else it is another's, and stays
                self.bucket.remove([self.key])
        self._e_tag = None

    def _keep(self) -> None:
        while not self._ended.wait(self.seconds / RENEWALS):
            try:
                if not self.confirm():
                    return
            except TargetError:  # it is asked again
                continue

    def _content(self) -> bytes:
        return json.dumps(
            {
                "lease": FORMAT,
                "run": self.token,
                "process": os.getpid(),
                "host": socket.gethostname(),
                "machine": _machine(),
                "started": self._started,
                "seconds": self.seconds,
                "renewed": self._count,
            }
        ).encode()

    def _require_stale(self, entry: Entry) -> None:
        """Refuse a lease of a run that may be alive."""
        try:
            held = json.loads(self.bucket.get(self.key))
        except FileNotFoundError:  # it was let go
            return
        except ValueError:
            held = None
        if not isinstance(held, dict) or held.get("lease") != FORMAT:
            raise TargetError(
                f"{self.bucket.root}/{self.key} is in the way and is not a lease: move it, or choose another "
                f"target"
            )
        age, lasts = self._age_s(entry), float(held["seconds"])
        if age > lasts or _is_dead(held):
            return
        raise TargetLockedError(
            f"{self.place} is being written by process {held['process']} on {held['host']}, which started at "
            f"{held['started']} and was heard of {age:.0f} s ago: wait for it, stop it, or choose another "
            f"target; of a run that is no more the target is free {lasts:.0f} s after it was last heard of"
        )

    def _age_s(self, entry: Entry) -> float:
        """Return how long ago a lease was renewed, by the clock of the store: against an object of now."""
        probe = f"{self.key}.{fresh_token()}"
        self.bucket.put(probe, b"")
        now = self.bucket.head(probe)
        self.bucket.remove([probe])
        return 0.0 if now is None else (now.modified - entry.modified).total_seconds()


def _machine() -> str:
    """Return what no other start of a machine, and no other container on it, is called."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux: another process is never known to be dead
        return ""


def _is_dead(held: Mapping[str, object]) -> bool:
    """Whether a lease is of a process of this machine that is no more."""
    if not held.get("machine") or held["machine"] != _machine():
        return False
    try:
        os.kill(int(str(held["process"])), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False
