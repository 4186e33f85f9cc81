"""A call in a thread that a task feeds."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.api.feeding import in_thread

IMAGE = np.random.default_rng(2).random((2, 40, 64))


def patcher():
    return gp.SpatialPatcher(
        gp.SpatialRectangular(8), gp.SpatialRegularStride(4), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Those that fetch serve the whole process, and stay."""
    before = {*threading.enumerate()}
    yield
    left = [one.name for one in threading.enumerate() if one not in before]
    assert [name for name in left if not name.startswith("geopatcher-fetch")] == []


async def counted(n, asked):
    for number in range(n):
        await asyncio.sleep(0)
        asked.append(number)
        yield number


def test_items_are_taken_one_by_one_in_another_thread():
    asked, seen = [], []

    def call(items):
        main = threading.main_thread()
        seen.extend((item, len(asked), threading.current_thread() is main) for item in items)
        return "made"

    assert asyncio.run(in_thread(call, counted(5, asked))) == "made"
    assert seen == [(number, number + 1, False) for number in range(5)]
    assert asyncio.run(in_thread(sum, [1, 2, 3])) == 6


def test_errors_of_both_sides_are_raised():
    async def failing():
        yield 1
        raise KeyError("gone")

    def wrong(items):
        next(iter(items))
        raise ZeroDivisionError

    with pytest.raises(KeyError, match="gone"):
        asyncio.run(in_thread(list, failing()))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(wrong, counted(5, [])))


def test_cancelling_ends_the_thread():
    async def endless(begun):
        yield 1
        begun.set()
        await asyncio.Event().wait()

    async def run():
        begun = asyncio.Event()
        task = asyncio.create_task(in_thread(list, endless(begun)))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


@pytest.mark.parametrize("planned", [True, False])
def test_merging_what_is_awaited_is_merging(planned):
    made = patcher()

    async def plain():
        async for patch in made.asplit(IMAGE):
            yield patch

    async def run():
        return await made.amerge(made.asplit(IMAGE) if planned else plain(), IMAGE)

    wanted = made.merge(made.split(IMAGE), IMAGE)
    assert asyncio.run(run()).tobytes() == wanted.tobytes()
    assert asyncio.run(made.amerge(made.split(IMAGE), IMAGE)).tobytes() == wanted.tobytes()
