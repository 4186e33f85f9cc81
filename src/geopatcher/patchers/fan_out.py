"""One stream for several who each take all of it: nobody holds more than a few items."""

from __future__ import annotations

import threading
from queue import Queue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

T = TypeVar("T")
R = TypeVar("R")

#: Items that wait for one who is slower than the others.
WAITING = 4


class _End:
    """Follows the last item; with an error it is raised in the place of the next one."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Taker(Generic[T, R]):
    """One who takes all items, in a thread of its own."""

    def __init__(self, name: str, take: Callable[[Iterator[T]], R]) -> None:
        self._queue: Queue[T | _End] = Queue(WAITING)
        self._take = take
        self.result: R | None = None
        self.error: BaseException | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=f"geopatcher-merge-{name}", daemon=True)
        self._thread.start()

    def put(self, item: T | _End) -> None:
        self._queue.put(item)

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            self.result = self._take(self._items())
        except BaseException as error:  # noqa: BLE001 - raised by the one who waits for the result
            self.error = error
        while not self._ended:  # what it did not take has to go, or the others would wait
            self._ended = isinstance(self._queue.get(), _End)

    def _items(self) -> Iterator[T]:
        while not isinstance(item := self._queue.get(), _End):
            yield item
        self._ended = True
        if item.error is not None:
            raise item.error


def fan_out(items: Iterable[T], takers: Mapping[str, Callable[[Iterator[T]], R]]) -> dict[str, R]:
    """Give all items to each of several functions, and return what they return.

    Each runs in a thread; one that fails is told of at the end, or when the items fail.

    >>> fan_out([3, 5, 4], {"total": sum, "largest": max})
    {'total': 12, 'largest': 5}
    """
    if len(takers) == 1:
        return {name: take(iter(items)) for name, take in takers.items()}
    running = {name: _Taker(name, take) for name, take in takers.items()}
    end = _End()
    try:
        for item in items:
            for taker in running.values():
                taker.put(item)
            failed = next((taker.error for taker in running.values() if taker.error is not None), None)
            if failed is not None:
                end = _End(failed)
                break
    except BaseException as error:
        end = _End(error)
        raise
    finally:
        for taker in running.values():
            taker.put(end)
        for taker in running.values():
            taker.join()
    for taker in running.values():
        if taker.error is not None:
            raise taker.error
    return {name: taker.result for name, taker in running.items()}  # type: ignore[misc] # none failed
