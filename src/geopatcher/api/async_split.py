"""The drivers of `geopatcher.SpatialPatcher.asplit`: what is made and told of each piece is as in `split`."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from rasterio.windows import Window as RasterWindow

from geopatcher.api.feeding import ended
from geopatcher.api.split import (
    Delivery,
    Held,
    Piece,
    anchor_of,
    boxes_of,
    note,
    remaining,
)
from geopatcher.core.box import Box
from geopatcher.core.patch import Patch
from geopatcher.core.typevars import D_co
from geopatcher.engine.cuts import cut_patches
from geopatcher.engine.error_policy import Failure, attempt_async
from geopatcher.fields.plain_field import array_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from geopatcher.api.placed import PlacedStream
    from geopatcher.api.split import DoneAnchors, Splitting
    from geopatcher.core.protocols import AsyncField
    from geopatcher.planning.plan import Plan

T = TypeVar("T")


class AsyncPatchStream(AsyncIterator[Patch[D_co]], Generic[D_co]):
    """Patches that are awaited, in the order of the plan they carry.

    Parameters
    ----------
    plan
        Of the patches.
    patches
        Makes them.
    done
        Knows those that are left out.

    """

    def __init__(
        self, plan: Plan, patches: AsyncGenerator[Patch[D_co], None], done: DoneAnchors | None = None
    ) -> None:
        self.plan = plan
        self._patches = patches
        self._done = done

    async def __anext__(self) -> Patch[D_co]:
        return await anext(self._patches)

    def __len__(self) -> int:
        return remaining(self.plan, self._done)

    async def aclose(self) -> None:
        """Stop: tasks are cancelled, and what reading holds is released."""
        await self._patches.aclose()


class AsyncPlacedStream(AsyncIterator[Patch[object]]):
    """Patches that are awaited, at places that are listed.

    Parameters
    ----------
    stream
        Makes them.

    """

    def __init__(self, stream: PlacedStream) -> None:
        self._length = len(stream)
        self._patches = from_thread(stream)

    async def __anext__(self) -> Patch[object]:
        return await anext(self._patches)

    def __len__(self) -> int:
        return self._length

    async def aclose(self) -> None:
        """Stop, and release what reading holds."""
        await self._patches.aclose()


class Closable(Protocol):
    """Patches made when asked for, until it is closed."""

    def __iter__(self) -> Iterator[Patch[object]]:
        """Return the patches."""
        ...

    def close(self) -> None:
        """Stop."""
        ...


class _Asked(NamedTuple):
    anchor: tuple[int, int]
    n_bytes: int
    started: float
    task: asyncio.Task[Piece]


@dataclass(frozen=True)
class WindowTasks:
    """One pass over a field whose windows are awaited: a task for each, few at once, in the plan's order."""

    splitting: Splitting
    field: AsyncField[object]
    most: int
    most_bytes: int

    async def patches(self) -> AsyncGenerator[Patch[object], None]:
        """Yield the patches. No task is left when this ends, however it ends."""
        now, delivery = self.splitting, Delivery(self.splitting)
        todo = (box for box in boxes_of(now.plan) if not self._is_done(box, delivery))
        asked: deque[_Asked] = deque()
        following = next(todo, None)
        try:
            while asked or following is not None:
                while following is not None and self._has_room(asked, following):
                    asked.append(self._ask(following))
                    following = next(todo, None)
                piece = await asked[0].task
                first = asked.popleft()
                patch = delivery.of(piece, first.anchor, first.started)
                if patch is not None:
                    yield patch
        finally:
            tasks = [one.task for one in asked]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        delivery.end()

    def _is_done(self, box: Box, delivery: Delivery) -> bool:
        done = self.splitting.is_done(anchor_of(self.splitting.plan, box))
        delivery.n_good += done  # at another time
        return done

    def _has_room(self, asked: deque[_Asked], box: Box) -> bool:
        if not asked:
            return True
        held = sum(one.n_bytes for one in asked)
        return len(asked) < self.most and held + self._bytes(box) <= self.most_bytes

    def _bytes(self, box: Box) -> int:
        domain = self.splitting.source.domain
        return box.n_pixels * domain.n_bands * domain.dtype.itemsize

    def _ask(self, box: Box) -> _Asked:
        anchor = anchor_of(self.splitting.plan, box)
        self.splitting.hooks.patch_start(anchor)
        task = asyncio.ensure_future(self._piece(box))
        return _Asked(anchor, self._bytes(box), time.perf_counter(), task)

    async def _piece(self, box: Box) -> Piece:
        now = self.splitting
        try:
            piece = await attempt_async(partial(self._window, box), now.policy, asyncio.sleep)
        except Exception as error:
            note(error, box, now.source.source.name)
            raise
        return now.failed(box, piece) if isinstance(piece, Failure) else piece

    async def _window(self, box: Box) -> Piece:
        """Await a patch; of one that has to be filled, the pixels it is made of."""
        plan = self.splitting.plan
        inner = box.intersect(Box.of_shape(plan.domain.grid_shape))
        if inner == box or plan.boundary == "shrink":
            data = await self.field.aselect(_window(inner))
            if isinstance(data, np.ndarray):  # a view would show what is written into other patches
                data = data.copy()
            return Piece(data, inner, None if inner == box else inner.slices(box))
        reach = plan.reach(box)
        pixels = array_of(await self.field.aselect(_window(reach)))
        stacked = pixels if pixels.ndim == 3 else pixels[np.newaxis]
        cut = next(cut_patches(plan, [box], Held(reach, stacked, None)))
        return Piece(self.splitting.source.dress(cut.pixels, box), box)


def _window(box: Box) -> RasterWindow:
    return RasterWindow(box.col0, box.row0, box.width, box.height)


async def from_thread(stream: Closable) -> AsyncGenerator[Patch[object], None]:
    """Yield the patches of `split`, made in a thread. It has ended when this ends, however that ends."""
    patches: Iterator[Patch[object]] = iter(stream)
    with ThreadPoolExecutor(1, "geopatcher-asplit") as pool:
        try:
            while (patch := await ended(pool.submit(next, patches, None))) is not None:
                yield patch
        finally:
            await ended(pool.submit(stream.close))
