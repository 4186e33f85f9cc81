"""Stages that overlap: a generator run ahead in a thread, and work left behind in one.

What runs ahead is bounded in bytes, and what is left behind is one call. With a bound of zero both run
in the caller's own thread, in the same order: the sequential run is the pipeline with depth zero.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

A = TypeVar("A")
T = TypeVar("T")


class _Channel(Generic[T]):
    """A queue bounded in bytes; holds at least one item. Either side can close it."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._items: deque[tuple[T, int]] = deque()
        self._held = 0
        self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, item: T, n_bytes: int) -> bool:
        """Wait for room and add an item; ``False`` when the channel is closed."""
        with self._changed:
            while not self._closed and self._items and self._held + n_bytes > self._max_bytes:
                self._changed.wait()
            if self._closed:
                return False
            self._items.append((item, n_bytes))
            self._held += n_bytes
            self._changed.notify_all()
            return True

    def get(self) -> T | None:
        """Wait for an item; ``None`` at the end. Raises the error the other side closed with."""
        with self._changed:
            while not self._items and not self._closed:
                self._changed.wait()
            if self._items:
                item, n_bytes = self._items.popleft()
                self._held -= n_bytes
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            return None

    def close(self, error: BaseException | None = None, *, drop: bool = False) -> None:
        """End the channel: what is queued is still delivered, unless dropped."""
        with self._changed:
            self._closed = True
            self._error = self._error or error
            if drop:
                self._items.clear()
                self._held = 0
            self._changed.notify_all()


@contextmanager
def prefetch(
    items: Generator[T, None, None], size_of: Callable[[T], int], max_bytes: int
) -> Iterator[Iterator[T]]:
    """Give ``items``, made ahead in a thread while up to ``max_bytes`` of them wait.

    An error of the generator is raised where its item would have come. Leaving the context stops
    and closes the generator.
    """
    if max_bytes <= 0:
        try:
            yield items
        finally:
            items.close()
        return
    channel: _Channel[T] = _Channel(max_bytes)

    def produce() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not channel.put(item, size_of(item)):
                    break
        except BaseException as caught:  # noqa: BLE001 - handed to the consumer, who raises it
            error = caught
        finally:
            items.close()
            channel.close(error)

    thread = threading.Thread(target=produce, name="geopatcher-read", daemon=True)
    thread.start()

    def consume() -> Iterator[T]:
        while (item := channel.get()) is not None:
            yield item

    try:
        yield consume()
    finally:
        channel.close(drop=True)
        thread.join()


@contextmanager
def side_by_side(make: Callable[[A], T], of: Iterable[A], ahead: int) -> Iterator[Iterator[T]]:
    """Give what ``make`` makes of each, in order, while the ``ahead`` that follow are made in threads.

    An error is raised where its item would have come. Leaving the context waits for what is being made.
    """
    pool = ThreadPoolExecutor(ahead, "geopatcher-read")
    rest = iter(of)

    def items() -> Iterator[T]:
        coming = deque(pool.submit(make, one) for one in islice(rest, ahead))
        while coming:
            item = coming.popleft().result()
            coming.extend(pool.submit(make, one) for one in islice(rest, 1))
            yield item
            del item  # who took it may be done with it while the next is waited for

    try:
        yield items()
    finally:
        pool.shutdown(cancel_futures=True)


class BackgroundWriter:
    """Runs calls in order in one thread behind the caller, or in the caller's own if not ``pipelined``.

    One call at a time: while it runs the caller makes the next, and waits with it if it is early. More
    waiting would make nobody faster who is not. After an error nothing further is run; the error is
    raised at the next `submit` or at `finish`.
    """

    def __init__(self, *, pipelined: bool) -> None:
        self._thread = ThreadPoolExecutor(1, "geopatcher-write") if pipelined else None
        self._last: Future[None] | None = None

    def submit(self, call: Callable[[], None]) -> None:
        """Hand a call over when the one before has ended."""
        if self._thread is None:
            call()
            return
        if self._last is not None:
            self._last.result()
        self._last = self._thread.submit(call)

    def wait(self) -> None:
        """Wait for what was handed over; raise its error."""
        if self._last is not None:
            self._last.result()

    def finish(self) -> None:
        """Wait for what was handed over, the last of all; raise its error."""
        self.settle()
        self.wait()

    def settle(self) -> None:
        """Wait for what was handed over, after an error that is told already: others are not raised."""
        if self._thread is not None:
            self._thread.shutdown()
