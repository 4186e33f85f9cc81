"""Which version of a file was opened: a server may have another one by the time it says which it has."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from geopatcher.core.begun import Begun
from geopatcher.errors import SourceError
from geopatcher.fields.file_identity import ask_for, is_dataset
from geopatcher.fields.url_identity import url_of, why_not_asked
from geopatcher.formats.dataset_pool import POOL

if TYPE_CHECKING:
    from geopatcher.fields.file_identity import SourceFiles
    from geopatcher.fields.url_identity import Answer

#: Datasets whose versions are remembered.
REMEMBERED = 1024
#: Seconds for which what a server said of a file, while that was opened, is what it says.
FRESH_S = 5.0


class _Said(NamedTuple):
    """What a server said of a file, and when it had."""

    answer: Answer
    at: float

    @classmethod
    def of(cls, path: str) -> _Said:
        """Ask it now."""
        return cls(ask_for(path), time.monotonic())


@dataclass(frozen=True)
class AskedAhead:
    """What a server is asked of a file while that is opened: a run need not wait for it once more.

    It holds for a moment, and was true before a pixel was read: one who reads on and on asks again.
    The file was ``opened`` at that time at the earliest, and perhaps before the server answered.
    """

    name: str
    began: float
    said: Begun[_Said]
    opened: float = 0.0

    @classmethod
    def of(cls, path: str) -> AskedAhead | None:
        """Ask now; nobody is asked of what no server has, or is made of other files."""
        url = url_of(path)
        if url is None or is_dataset(path) or why_not_asked(url):
            return None
        return cls(path, time.monotonic(), Begun(partial(_Said.of, path)))

    @property
    def is_of_the_opened(self) -> bool:
        """Whether it tells of the very file that was opened: that may be replaced before the server answers.

        It does where that is not opened before, and where by its server's clock it was older by then.
        """
        said = self._said()
        return said is not None and said.at - said.answer.unchanged_s < self.opened

    def answers(self) -> dict[str, Answer]:
        """Return what it said, by the name of the file; nothing where that was long ago, or failed."""
        said = self._said() if time.monotonic() <= self.began + FRESH_S else None
        return {} if said is None else {self.name: said.answer}

    def agrees(self, earlier: AskedAhead) -> bool:
        """Whether a server said the same before, and what it said tells versions apart."""
        said, before = self._said(), earlier._said()
        return (
            said is not None and before is not None and said.answer.is_exact and said.answer == before.answer
        )

    def _said(self) -> _Said | None:
        """Wait for the answer; none where another process asked, or an address cannot be signed."""
        try:
            return self.said.result() if self.said.is_here else None
        except SourceError:  # who opens it says so
            return None


class Noticed:
    """The versions of datasets this process has seen last.

    An open dataset keeps its tiles open, and what a server sent: when there is a newer version of one of
    them, it is not to be read any more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: OrderedDict[str, str] = OrderedDict()
        self._opened: OrderedDict[str, tuple[AskedAhead, int]] = OrderedDict()

    def open_anew(self, path: str, asked: AskedAhead | None) -> AskedAhead | None:
        """Have a dataset opened anew that is open already, unless its server says that it is the same.

        Of what lies here, or beside it, all may have changed. What the server said counts as long as it was
        not opened anew since for another reason, and was said of what was opened. Returns what it was
        ``asked``, of what is opened from now on.
        """
        if POOL.is_kept(path):
            with self._lock:
                before, since = self._opened.get(path, (None, 0))
            is_same = (
                before is not None
                and asked is not None
                and since == POOL.since(path)
                and before.is_of_the_opened
                and asked.agrees(before)
            )
            if asked is not None and is_same and POOL.is_lone(path):
                return replace(asked, opened=time.monotonic())
            POOL.drop(path, is_same=is_same)
        if asked is None:
            return None
        asked = replace(asked, opened=time.monotonic())
        with self._lock:
            self._latest.pop(path, None)  # whatever it was: what is open is of now
            self._opened[path] = asked, POOL.since(path)
            self._opened.move_to_end(path)
            while len(self._opened) > REMEMBERED:
                self._opened.popitem(last=False)
        return asked

    def take(self, path: str, behind: SourceFiles, version: str) -> None:
        """Note the version of a dataset; if it is another than before, have datasets of it opened anew."""
        with self._lock:
            before = self._latest.pop(path, version)
            self._latest[path] = version
            while len(self._latest) > REMEMBERED:
                self._latest.popitem(last=False)
        if before != version:
            open_all_anew(path, behind)


def open_all_anew(path: str, behind: SourceFiles) -> None:
    """Have a dataset, and the files it is read from, be opened anew when they are read next."""
    for name in dict.fromkeys((path, *behind.names)):
        POOL.drop(name)


#: Of the whole process, as the open datasets are.
NOTICED = Noticed()
