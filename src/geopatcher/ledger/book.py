"""The ledger itself: begun with a header, one line per finished row of blocks, ended with a summary."""

from __future__ import annotations

import datetime as dt
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from geopatcher.box import Box
from geopatcher.errors import TargetError
from geopatcher.finished import Finished
from geopatcher.ledger.lines import Json, Record, append, encode, read_lines
from geopatcher.ledger.spec_json import spec_from_json, spec_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geopatcher.domain import ResultSpec

#: Version of the format of these files.
FORMAT = 1

#: What a run is, entry by entry; two runs with the same one give the same bytes.
Fingerprint = Mapping[str, "str | int | float"]


class Flaw(NamedTuple):
    """A patch that failed and was left out: ``(row, col)``, the stage, the message, the retries."""

    anchor: tuple[int, int]
    kind: str
    message: str
    retries: int = 0


@dataclass(frozen=True)
class Header:
    """The first line: what is being made, and of what.

    ``n_bands`` and ``dtype`` are those of the operator's results, ``None`` when no patch held data.
    """

    fingerprint: Fingerprint
    spec: ResultSpec
    n_bands: int | None = None
    dtype: np.dtype | None = None

    def to_json(self) -> Record:
        """Return the line."""
        return {
            "ledger": FORMAT,
            "began": now(),
            "fingerprint": dict(self.fingerprint),
            "result": spec_to_json(self.spec),
            "bands": self.n_bands,
            "dtype": None if self.dtype is None else self.dtype.str,
        }

    @classmethod
    def from_json(cls, record: Record) -> Self:
        """Read the line.

        Raises
        ------
        ValueError
            It is another version's, or damaged.

        """
        if record.get("ledger") != FORMAT:
            raise ValueError(f"its format is {record.get('ledger')!r}, and this version reads {FORMAT}")
        fingerprint, bands, dtype = record.get("fingerprint"), record.get("bands"), record.get("dtype")
        if not isinstance(fingerprint, dict) or not isinstance(bands, int | None):
            raise ValueError("its first line is damaged")  # noqa: TRY004 - the file is wrong, not the call
        known = {
            str(key): value for key, value in fingerprint.items() if isinstance(value, str | int | float)
        }
        try:
            of = None if dtype is None else np.dtype(str(dtype))
        except TypeError as error:
            raise ValueError(f"its first line is damaged: {error}") from error
        return cls(known, spec_from_json(record.get("result")), bands, of)


@dataclass(frozen=True)
class Completion:
    """The last line: when, and what the run that completed the result did.

    ``changed`` are the entries of the source's identity that were different at the end.
    """

    stats: Mapping[str, Json] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    at: str = ""

    def to_json(self) -> Record:
        """Return the line."""
        return {"complete": self.at or now(), "stats": dict(self.stats), "changed": list(self.changed)}


@dataclass
class Account:
    """What a ledger says.

    ``finished`` holds the rows of blocks that are done without a flaw; ``flawed`` are those done
    without some patches, to be tried again, with the ``flaws`` of each. ``lost`` counts the lines
    that cannot be trusted any more: written by a system that has gone down since, without a later
    line saying that all before it was on the disk.
    """

    header: Header
    finished: Finished
    flawed: dict[Box, tuple[Flaw, ...]] = field(default_factory=dict)
    completion: Completion | None = None
    rows: int = 0
    good_bytes: int = 0
    lost: int = 0
    _boot: str = ""
    _unsynced: list[Box] = field(default_factory=list)
    _completed_here: bool = False

    def flaws(self) -> list[Flaw]:
        """Return the failed patches, each once."""
        return list(dict.fromkeys(flaw for flaws in self.flawed.values() for flaw in flaws))

    def take(self, record: Record) -> None:
        """Read one more line; one of an unknown kind says nothing.

        Raises
        ------
        ValueError
            A line of a known kind is damaged.

        """
        if "row" in record:
            box, flaws = _box(record["row"]), _flaws(record.get("flaws", ()))
            self.rows += 1
            self._unsynced.append(box)
            self.flawed.pop(box, None)
            if flaws:
                self.flawed[box] = flaws
                self.finished.remove(box)
            else:
                self.finished.add(box)
        elif "synced" in record:
            self._unsynced.clear()
            self._completed_here = False
        elif "session" in record:
            self.doubt(str(record.get("boot", "")))
            self.completion = None
        elif "complete" in record:
            stats, changed = record.get("stats"), record.get("changed")
            if not isinstance(stats, dict) or not isinstance(changed, list):
                raise ValueError("the last line is damaged")
            self.completion = Completion(stats, tuple(map(str, changed)), str(record["complete"]))
            self._completed_here = True

    def doubt(self, boot: str) -> None:
        """Forget what was not on the disk for sure, if ``boot`` says that the system went down since."""
        if boot != self._boot:
            for box in self._unsynced:
                self.finished.remove(box)
                self.flawed.pop(box, None)
            self.lost += len(self._unsynced) + self._completed_here
            self.rows -= len(self._unsynced)
            if self._unsynced or self._completed_here:
                self.completion = None
        self._boot = boot
        self._unsynced = []
        self._completed_here = False


def read_ledger(path: Path) -> Account | None:
    """Return what a ledger says, ``None`` where there is none. Nothing in the file is executed.

    Raises
    ------
    TargetError
        The file is not a ledger, is damaged in its first line, or cannot be read.

    """
    try:
        records, good = read_lines(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TargetError(f"cannot read the ledger {path}: {error}") from error
    try:
        header = Header.from_json(records[0] if records else {})
    except ValueError as error:
        raise TargetError(
            f"{path} is not a ledger that can be continued: {error}; "
            f"pass overwrite=True (--overwrite) to begin anew"
        ) from error
    account = Account(header, Finished(_block_rows(header.spec)), good_bytes=good)
    for record in records[1:]:
        try:
            account.take(record)
        except ValueError as error:
            raise TargetError(f"the ledger {path} is damaged: {error}; pass overwrite=True") from error
    account.doubt(boot_id())
    return account


@dataclass
class Ledger:
    """A ledger being written, by one process.

    Raises
    ------
    TargetError
        From every method that writes: the disk is full or gone.

    """

    path: Path
    _descriptor: int = field(repr=False)
    rows: int = 0

    @classmethod
    def begin(cls, path: Path, header: Header) -> Self:
        """Begin a ledger; it appears with its header or not at all."""
        with _explained(path):
            _put(path, encode(header.to_json()) + encode(_session()))
            return cls(path, _open(path))

    @classmethod
    def go_on(cls, path: Path, account: Account) -> Self:
        """Go on with a ledger, behind its last good line."""
        with _explained(path):
            descriptor = _open(path)
            os.ftruncate(descriptor, account.good_bytes)
            append(descriptor, _session())
            return cls(path, descriptor, account.rows)

    @classmethod
    def revive(cls, finished: Path, path: Path, account: Account) -> Self:
        """Begin a ledger with all another one says, but that its result is complete."""
        with _explained(path):
            _put(path, finished.read_bytes()[: account.good_bytes] + encode(_session()))
            return cls(path, _open(path), account.rows)

    def row(self, box: Box, flaws: Iterable[Flaw] = ()) -> None:
        """Write down a finished row of blocks, and the patches that are missing in it."""
        record: dict[str, Json] = {"row": [box.row0, box.row1, box.col0, box.col1]}
        flawed: list[Json] = [[*flaw.anchor, flaw.kind, flaw.message, flaw.retries] for flaw in flaws]
        if flawed:
            record["flaws"] = flawed
        with _explained(self.path):
            append(self._descriptor, record)
        self.rows += 1

    def synced(self) -> None:
        """Write down that the blocks of all rows so far are on the disk."""
        with _explained(self.path):
            append(self._descriptor, {"synced": now()})

    def complete(self, completion: Completion) -> None:
        """Write down that the result is complete."""
        with _explained(self.path):
            append(self._descriptor, completion.to_json())

    def close(self) -> None:
        """Write nothing more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class _explained:  # noqa: N801 - a context manager, named as one reads it
    """Turns an error of the disk into one that names the ledger."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, TargetError):
            raise TargetError(f"cannot write the ledger {self._path}: {error}") from error


def differences(old: Fingerprint, new: Fingerprint) -> list[str]:
    """Return what two fingerprints disagree in, for people.

    >>> differences({"plan.step": "64x64", "batch_size": 1}, {"plan.step": "32x32", "batch_size": 1})
    ['plan.step was 64x64 and is 32x32']
    """
    keys = sorted({*old, *new})
    return [
        f"{key} was {old.get(key, 'not there')} and is {new.get(key, 'not there')}"
        for key in keys
        if old.get(key) != new.get(key)
    ]


def now() -> str:
    """Return the time in UTC, ISO 8601, in seconds."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _session() -> Record:
    return {"session": now(), "pid": os.getpid(), "host": socket.gethostname(), "boot": boot_id()}


def boot_id() -> str:
    """Return what tells one start of the operating system from another.

    What a process has written outlives it, but not the system, unless it was synced to the disk.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # not Linux: nothing is trusted that is not synced, but in the same hour of the clock
        return f"{socket.gethostname()} {int(time.time() - time.monotonic()) // 3600}"


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)


def _put(path: Path, content: bytes) -> None:
    """Let a file appear with all of its content, on the disk."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _block_rows(spec: ResultSpec) -> int:
    return (spec.shards or spec.chunks)[0]


def _box(value: Json) -> Box:
    if not isinstance(value, list) or len(value) != 4 or not all(isinstance(n, int) for n in value):
        raise ValueError(f"{value!r} is not a rectangle")
    box = Box(*map(int, value))
    if min(box.row0, box.col0) < 0 or not box.n_pixels:
        raise ValueError(f"{value!r} is not a rectangle with pixels")
    return box


def _flaws(value: Json) -> tuple[Flaw, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r} is not a list of patches")  # noqa: TRY004 - the file is wrong
    flaws = []
    for entry in value:
        if not isinstance(entry, list) or len(entry) != 5:
            raise ValueError(f"{entry!r} is not a failed patch")
        row, col, kind, message, retries = entry
        flaws.append(Flaw((int(row), int(col)), str(kind), str(message), int(retries)))
    return tuple(flaws)
