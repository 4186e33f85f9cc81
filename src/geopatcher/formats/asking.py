"""One asks for all: what many threads want to know of a file at once is asked once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Files of which the last answer is kept.
MAX_KEPT = 256


class Answers:
    """The last answer of each file. An answer holds for all whose question is older than it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def of(self, path: str, ask: Callable[[], str]) -> str:
        """Return the answer to a question that came up now: one that came meanwhile, or that of ``ask``.

        >>> answers = Answers()
        >>> answers.of("a.tif", lambda: "gone"), answers.of("a.tif", lambda: "there again")
        ('gone', 'there again')
        """
        came_up = time.monotonic()
        with self._lock:
            known = self._known.get(path)
            if known is not None and known[0] > came_up:
                return known[1]
            answer = ask()
            self._known[path] = (time.monotonic(), answer)
            self._known.move_to_end(path)
            while len(self._known) > MAX_KEPT:
                self._known.popitem(last=False)
            return answer
