"""A journal of patches, for people who drive the loop over patches themselves."""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from geopatcher.api.anchor_list import PendingAnchors
from geopatcher.core.closing import Closing
from geopatcher.core.places import cell_at
from geopatcher.errors import TargetError
from geopatcher.errors.redaction import clean, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Longest line that is read, and most values in one: others were not written here.
MAX_LINE_BYTES = 16 << 20
MAX_VALUES = 100_000

#: Statuses that say that a patch has to be done again.
FAILED = frozenset({"failed", "error"})


class PatchJournal(Closing):
    """Which patches a loop has done, in a file of JSON lines that outlives the process.

    ``split(field, journal=journal)`` leaves out the patches it has. The loop commits each patch after
    its output is safe.

    What it does not promise:

    - It knows what it is told. It looks neither at outputs nor at what made them: after a change of
      the operator, the source or the step, begin another journal.
    - Patches that overlap must not be stitched from what is left over: the sum would lack the
      patches of before. A journal is for outputs that stand by themselves, such as a file per
      patch. To stitch, use `geopatcher.reconstruct`, which goes on by itself.
    - A line is on the disk when `commit` returns; a patch whose output was written, but not
      committed, is done again. So outputs must bear being written twice.
    - Threads may share a journal. Processes may append to one file on a local disk, and do not see
      each other's commits until they open it again.

    Parameters
    ----------
    uri
        A path, or a ``file://`` URI. The file is made when it is not there.

    Raises
    ------
    ValueError
        The URI is of another kind.
    TargetError
        The file cannot be opened.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> place = pathlib.Path(tempfile.mkdtemp()) / "journal.jsonl"
    >>> with PatchJournal(place) as journal:
    ...     journal.commit((0, 128), status="done", runtime_s=0.2, output_uri="0_128.tif")
    ...     journal.commit((0, 256), status="failed", runtime_s=0.1, error="OSError: gone")
    >>> journal = PatchJournal(place)
    >>> journal.has((0, 128)), journal.has((0, 256))
    (True, False)
    >>> list(journal.pending([(0, 128), (0, 256), (0, 384)]))
    [(0, 256), (0, 384)]

    """

    def __init__(self, uri: str | os.PathLike[str]) -> None:
        self.path = _local(os.fspath(uri))
        self._lock = threading.Lock()
        self._done: set[tuple[int, int]] = set()
        self._torn = False
        if self.path.exists() and not self.path.is_file():  # reading a device might never end
            raise TargetError(f"the journal {self.path} is not a file: choose another place")
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            self._read()
        except OSError as error:
            raise TargetError(f"cannot open the journal {self.path}: {error}") from error

    def has(self, anchor: tuple[int, int]) -> bool:
        """Whether the last commit of a patch said that it is done.

        Parameters
        ----------
        anchor
            ``(row, col)`` of the patch.

        Returns
        -------
        bool
            False for one it never heard of.

        """
        return cell_at(anchor) in self._done

    def pending(self, anchors: Iterable[tuple[int, int]]) -> PendingAnchors:
        """Return those of ``anchors`` that are not done, as a sequence that follows the journal.

        Parameters
        ----------
        anchors
            ``(row, col)`` of each patch.

        Returns
        -------
        sequence of tuple of int
            ``(row, col)``, in the order given: whenever it is looked at, those not done by then.

        """
        return PendingAnchors(anchors, self.has)

    def commit(
        self,
        anchor: tuple[int, int],
        *,
        status: str,
        runtime_s: float,
        output_uri: str | None = None,
        error: str | None = None,
    ) -> None:
        """Write down a patch, and wait until that is on the disk.

        Parameters
        ----------
        anchor
            ``(row, col)``, as the patch has it.
        status
            ``"done"``, or any word; with ``"failed"``, ``"error"``, or an ``error``, the patch stays
            pending.
        runtime_s
            Seconds it took.
        output_uri, error
            Where its output is; what went wrong.

        Raises
        ------
        TargetError
            The disk is full or gone.

        """
        row, col = cell_at(anchor)
        record = {
            "anchor": [row, col],
            "status": status,
            "runtime_s": float(runtime_s),
            "output_uri": None if output_uri is None else shown(output_uri),
            "error": None if error is None else clean(error),
            "time": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        }
        line = (json.dumps(record) + "\n").encode()
        with self._lock:
            try:
                self._append(line)
            except OSError as problem:
                raise TargetError(f"cannot write the journal {self.path}: {problem}") from problem
            self._note(record)

    def __len__(self) -> int:
        """Return how many patches are done."""
        return len(self._done)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _append(self, line: bytes) -> None:
        """Write a line at once, so that those of other processes do not mix with it."""
        if self._torn:  # the last one was cut short: this one must not grow onto it
            line = b"\n" + line
        self._torn = True
        written = os.write(self._descriptor, line)
        while written < len(line):  # a disk that fills up takes a part, and refuses the next one
            written += os.write(self._descriptor, line[written:])
        self._torn = False
        os.fsync(self._descriptor)

    def _read(self) -> None:
        """Take what earlier processes wrote; a line that one did not finish, or not ours, says nothing."""
        with self.path.open("rb") as file:
            begun = False  # of a line that is too long the pieces after the first are no lines
            while line := file.readline(MAX_LINE_BYTES):
                self._torn = not line.endswith(b"\n")
                if not begun and line.count(b",") <= MAX_VALUES:
                    self._read_line(line)
                begun = self._torn

    def _read_line(self, line: bytes) -> None:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(record, dict):
            self._note(record)

    def _note(self, record: dict[str, object]) -> None:
        anchor = record.get("anchor")
        if not isinstance(anchor, list) or len(anchor) != 2 or not all(type(n) is int for n in anchor):
            return
        where, status = (anchor[0], anchor[1]), record.get("status")
        if not isinstance(status, str) or status in FAILED or record.get("error") is not None:
            self._done.discard(where)
        else:
            self._done.add(where)


def _local(uri: str) -> Path:
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if "://" in uri:
        raise ValueError(f"a journal is a local file, not {shown(uri)!r}: object stores cannot append")
    return Path(uri)
