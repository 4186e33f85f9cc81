"""A call on its way in a thread of its own, whose result somebody will want later."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Begun(Generic[T]):
    """A call that begins now; `result` waits for it. Nobody has to: the process ends without it.

    >>> Begun(lambda: 3).result()
    3
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._future: Future[T] = Future()
        self._process = os.getpid()
        threading.Thread(target=self._run, args=(call,), name="geopatcher-ask", daemon=True).start()

    def _run(self, call: Callable[[], T]) -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - raised where somebody asks for the result
            self._future.set_exception(error)
        else:
            self._future.set_result(result)

    @property
    def is_here(self) -> bool:
        """Whether it was begun in this process: of a child that was forked meanwhile it never ends."""
        return self._process == os.getpid()

    def result(self) -> T:
        """Wait for the end, and return what came of it; what the call raised is raised here."""
        return self._future.result()
