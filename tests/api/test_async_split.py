"""Patches that are awaited: those of `split`, bounded, cancellable, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.api.journal import PatchJournal

IMAGE = np.random.default_rng(2).random((2, 40, 64))


class Awaited:
    """A field of its own: it counts what is on its way."""

    domain = gp.RasterDomain(IMAGE.shape, dtype=IMAGE.dtype)

    def __init__(self, failing=(), image=IMAGE):
        self.image, self.failing = image, set(failing)
        self.now = self.most = self.n_read = self.cancelled = 0

    async def aselect(self, window):
        self.n_read += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.001 if window.col_off % 3 else 0)  # they end in another order
            if (window.row_off, window.col_off) in self.failing:
                raise OSError("gone")
            rows, cols = window.toslices()
            return self.image[:, rows, cols]
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.now -= 1


def patcher(size=8, step=8, boundary="cover", **policy):
    return gp.AsyncSpatialPatcher(
        gp.SpatialRectangular(size, boundary),
        gp.SpatialRegularStride(step),
        gp.SpatialHann(),
        gp.SpatialOverlapAdd(),
        **policy,
    )


def threads():
    """Return the names of ours; those that fetch serve the whole process, and stay."""
    ours = (one.name for one in threading.enumerate() if one.name.startswith("geopatcher"))
    return [name for name in ours if not name.startswith("geopatcher-fetch")]


def listed(stream):
    async def run():
        patches = [patch async for patch in stream]
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return patches

    patches = asyncio.run(run())
    assert threads() == []
    return patches


def same(got, wanted):
    assert [patch.anchor for patch in got] == [patch.anchor for patch in wanted]
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(one.data, other.data)
        np.testing.assert_array_equal(one.weights, other.weights)
        assert one.indices == other.indices


@how(max_examples=40, deadline=None)
@given(
    lattice=st.tuples(
        st.integers(3, 50), st.integers(3, 20), st.sampled_from(["cover", "drop", "pad", "reflect", "shrink"])
    ),
    most=st.integers(1, 12),
    kind=st.sampled_from(["own", "array", "file-like"]),
)
def test_they_are_those_of_split(lattice, most, kind):
    size, step, boundary = lattice
    made = patcher(size, min(step, size), boundary)
    source = {
        "own": Awaited(),
        "array": IMAGE,
        "file-like": gp.AsyncRasterField(gp.RasterField.from_array(IMAGE).source),
    }[kind]
    stream = made.asplit(source, max_in_flight=most)
    wanted = list(made.split(IMAGE))
    assert len(stream) == stream.plan.n_patches == len(wanted)
    same(listed(stream), wanted)


@pytest.mark.parametrize(
    ("bounds", "most"),
    [
        ({"max_in_flight": 1}, 1),
        ({"max_in_flight": 5}, 5),
        ({}, 8),
        ({"max_in_flight": 9, "max_in_flight_bytes": 3 * 2 * 8 * 8 * 8}, 3),
        ({"max_in_flight": 9, "max_in_flight_bytes": 1}, 1),
    ],
)
def test_no_more_are_in_flight_than_asked_for(bounds, most):
    field = Awaited()

    async def run():
        taken = 0
        async for _ in patcher().asplit(field, **bounds):
            taken += 1
            for _ in range(5):
                await asyncio.sleep(0)
            assert field.n_read <= taken + most
            if most == 1:
                assert field.n_read == taken
        return taken

    assert asyncio.run(run()) == 40
    assert field.most == most


@pytest.mark.parametrize("source", [Awaited(), IMAGE])
def test_leaving_early_leaves_nothing_behind(source):
    async def run():
        async with contextlib.aclosing(patcher().asplit(source, max_in_flight=6)) as stream:
            async for _ in stream:
                break
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert threads() == []

    asyncio.run(run())
    assert not isinstance(source, Awaited) or source.now == 0


def test_cancelling_cancels_what_is_on_its_way():
    class Never(Awaited):
        async def aselect(self, window):
            self.now += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.now -= 1

    field = Never()

    async def run():
        async def loop():
            async for _ in patcher().asplit(field, max_in_flight=6):
                pass

        task = asyncio.create_task(loop())
        for _ in range(20):  # turns of the loop
            await asyncio.sleep(0)
        assert field.now == 6
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert field.now == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_what_a_field_raises_is_raised_with_its_window():
    made = patcher()
    with pytest.raises(OSError, match="gone") as caught:
        listed(made.asplit(Awaited(failing=[(8, 16)])))
    assert caught.value.__notes__[0].startswith("while reading rows 8:16, columns 16:24 of")


@pytest.mark.parametrize("on_error", ["skip", "mask"])
def test_failed_patches_are_left_out_or_masked_as_by_split(on_error):
    class Failing:
        domain = Awaited.domain

        def select(self, window):
            rows, cols = window.toslices()
            if (window.row_off, window.col_off) == (8, 16):
                raise OSError("gone")
            return IMAGE[:, rows, cols]

    told = {}

    class Hook:
        def on_error(self, anchor, exc):
            told.setdefault(anchor, []).append(str(exc))

        def on_split_end(self):
            told.setdefault("end", []).append(1)

    sync, awaited = patcher(on_error=on_error), patcher(on_error=on_error)
    wanted = list(sync.split(Failing(), Hook()))
    same(listed(awaited.asplit(Awaited(failing=[(8, 16)]), hooks=Hook())), wanted)
    assert [error.anchor for error in awaited.errors] == [error.anchor for error in sync.errors] == [(8, 16)]
    assert told == {(8, 16): ["gone"] * 2, "end": [1, 1]}


def test_retries_and_no_patch_at_all():
    class Busy(Awaited):
        async def aselect(self, window):
            if self.n_read == 0:
                self.n_read += 1
                raise OSError("busy")
            return await super().aselect(window)

    made = patcher(on_error="retry", max_retries=1)
    same(listed(made.asplit(Busy())), list(made.split(IMAGE)))
    everywhere = [patch.anchor for patch in made.split(IMAGE)]
    with pytest.warns(RuntimeWarning, match="all 40 patches"):
        assert listed(patcher(on_error="skip").asplit(Awaited(failing=everywhere))) == []


def test_a_journal_leaves_patches_out(tmp_path):
    with PatchJournal(tmp_path / "journal") as journal:
        for anchor in ((0, 0), (8, 16)):
            journal.commit(anchor, status="done", runtime_s=0)
        for source in (Awaited(), IMAGE):
            stream = patcher().asplit(source, journal=journal)
            assert len(stream) == 38
            assert {(0, 0), (8, 16)}.isdisjoint(patch.anchor for patch in listed(stream))


def test_synchronous_verbs_take_an_asynchronous_field_where_no_loop_runs():
    made = patcher(12, 8)
    field = Awaited()
    assert made.anchors(field) == made.anchors(IMAGE)
    same(list(made.split(field)), list(made.split(IMAGE)))

    async def run():
        list(made.split(field))

    with pytest.raises(
        RuntimeError, match="Awaited is awaited, and a loop is running in this thread: use asplit"
    ):
        asyncio.run(run())
