"""Watches that a source stays what it was when a run began: rows of two versions are no result."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from geopatcher.core.begun import Begun
from geopatcher.core.protocols import Versioned
from geopatcher.core.sources import reads_at_once
from geopatcher.errors import SourceChangedError, SourceError
from geopatcher.runs.fingerprint import differing, identity_of_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geopatcher.core.protocols import PixelSource
    from geopatcher.engine.job import Job
    from geopatcher.runs.ledger.book import Fingerprint

T = TypeVar("T")

#: A question is asked again after this many times as long as it took: it costs a run one per cent.
PATIENCE = 100
#: Longest time between two questions, in seconds: what a run that is killed may have to do again.
LONGEST_S = 30.0
#: How often a source that does not answer is asked at the end, and seconds in between.
TRIES, PAUSE_S = 3, 1.0


def version_of(source: PixelSource) -> str:
    """Return a text that changes when a source does, ``""`` for one that cannot be asked.

    Raises
    ------
    SourceError
        It cannot be asked now.

    """
    return source.version() if isinstance(source, Versioned) else ""


@contextmanager
def unchanged(source: PixelSource, doing: str) -> Iterator[None]:
    """Read a source in one go, to an end that is only reached if it is then what it was at the beginning.

    ``doing`` says what it is read for, such as ``"copied"``.

    Raises
    ------
    SourceError
        It has changed.

    """
    begun = version_of(source)
    yield
    if version_of(source) != begun:
        raise SourceChangedError(
            f"{source.name} changed while it was {doing}: what was read mixes two versions of it, and is not "
            f"kept. Run the same again"
        )


@dataclass
class Glance:
    """Looks at a source now and then, whether it is another one: as often as costs one per cent."""

    source: PixelSource
    _version: str | None = None
    _next_at: float = 0.0

    def finds_another(self) -> bool:
        """Whether the source has changed since this was last asked; yes the first time.

        A source that does not answer is taken for the same.

        Raises
        ------
        SourceChangedError
            It is no longer what it was when it was opened.

        """
        started = time.monotonic()
        if self._version is not None and started < self._next_at:
            return False
        try:
            version = version_of(self.source)
        except SourceChangedError:
            raise
        except SourceError:
            version = self._version or ""
        ended = time.monotonic()
        self._next_at = ended + min(LONGEST_S, PATIENCE * (ended - started))
        before, self._version = self._version, version
        return before != version


@dataclass
class SourceWatch(Generic[T]):
    """Asks a source whether it has changed, and holds rows of blocks back until it has said that it has not.

    Pixels are read before their row is handed over: a source that is the same afterwards was the same
    when they were read. What the source is all in all is compared at the end.
    """

    job: Job
    _began: str | None = None
    _before: Fingerprint = field(default_factory=dict)
    _held: list[T] = field(default_factory=list)
    _next_at: float = 0.0
    _last: Begun[str | None] | None = None
    _all: Begun[str] | None = None

    def begin(self) -> None:
        """Ask for the first time, before anything is known or read of the source."""
        self._began = self._version()

    def expect(self, fingerprint: Fingerprint) -> None:
        """Take down what the source is, as a run was begun with."""
        self._before = {key: value for key, value in fingerprint.items() if key.startswith("source.")}

    def passed(self, row: T) -> list[T]:
        """Take a row of blocks; return those that may be written down now.

        Raises
        ------
        SourceError
            The source has changed.

        """
        self._held.append(row)
        started = time.monotonic()
        if started < self._next_at:
            return []
        version = self._version()
        ended = time.monotonic()
        self._next_at = ended + min(LONGEST_S, PATIENCE * (ended - started))
        if version is None and self._began is not None:  # no answer: perhaps next time
            return []
        self._require(version)
        return self._release()

    def all_read(self) -> None:
        """Begin to ask for the last time: no pixel is left to be read, and some are still being computed.

        Only what waits for a network is asked so early; what is here may be looked at until the end.
        """
        if reads_at_once(self.job.source) == 1:
            return
        if self._before:
            self._all = Begun(self._changes)
        else:
            self._last = Begun(self._version)

    def require_same(self) -> None:
        """Ask once more, at the end of a run that writes nothing down.

        Raises
        ------
        SourceError
            The source has changed.

        """
        version = self._version() if self._last is None else self._last.result()
        self._require(version or self._began)

    def finish(self) -> list[T]:
        """Compare the source with what it was at the beginning; return the rows that were held back.

        Raises
        ------
        SourceError
            It has changed, or it cannot be asked.

        """
        changed = self._changes() if self._all is None else self._all.result()
        if changed:
            raise self._error(changed)
        return self._release()

    def leave(self) -> tuple[bool, list[T]]:
        """End early: return whether the rows written down can be trusted, and those held back that can.

        Where the quick question was answered as always and the source is another one all the same, rows
        of either may have been written down.
        """
        try:
            if self._version() != self._began:
                return True, []
            is_same = not self._changes(tries=1)
        except SourceError:
            return True, []
        return is_same, self._release() if is_same else []

    def _release(self) -> list[T]:
        rows, self._held = self._held, []
        return rows

    def _version(self) -> str | None:
        """Return the quick answer; ``None`` where there is none.

        Raises
        ------
        SourceChangedError
            It is no longer what it was when it was opened.

        """
        source = self.job.source
        try:
            return version_of(source)
        except SourceChangedError:
            raise
        except SourceError:
            return None

    def _require(self, version: str | None) -> None:
        if version == self._began or self._began is None:
            return
        try:
            changed = self._changes(tries=1)
        except SourceError as error:
            raise self._error(str(error)) from error
        raise self._error(changed or "its files were replaced, or changed and changed back")

    def _changes(self, tries: int = TRIES) -> str:
        """Return in what the source differs from what it was, for people; ``""`` when in nothing.

        Raises
        ------
        SourceError
            It cannot be opened any more, or asked.

        """
        if not self._before:
            return ""
        for left in reversed(range(tries)):
            now = identity_of_source(self.job)
            if "source.unknown" not in now or "source.unknown" in self._before:
                break
            if left:
                time.sleep(PAUSE_S)
        else:
            raise SourceError(
                f"whether {self.job.source.name} has changed while it was read cannot be known: "
                f"{now['source.unknown']}"
            )
        if "source.unknown" in self._before:  # a server that answers now, and did not then, has not changed
            shared = {*self._before} & {*now} - {"source.unknown"}
            before, now = ({key: one[key] for key in shared} for one in (self._before, now))
            return "; ".join(differing(before, now))
        return "; ".join(differing(self._before, now))

    def _error(self, changed: str) -> SourceError:
        return SourceChangedError(
            f"{self.job.source.name} changed while it was read ({changed}): a result would mix "
            f"two versions of it, and none is made. Run again with overwrite=True (--overwrite) to begin "
            f"anew, or put it back and run the same again"
        )
