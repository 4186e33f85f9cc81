"""What a ledger says: a header, a line per finished row of blocks, and a summary at the end."""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from geopatcher.core.gaps import VALID
from geopatcher.core.json_values import Json, Record, dtype_from_json, whole_from_json
from geopatcher.core.remaining import Finished
from geopatcher.errors import TargetError
from geopatcher.runs.ledger.files_json import files_from_json, grids_of, others_from_json, tiff_from_json
from geopatcher.runs.ledger.known_files import KnownFiles
from geopatcher.runs.ledger.lines import Line, read_lines
from geopatcher.runs.ledger.places import ledger_at
from geopatcher.runs.ledger.rows_json import box_from_json, flaws_from_json, level_from_json
from geopatcher.runs.ledger.spec_json import spec_from_json, spec_to_json
from geopatcher.targets.multiscales import level_domains

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.runs.ledger.known_files import Known
    from geopatcher.runs.ledger.rows_json import Flaw
    from geopatcher.targets.digests import FileRecord, TiffRecord
    from geopatcher.targets.durable import LedgerPlace

#: Version of the format of these files.
FORMAT = 2

#: Most files of a store that hold no blocks: a few for each array and level.
MAX_OTHERS = 100_000

#: What a run is, entry by entry; two runs with the same one give the same bytes.
Fingerprint = Mapping[str, "str | int | float"]


@dataclass(frozen=True)
class Header:
    """The first line: what is being made, and of what.

    ``n_bands`` and ``dtype`` are those of the operator's results, ``None`` when no patch held data.
    ``threads`` is how many numerical libraries may start in each process, ``None`` where that is not known.
    ``how`` says how the run was carried out that began it, which another one may do in another way.
    """

    fingerprint: Fingerprint
    spec: ResultSpec
    n_bands: int | None = None
    dtype: np.dtype | None = None
    threads: int | None = None
    how: Fingerprint = field(default_factory=dict)

    def to_json(self) -> Record:
        """Return the line."""
        return {
            "ledger": FORMAT,
            "began": now(),
            "fingerprint": dict(self.fingerprint),
            "result": spec_to_json(self.spec),
            "bands": self.n_bands,
            "dtype": None if self.dtype is None else self.dtype.str,
            "threads": self.threads,
            "how": dict(self.how),
        }

    def otherwise(self, batch_size: int | str) -> list[str]:
        """Return what to tell when a run goes on in batches of another size."""
        begun = self.how.get("batch_size", batch_size)
        if begun == batch_size:
            return []
        before, now = (_in_words(size) for size in (begun, batch_size))
        what = f"begun in batches of {before}, goes on in batches of {now}"
        return [f"{what}: models may differ in the last bit"]

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
        threads = record.get("threads")
        if not isinstance(fingerprint, dict):
            raise ValueError("its first line is damaged")  # noqa: TRY004 - the file is wrong, not the call
        return cls(
            _entries(fingerprint),
            spec_from_json(record.get("result")),
            None if bands is None else whole_from_json(bands, 1),
            None if dtype is None else dtype_from_json(dtype),
            None if threads is None else whole_from_json(threads, 1),
            _entries(record.get("how")),
        )


@dataclass(frozen=True)
class Completion:
    """The last line: when, and what the run that completed the result did.

    ``replaces`` says that the run was allowed to replace what was at the place of the result. ``masked``
    says that a mask stayed beside a result that was begun with one.
    """

    stats: Mapping[str, Json] = field(default_factory=dict)
    at: str = ""
    replaces: bool = False
    masked: bool = False

    def to_json(self) -> Record:
        """Return the line."""
        return {
            "complete": self.at or now(),
            "stats": dict(self.stats),
            "replaces": self.replaces,
            "masked": self.masked,
        }


@dataclass
class Account:
    """What a ledger says.

    ``finished`` holds the rows of blocks that are done without a flaw; ``flawed`` are those done
    without some patches, to be tried again, with the ``flaws`` of each. ``lost`` counts the lines
    that cannot be trusted any more: written by a system that has gone down since, without a later
    line saying that all before it was on the disk; ``unsynced`` are rows of which that is not said, and
    that can be trusted as long as the system runs; ``went_down`` says that it has gone down since the last
    line. ``run`` is the token of the last run that wrote into the ledger, and ``ended`` says that this run
    made the result, whether or not that can be trusted. ``others`` and ``tiffs`` are what is known of the
    files of a store that hold no blocks, and of GeoTIFFs.
    """

    header: Header
    finished: Finished
    flawed: dict[Box, tuple[Flaw, ...]] = field(default_factory=dict)
    completion: Completion | None = None
    rows: int = 0
    good_bytes: int = 0
    lost: int = 0
    run: str = ""
    ended: bool = False
    went_down: bool = False
    unsynced: list[Box] = field(default_factory=list)
    others: dict[str, FileRecord] = field(default_factory=dict)
    tiffs: dict[str, TiffRecord] = field(default_factory=dict)
    _boot: str = ""
    _completed_here: bool = False
    _files: KnownFiles = field(init=False)

    def __post_init__(self) -> None:
        self._files = KnownFiles(self.block)

    @property
    def block(self) -> tuple[int, int]:
        """``(height, width)`` of what lies in one file."""
        return self.header.spec.shards or self.header.spec.chunks

    @property
    def spec(self) -> ResultSpec:
        """What the result is: of one that is complete, with a mask only where one stayed."""
        spec = self.header.spec
        if self.completion is None or self.completion.masked:
            return spec
        return replace(spec, masked=False)

    def flaws(self) -> list[Flaw]:
        """Return the failed patches, each once."""
        return list(dict.fromkeys(flaw for flaws in self.flawed.values() for flaw in flaws))

    def levels(self) -> list[int]:
        """Return the overview levels of whose files something is known, and 0 for the result's."""
        return sorted({0, *self._files.levels})

    def files(self, level: int = 0) -> Iterator[Known]:
        """Yield what was last written of each row of blocks: where it lies, what is known of its files."""
        return self._files.rows(level)

    def intact(self) -> Iterator[Box]:
        """Yield the rows of blocks that are finished, and of those that are so in parts the blocks."""
        for row, _ in self.files():
            parts = [row] if self.finished.holds(row) else row.tiles(self.block)
            yield from (part for part in parts if self.finished.holds(part))

    def take(self, record: Record) -> None:
        """Read one more line; one of an unknown kind says nothing.

        Raises
        ------
        ValueError
            A line of a known kind is damaged.

        """
        if "row" in record:
            self._take_row(box_from_json(record["row"]), record)
        elif "seen" in record:
            self._know(0, box_from_json(record["seen"]), record)
        elif "level" in record:
            self._know(level_from_json(record["level"]), box_from_json(record.get("box")), record)
        elif "others" in record:
            self._take_others(others_from_json(record["others"]))
        elif "tiff" in record:
            self.tiffs[self._array(record["tiff"])] = tiff_from_json(record)
        elif "synced" in record:
            self.unsynced.clear()
            self._completed_here = False
        elif "session" in record:
            self._begin(record)
        elif "complete" in record:
            self._complete(record)

    def _take_row(self, box: Box, record: Record) -> None:
        flaws = flaws_from_json(record.get("flaws", ()))
        self._know(0, box, record)
        self.rows += 1
        self.unsynced.append(box)
        if flaws:
            self.finished.remove(box)
        else:
            self.finished.add(box)
        for former in list(self.flawed):  # which may have been done again as parts of other boxes
            if box.contains(former) or self.finished.holds(former):
                del self.flawed[former]
        if flaws:
            self.flawed[box] = flaws

    def _take_others(self, others: Mapping[str, FileRecord]) -> None:
        self.others |= others
        if len(self.others) > MAX_OTHERS:
            raise ValueError(f"it names more than {MAX_OTHERS:,} files beside the blocks")

    def _array(self, name: Json) -> str:
        known = {*self.header.spec.arrays(), VALID}  # a mask may prove to be needed at the end
        if not isinstance(name, str) or name not in known:
            raise ValueError(f"{name!r:.80} is no array of the result, which has {', '.join(sorted(known))}")
        return name

    def _know(self, level: int, box: Box, record: Record) -> None:
        spec = self.header.spec
        if level:
            domains = level_domains(spec.domain, spec.chunks) if spec.multiscales else []
            if level > len(domains):
                raise ValueError(f"the result has no level {level}")
            spec = replace(spec, domain=domains[level - 1])
        if not _is_of_blocks(box, spec.domain.grid_shape, self.block):
            raise ValueError(f"{box} does not begin and end where blocks of the result do")
        self._files.add(level, box, files_from_json(record, grids_of(spec, box)))

    def _begin(self, record: Record) -> None:
        """Read the line of a session: what only a complete result has will be made anew."""
        self.doubt(str(record.get("boot", "")))
        self.run = str(record.get("run", ""))
        self.completion, self.ended = None, False
        self._files.forget_levels()
        self.others, self.tiffs = {}, {}

    def _complete(self, record: Record) -> None:
        stats = record.get("stats")
        if not isinstance(stats, dict):
            raise ValueError("the last line is damaged")  # noqa: TRY004 - the file is wrong, not the call
        at, replaces = str(record["complete"]), record.get("replaces") is True
        self.completion = Completion(stats, at, replaces, record.get("masked") is True)
        self.ended = self._completed_here = True

    def doubt(self, boot: str) -> None:
        """Forget what was not on the disk for sure, if ``boot`` says that the system went down since."""
        self.went_down = boot != self._boot
        if self.went_down:
            for box in self.unsynced:
                self.finished.remove(box)
                self.flawed.pop(box, None)
            self.lost += len(self.unsynced) + self._completed_here
            self.rows -= len(self.unsynced)
            if self.unsynced or self._completed_here:
                self.completion = None
            self.unsynced.clear()
            self._completed_here = False
        self._boot = boot


def read_ledger(path: Path | LedgerPlace) -> Account | None:
    """Return what a ledger says, ``None`` where there is none. Nothing in the file is executed.

    Raises
    ------
    TargetError
        The file is not a ledger, is damaged in its first line, or cannot be read.

    """
    place = ledger_at(path)
    try:
        with place.open() as file:
            account = _account_of(place, read_lines(file))
    except FileNotFoundError:
        return None
    except TargetError:
        raise
    except OSError as error:
        raise TargetError(f"cannot read the ledger {place}: {error}") from error
    account.doubt(place.boot)
    return account


def _account_of(path: LedgerPlace, lines: Iterator[Line]) -> Account:
    """Return what lines say, of which one is held at a time."""
    first = next(lines, Line({}, 0))
    try:
        header = Header.from_json(first.record)
    except ValueError as error:
        raise TargetError(
            f"{path} is not a ledger that can be continued: {error}; "
            f"pass overwrite=True (--overwrite) to begin anew"
        ) from error
    finished = Finished((header.spec.shards or header.spec.chunks)[0])
    account = Account(header, finished, good_bytes=first.n_bytes)
    for line in lines:
        try:
            account.take(line.record)
        except ValueError as error:
            raise TargetError(f"the ledger {path} is damaged: {error}; pass overwrite=True") from error
        account.good_bytes += line.n_bytes
    return account


def now() -> str:
    """Return the time in UTC, ISO 8601, in seconds."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def session_line(run: str, boot: str) -> Record:
    """Return the line a run with this token begins its session with, under a start of the system."""
    return {
        "session": now(),
        "run": run,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "boot": boot,
    }


def _is_of_blocks(box: Box, grid: tuple[int, int], block: tuple[int, int]) -> bool:
    """Whether a rectangle is inside a grid and made of whole blocks."""
    return all(
        first % length == 0 and last <= end and (last % length == 0 or last == end)
        for (first, last), end, length in zip(
            ((box.row0, box.row1), (box.col0, box.col1)), grid, block, strict=True
        )
    )


def _entries(value: Json) -> Fingerprint:
    entries = value.items() if isinstance(value, dict) else ()
    return {str(key): entry for key, entry in entries if isinstance(entry, str | int | float)}


def _in_words(batch_size: str | float) -> str:
    return "a size that was found" if batch_size == "auto" else str(batch_size)
