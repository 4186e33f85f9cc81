"""A call in a thread that is fed, item by item, from a task."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

from geopatcher.merging.merge import Planned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from concurrent.futures import Future

    from geopatcher.planning.plan import Plan

T = TypeVar("T")
R = TypeVar("R")


class Feed(Iterator[T], Generic[T]):
    """The items of an asynchronous iterable, for a loop in another thread: one is asked for at a time."""

    def __init__(self, items: AsyncIterable[T], loop: asyncio.AbstractEventLoop) -> None:
        self._items: AsyncIterator[T] = aiter(items)
        self._loop = loop
        self._lock = threading.Lock()
        self._stopped = False
        self._asked: Future[tuple[T, ...]] | None = None

    async def _next(self) -> tuple[T, ...]:
        try:
            return (await anext(self._items),)
        except StopAsyncIteration:
            return ()

    def __next__(self) -> T:
        with self._lock:
            if self._stopped:
                raise asyncio.CancelledError
            self._asked = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        found = self._asked.result()
        if not found:
            raise StopIteration
        return found[0]

    def stop(self) -> None:
        """Let the other thread's loop end with a `CancelledError`, and what it waits for."""
        with self._lock:
            self._stopped = True
            if self._asked is not None:
                self._asked.cancel()


class PlannedFeed(Feed[T]):
    """The same of items that come in the order of a plan."""

    def __init__(self, items: AsyncIterable[T], loop: asyncio.AbstractEventLoop, plan: Plan) -> None:
        super().__init__(items, loop)
        self.plan = plan


async def in_thread(call: Callable[[Iterable[T]], R], items: AsyncIterable[T] | Iterable[T]) -> R:
    """Return what a call makes of items, in a thread of its own, which takes each as it comes.

    The thread has ended when this returns or raises. Cancelled, it cancels what the thread waits for.
    """
    if not isinstance(items, AsyncIterable):
        with ThreadPoolExecutor(1, "geopatcher-merge") as pool:
            return await ended(pool.submit(call, items))
    loop = asyncio.get_running_loop()
    feed = PlannedFeed(items, loop, items.plan) if isinstance(items, Planned) else Feed(items, loop)
    with ThreadPoolExecutor(1, "geopatcher-merge") as pool:
        return await ended(pool.submit(call, feed), feed.stop)


async def ended(future: Future[R], stop: Callable[[], None] = lambda: None) -> R:
    """Await what a thread does; where the task is cancelled, that is raised when the thread has stopped."""
    wrapped = asyncio.wrap_future(future)
    try:
        await asyncio.wait([wrapped])
    except asyncio.CancelledError:
        stop()
        await asyncio.wait([wrapped])
        if not wrapped.cancelled():
            wrapped.exception()  # the cancellation comes first
        raise
    return wrapped.result()
