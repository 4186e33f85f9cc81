"""One pass over patches: lazily, ahead, awaited, and watched."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

from geopatcher.engine.hooks import Hooks
from geopatcher.patchers.streams import Pass, awaited, bytes_of
from geopatcher.temporal.patch import TemporalPatch


class Log:
    def __init__(self):
        self.heard = []

    def on_split_start(self, n):
        self.heard.append(("start", n))

    def on_patch_start(self, anchor):
        self.heard.append(("patch", anchor))

    def on_patch_done(self, anchor, seconds, nbytes):
        self.heard.append(("done", anchor, nbytes))
        assert seconds >= 0

    def on_split_end(self):
        self.heard.append("end")


class Source:
    """Patches that say when they are made and that reading was closed."""

    def __init__(self, n, left_out=(), slow=0.0):
        self.n, self.left_out, self.slow = n, left_out, slow
        self.made, self.closed = [], False

    def read(self):
        try:
            for at in range(self.n):
                if at in self.left_out:
                    continue
                time.sleep(self.slow)
                self.made.append(at)
                yield TemporalPatch(np.zeros(at), at)
        finally:
            self.closed = True

    def passing(self, hooks=None, ahead=0):
        return Pass(lambda: iter(range(self.n)), self.read, lambda: self.n, Hooks.of(hooks), ahead)


@pytest.mark.parametrize("ahead", [0, 3])
def test_patches_come_in_order_and_hooks_hear_of_each(ahead):
    log = Log()
    stream = Source(3).passing(log, ahead).stream()
    assert len(stream) == 3
    assert [patch.anchor for patch in stream] == [0, 1, 2]
    done = [event for at in range(3) for event in (("patch", at), ("done", at, 8 * at))]
    assert log.heard == [("start", 3), *done, "end"]


@pytest.mark.parametrize("ahead", [0, 3])
def test_what_is_left_out_begins_and_is_not_done(ahead):
    log = Log()
    source = Source(5, left_out=(0, 2, 4))
    assert [patch.anchor for patch in source.passing(log, ahead).stream()] == [1, 3]
    assert [event[1] for event in log.heard if event[0] == "done"] == [1, 3]


def test_nothing_is_made_before_it_is_asked_for():
    source = Source(100)
    stream = source.passing().stream()
    assert source.made == []
    next(stream)
    assert source.made == [0]
    stream.close()
    assert source.closed


def test_no_more_is_read_ahead_than_asked():
    source = Source(100)
    with source.passing(ahead=3).stream() as stream:
        next(stream)
        for _ in range(100):
            time.sleep(0.002)
        assert len(source.made) <= 1 + 3 + 1  # the one given, those that wait, the one in the thread's hand
    assert source.closed
    assert threading.active_count() == 1 or all(t.name != "geopatcher-read" for t in threading.enumerate())


@pytest.mark.parametrize("ahead", [0, 2])
def test_awaited_patches_are_the_same(ahead):
    async def go():
        return [patch.anchor async for patch in awaited(Source(20).passing(ahead=ahead).stream())]

    assert asyncio.run(go()) == list(range(20))


def test_other_tasks_run_meanwhile():
    async def go():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        async for _ in awaited(Source(3, slow=0.02).passing().stream()):
            pass
        ticking.cancel()
        return ticks

    assert asyncio.run(go()) > 3


@pytest.mark.parametrize("ahead", [0, 2])
def test_one_who_is_cancelled_leaves_nothing_behind(ahead):
    source = Source(1000, slow=0.01)

    async def go():
        async def take():
            async for _ in awaited(source.passing(ahead=ahead).stream()):
                pass

        task = asyncio.create_task(take())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert source.closed
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(go())
    assert all(thread.name != "geopatcher-read" for thread in threading.enumerate())


def test_one_who_stops_early_closes_the_stream():
    source = Source(1000)

    async def go():
        patches = awaited(source.passing().stream())
        async for _ in patches:
            break
        await patches.aclose()

    asyncio.run(go())
    assert source.closed


def test_errors_come_through():
    def read():
        yield TemporalPatch(1, 0)
        raise OSError("gone")

    async def go():
        passing = Pass(lambda: iter(range(2)), read, lambda: 2)
        return [patch async for patch in awaited(passing.stream())]

    with pytest.raises(OSError, match="gone"):
        asyncio.run(go())


def test_a_negative_number_is_not_read_ahead():
    with pytest.raises(ValueError, match="not -1"):
        Source(3).passing(ahead=-1)


def test_bytes_are_those_of_arrays():
    assert bytes_of({"a": np.zeros(3), 4: {"b": np.zeros(2)}}) == 40
    assert bytes_of("text") == 0


def test_a_stream_says_how_many_there_are():
    def one():
        yield TemporalPatch(1, 0)

    assert repr(Pass(lambda: iter([0]), one, lambda: 1234).stream()) == "Stream(1,234 patches)"
