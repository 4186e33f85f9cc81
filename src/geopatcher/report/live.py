"""A local page that follows a run while it goes, by the log of the run."""

from __future__ import annotations

import json
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from geopatcher.report.answers import Answer, not_found, pages_of
from geopatcher.report.live_picture import Picture
from geopatcher.report.server import Viewer

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from geopatcher.core.styles import Style

#: The page: address -> file of this package and its type.
PAGES = {
    "/": ("live.html", "text/html; charset=utf-8"),
    "/viewer.css": ("viewer.css", "text/css; charset=utf-8"),
    "/live.js": ("live.js", "text/javascript; charset=utf-8"),
}
#: Lines in one answer; the page asks for the rest at once.
MOST_LINES = 2_000
#: Seconds a page that is open gets to ask how the run ended.
LAST_LOOK_S = 5.0


class Followed:
    """The log of a run, as the page asks for it. Any thread may ask.

    Parameters
    ----------
    log
        The file that the run writes a line of JSON to for each strip; it need not be there yet.
    since
        Bytes of it that are of earlier runs.
    style
        How the result looks.

    """

    def __init__(self, log: Path, since: int = 0, style: Style | None = None) -> None:
        self.log, self.since = log, since
        self.picture = Picture(style)
        self.pages = pages_of(PAGES)
        self._asked, self._told = threading.Event(), threading.Event()
        self._seen = 0  # blocks in the last picture that was asked for

    def close(self) -> None:
        """Let go of nothing: the file is open only while it is read."""

    def answer(self, target: str) -> Answer:
        """Answer a request for a page, for ``/lines?from=BYTES``, or for ``/picture``."""
        parts = urlsplit(target)
        if parts.path == "/picture":
            seen, shown = self.picture.n_blocks, self.picture.png()
            self._seen = max(self._seen, seen)
            return not_found() if shown is None else Answer(200, "image/png", shown)
        if parts.path == "/lines":
            start = parse_qs(parts.query).get("from", ["0"])[0]
            return self._lines(int(start)) if start.isascii() and start.isdecimal() else not_found()
        return self.pages.get(parts.path) or not_found()

    def last_look(self, patience: float = LAST_LOOK_S) -> None:
        """Wait until a page that is open has all lines and the last picture, for a few seconds at most."""
        if self._asked.is_set():
            self._told.clear()
            self._told.wait(patience)

    def _lines(self, start: int) -> Answer:
        self._asked.set()
        found: list[object] = []
        place = self.since + start
        try:
            with self.log.open("rb") as file:
                file.seek(place)
                while len(found) < MOST_LINES and (line := file.readline()).endswith(b"\n"):
                    found.append(json.loads(line))
                    place = file.tell()
        except FileNotFoundError:
            pass
        if not found and self._seen >= self.picture.n_blocks:
            self._told.set()
        said = json.dumps({"lines": found, "next": place - self.since, "blocks": self.picture.n_blocks})
        return Answer(200, "application/json; charset=utf-8", said.encode())


@contextmanager
def watched(
    log: str | os.PathLike[str] | None, port: int = 0, style: Style | None = None
) -> Iterator[tuple[Viewer, Path, Picture]]:
    """Serve a page that follows a run, on 127.0.0.1, as long as this lasts.

    Gives the page, the log that the run is to write, and its picture, which is to be a hook of the run.
    Without a ``log`` it is a temporary one.

    Raises
    ------
    PortError
        Another program listens there.

    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl" if log is None else Path(log)
        followed = Followed(path, path.stat().st_size if path.is_file() else 0, style)
        with Viewer(followed, port) as viewer:
            try:
                yield viewer, path, followed.picture
            finally:
                followed.last_look()
