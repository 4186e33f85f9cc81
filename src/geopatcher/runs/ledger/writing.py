"""A ledger being written: begun with a header, or gone on with from where another run left it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from geopatcher.errors import TargetError
from geopatcher.runs.ledger.book import now, session_line
from geopatcher.runs.ledger.files_json import files_to_json, others_to_json, tiff_to_json
from geopatcher.runs.ledger.lines import MAX_LINE_BYTES, encode
from geopatcher.runs.ledger.places import ledger_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from geopatcher.core.box import Box
    from geopatcher.core.json_values import Json, Record
    from geopatcher.runs.ledger.book import Account, Completion, Header
    from geopatcher.runs.ledger.rows_json import Flaw
    from geopatcher.targets.digests import Digests, FileRecord, TiffRecord
    from geopatcher.targets.durable import LedgerPlace, Log

#: Longest message of a failed patch.
MAX_MESSAGE = 200
#: Bytes of a line for the patches that failed: one that is longer than is read would be lost.
MAX_FLAWS_BYTES = MAX_LINE_BYTES // 2


@dataclass
class Ledger:
    """A ledger being written, by one process.

    Raises
    ------
    TargetError
        From every method that writes: the disk is full or gone, or another run has taken over.

    """

    place: LedgerPlace
    _log: Log = field(repr=False)
    rows: int = 0

    @classmethod
    def begin(cls, path: Path | LedgerPlace, header: Header, run: str) -> Self:
        """Begin a ledger; it appears with its header or not at all. ``run`` is the token of the run."""
        place = ledger_at(path)
        with _explained(place):
            lines = [encode(header.to_json()), encode(session_line(run, place.boot))]
            return cls(place, place.begin(lines))

    @classmethod
    def go_on(cls, earlier: Path | LedgerPlace, path: Path | LedgerPlace, account: Account, run: str) -> Self:
        """Begin a ledger at ``path`` with all that an earlier one says, the two may have one name.

        What a run that was taken over still writes is lost, or refused.
        """
        place, line = ledger_at(path), session_line(run, ledger_at(path).boot)
        with _explained(place):
            log = place.go_on(ledger_at(earlier), account.good_bytes, encode(line))
            return cls(place, log, account.rows)

    @classmethod
    def reopen(cls, path: Path | LedgerPlace, account: Account) -> Self:
        """Open a ledger to add to it what nobody depends on."""
        place = ledger_at(path)
        with _explained(place):
            return cls(place, place.reopen(account.good_bytes), account.rows)

    @property
    def is_current(self) -> bool:
        """Whether this is still who writes it, and no other run has taken over."""
        return self._log.is_current

    def row(self, box: Box, files: Digests, flaws: Iterable[Flaw] = ()) -> None:
        """Write down a finished row of blocks, what its files hold, and the patches missing in it."""
        record: dict[str, Json] = {"row": _corners(box)}
        flawed = _named(flaws)
        if flawed:
            record["flaws"] = flawed
        self._append({**record, **files_to_json(files)})
        self.rows += 1

    def seen(self, box: Box, level: int, files: Digests) -> None:
        """Write down what is known of the files of rows of blocks, of the result or of an overview level."""
        record: dict[str, Json] = {"level": level, "box": _corners(box)} if level else {"seen": _corners(box)}
        self._append({**record, **files_to_json(files)}, sync=False)

    def others(self, others: Mapping[str, FileRecord]) -> None:
        """Write down what is known of files of a store that hold no blocks, by their names in it."""
        self._append({"others": others_to_json(others)}, sync=False)

    def tiff(self, name: str, record: TiffRecord) -> None:
        """Write down what is known of the GeoTIFF of an array."""
        self._append({"tiff": name, **tiff_to_json(record)}, sync=False)

    def synced(self) -> None:
        """Write down that the blocks of all rows so far are on the disk."""
        self._append({"synced": now()})

    def complete(self, completion: Completion) -> None:
        """Write down that the result is complete."""
        self._append(completion.to_json())

    def close(self) -> None:
        """Write nothing more."""
        self._log.close()

    def _append(self, record: Record, *, sync: bool = True) -> None:
        with _explained(self.place):
            self._log.append(encode(record), sync=sync)


class _explained:  # noqa: N801 - a context manager, named as one reads it
    """Turns an error of the disk into one that names the ledger."""

    def __init__(self, place: LedgerPlace) -> None:
        self._place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, TargetError):
            raise TargetError(f"cannot write the ledger {self._place}: {error}") from error


def _named(flaws: Iterable[Flaw]) -> list[Json]:
    """Return failed patches for a line: as many as fit, which is all but in the worst of runs."""
    named: list[Json] = []
    room = MAX_FLAWS_BYTES
    for flaw in flaws:
        entry: Json = [*flaw.anchor, flaw.kind, flaw.message[:MAX_MESSAGE], flaw.retries]
        room -= len(json.dumps(entry)) + 1
        if room < 0:
            break
        named.append(entry)
    return named


def _corners(box: Box) -> list[Json]:
    return [box.row0, box.row1, box.col0, box.col1]
