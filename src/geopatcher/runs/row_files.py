"""Rows of patches on their way to a file that is written at the end: a file for each, and a ledger.

The ledger has a header that says what the run is, and a line for each row, written when the file of the row
is on the disk. A run that goes on takes the rows whose files are what their lines say.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from geopatcher.core.digests import digest_of
from geopatcher.core.json_values import whole_from_json
from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.runs.fingerprint import differing, unknown_in
from geopatcher.runs.ledger.lines import append, encode, read_lines
from geopatcher.targets.folders import sync_folder
from geopatcher.targets.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from geopatcher.core.json_values import Json, Record
    from geopatcher.core.protocols import Resume
    from geopatcher.runs.ledger.book import Fingerprint

#: Version of the ledger.
FORMAT = "rows of patches 1"
#: Most differences that are told.
TOLD = 12


class RowKey(NamedTuple):
    """A row of patches, and the columns ``[first, stop)`` of it, counted in patches."""

    row: int
    first: int
    stop: int

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"row-{self.row:08d}-{self.first:08d}"


class RowNote(NamedTuple):
    """What a line says of a row: the digest of its file, and numbers that are known without reading it."""

    key: RowKey
    digest: str
    numbers: Mapping[str, float]


@dataclass
class RowFiles:
    """The rows of a run that makes the file ``place``; of one process at a time, by a lock.

    ``columns`` are the borders, in patches, at which rows were cut by the run that began.
    """

    place: Path
    fingerprint: Fingerprint
    columns: tuple[int, ...]
    work: RunFolder = field(init=False, repr=False)
    notes: dict[RowKey, RowNote] = field(default_factory=dict, init=False)
    _descriptor: int = field(default=-1, init=False, repr=False)

    def __post_init__(self) -> None:
        self.work = RunFolder(*work_places(self.place))

    def open(self, *, resume: Resume, overwrite: bool) -> Self:
        """Claim the place, and go on from what an earlier run left, or begin.

        Raises
        ------
        TargetExistsError
            The file is there, or what another run has begun, and ``overwrite`` is not set.
        TargetLockedError
            Another live run makes it.
        TargetError
            The folder is missing, or cannot be written.

        """
        if not self.place.parent.is_dir():
            raise TargetError(f"the folder {self.place.parent} does not exist: create it, or choose another")
        if self.place.is_dir():
            raise TargetError(f"{self.place} is a folder, where a file is to be: take another name")
        if self.place.exists() and not overwrite:
            raise TargetExistsError(
                f"{self.place} exists: choose another name, or pass overwrite=True (--overwrite)"
            )
        self.work.claim()
        try:
            self._go_on_or_begin(resume, overwrite=overwrite)
        except BaseException:
            self.work.release()
            raise
        return self

    def _go_on_or_begin(self, resume: Resume, *, overwrite: bool) -> None:
        earlier = self.work.earlier()
        header, lines, n_bytes = (None, [], 0) if earlier is None else self._read(earlier)
        if earlier is not None and header is not None and not overwrite and not resume:
            raise TargetExistsError(
                f"{self.work.path} holds what an interrupted run finished: run that again to go on, choose "
                f"another name, or pass overwrite=True (--overwrite)"
            )
        reasons = [] if header is None else self._reasons(header, resume)
        if reasons and not overwrite:
            more = f" and {len(reasons) - TOLD} more" if len(reasons) > TOLD else ""
            raise TargetExistsError(
                f"{self.place} was begun by another run: {'; '.join(reasons[:TOLD])}{more}. Call it with "
                f"what it "
                f"was begun with, choose another name, or pass overwrite=True (--overwrite) to begin anew. "
                f"Where "
                f"it cannot be known whether the detector is the same, resume='always' (--resume-always) "
                f"says "
                f"that it is"
            )
        try:
            if earlier is None or header is None or reasons or not resume:
                self._begin()
                return
            self.work.adopt(earlier)
            self.columns = _borders(header["columns"])
            self.notes = {note.key: note for note in map(_note_of, lines) if self._is_there(note)}
            self._descriptor = os.open(self.work.ledger, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            os.ftruncate(self._descriptor, n_bytes)
        except OSError as error:
            raise TargetError(f"cannot work in {self.work.path}: {error}") from error

    def _begin(self) -> None:
        self.work.begin()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(self.work.ledger, flags, 0o644)
        append(
            self._descriptor,
            encode({"format": FORMAT, "columns": list(self.columns), "fingerprint": self.fingerprint}),
        )
        sync_folder(self.work.own)

    def _read(self, folder: Path) -> tuple[Record | None, list[Record], int]:
        """Return the header and the lines of a ledger, and how many bytes of it are good."""
        with self.work.ledger_in(folder).open("rb") as file:
            read = list(read_lines(file))
        if not read or read[0].record.get("format") != FORMAT:
            return None, [], 0
        return read[0].record, [line.record for line in read[1:]], sum(line.n_bytes for line in read)

    def _reasons(self, header: Record, resume: Resume) -> list[str]:
        before = header.get("fingerprint")
        known: Fingerprint = (
            {name: value for name, value in before.items() if isinstance(value, str | int | float)}
            if isinstance(before, dict)
            else {}
        )
        trusting = resume == "always"
        found = differing(known, self.fingerprint, trusting=trusting)
        return found or ([] if trusting else unknown_in(self.fingerprint))

    def _is_there(self, note: RowNote) -> bool:
        try:
            return digest_of(self._path(note.key).read_bytes()) == note.digest
        except OSError:
            return False

    def _path(self, key: RowKey) -> Path:
        return self.work.own / key.file

    def write(self, key: RowKey, data: bytes, numbers: Mapping[str, float]) -> RowNote:
        """Put the file of a row on the disk; it counts when `record` has been told of it.

        Raises
        ------
        TargetError
            The disk is full or gone.

        """
        path = self._path(key)
        part = path.with_suffix(".partial")
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            raise TargetError(f"cannot write {path}: {error}") from error
        return RowNote(key, digest_of(data), numbers)

    def record(self, note: RowNote) -> None:
        """Write down that a row is done.

        Raises
        ------
        TargetError
            The disk is full or gone.

        """
        try:
            sync_folder(self.work.own)
            append(
                self._descriptor,
                encode({"row": list(note.key), "digest": note.digest, "numbers": dict(note.numbers)}),
            )
        except OSError as error:
            raise TargetError(f"cannot write {self.work.ledger}: {error}") from error
        self.notes[note.key] = note

    def read(self, note: RowNote) -> bytes:
        """Return what the file of a row holds.

        Raises
        ------
        TargetError
            It cannot be read, or was changed since.

        """
        path = self._path(note.key)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise TargetError(f"cannot read {path}: {error}") from error
        if digest_of(data) != note.digest:
            raise TargetError(f"{path} was changed since it was written: run again to make it anew")
        return data

    def close(self, *, tidy: bool) -> None:
        """Let go of the place; ``tidy`` removes all that was for the file on its way."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if tidy:
            self.work.tidy()
        self.work.release()


def work_places(place: Path) -> tuple[Path, Path]:
    """Return the folder in which a file is made, and the lock on it.

    >>> from pathlib import Path
    >>> [path.name for path in work_places(Path("ships.gpkg"))]
    ['ships.gpkg.partial', 'ships.gpkg.lock']
    """
    return place.with_name(f"{place.name}.partial"), place.with_name(f"{place.name}.lock")


def _borders(value: Json) -> tuple[int, ...]:
    return tuple(whole_from_json(one) for one in value) if isinstance(value, list) else ()


def _note_of(line: Record) -> RowNote:
    """Return what a line says.

    Raises
    ------
    TargetError
        It is no line of such a ledger.

    """
    row, digest, numbers = line.get("row"), line.get("digest"), line.get("numbers")
    if (
        not isinstance(row, list)
        or len(row) != 3
        or not isinstance(digest, str)
        or not isinstance(numbers, dict)
    ):
        raise TargetError(f"the ledger has a line that no run of this version writes: {dict(line)!r:.100}")
    first, second, third = map(whole_from_json, row)
    known = {name: value for name, value in numbers.items() if isinstance(value, int | float)}
    return RowNote(RowKey(first, second, third), digest, known)


def kept(rows: Sequence[RowNote] | Mapping[RowKey, RowNote], place: Path) -> str:
    """Return what to say of what is kept when a run ends early."""
    if not rows:
        return "nothing is kept"
    return f"{len(rows)} rows of patches are kept: run the same again to go on with {place}"
