"""Streams of patches: made when asked for, watched by hooks, read ahead in a thread, or awaited.

There is one pass, `Pass.patches`. Who awaits patches has it run in a thread, one patch at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import index
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from geopatcher.api.split import HasBytes
from geopatcher.core.closing import Closing
from geopatcher.engine.hooks import Hooks
from geopatcher.engine.pipeline import prefetch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator


class Placed(Protocol):
    """A patch: what it carries, and where it belongs."""

    @property
    def data(self) -> object:
        """An array, mostly."""
        ...

    @property
    def anchor(self) -> object:
        """A step, or a place and a step."""
        ...


P = TypeVar("P", bound=Placed)


class Stream(Closing, Iterator[P], Generic[P]):
    """Patches made when asked for; ``len`` is how many there are in all.

    Parameters
    ----------
    patches
        Makes them.
    count
        Says how many there will be; asked when somebody wants to know.

    """

    def __init__(self, patches: Generator[P, None, None], count: Callable[[], int]) -> None:
        self._patches = patches
        self._count = count

    def __next__(self) -> P:
        return next(self._patches)

    def __len__(self) -> int:
        return self._count()

    def __repr__(self) -> str:
        return f"Stream({len(self):,} patches)"

    def close(self) -> None:
        """Stop, and release what reading holds."""
        self._patches.close()


@dataclass(frozen=True)
class Pass(Generic[P]):
    """One pass over patches.

    ``anchors`` says where they will be, in order, and ``read`` makes them in the same order; it may leave
    some out. With ``ahead`` up to that many wait that a thread has read.
    """

    anchors: Callable[[], Iterator[object]]
    read: Callable[[], Generator[P, None, None]]
    count: Callable[[], int]
    hooks: Hooks = field(default_factory=Hooks)
    ahead: int = 0

    def __post_init__(self) -> None:
        if index(self.ahead) < 0:
            raise ValueError(f"prefetch is how many patches are read ahead, 0 or more, not {self.ahead}")

    def stream(self) -> Stream[P]:
        """Return the patches, none of which is made yet."""
        return Stream(self.patches(), self.count)

    def patches(self) -> Generator[P, None, None]:
        """Yield the patches."""
        if self.hooks:
            self.hooks.split_start(self.count())
        with prefetch(self.read(), _one, self.ahead) as patches:
            waiting: P | None = None
            for anchor in self.anchors():
                self.hooks.patch_start(anchor)  # type: ignore[arg-type] # over time it is a step
                started = time.perf_counter()
                patch = next(patches, None) if waiting is None else waiting
                waiting = patch if patch is not None and patch.anchor != anchor else None
                if patch is None or waiting is not None:
                    continue  # this one was left out
                self.hooks.patch_done(anchor, time.perf_counter() - started, bytes_of(patch.data))  # type: ignore[arg-type]
                yield patch
        self.hooks.split_end()


def _one(patch: object) -> int:
    _ = patch
    return 1


async def awaited(stream: Stream[P]) -> AsyncGenerator[P, None]:
    """Yield the patches of a stream, each made in a thread while other tasks run.

    When the one who waits is cancelled, the patch that is being read is waited for: no thread is left.
    """
    reading: asyncio.Future[P | None] | None = None
    try:
        while True:
            reading = asyncio.ensure_future(asyncio.to_thread(next, stream, None))
            patch = await asyncio.shield(reading)
            if patch is None:
                return
            yield patch
    finally:
        if reading is not None and not reading.done():
            await asyncio.wait([reading])
        await asyncio.to_thread(stream.close)


def bytes_of(result: object) -> int:
    """Return the bytes of an array, or of several by name."""
    if isinstance(result, Mapping):
        return sum(map(bytes_of, result.values()))
    return result.nbytes if isinstance(result, HasBytes) else 0
