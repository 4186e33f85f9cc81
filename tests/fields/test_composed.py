"""What sources put together of others say of themselves, and what they keep between two calls."""

from __future__ import annotations

import pickle
import threading
from functools import partial

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.protocols import reads_at_once
from geopatcher.fields import composed
from geopatcher.fields.composed import LastRead
from geopatcher.fields.declared import working_bytes

HOLED = np.arange(40, dtype="uint8").reshape(1, 5, 8) % 7
BOX = gp.Box(0, 5, 0, 8)


class Member:
    """A source of uint8 with 0 for what is missing; it counts how often it is read."""

    domain = gp.RasterDomain((1, 5, 8), dtype=np.dtype("uint8"), nodata=0)
    block_shape, has_nodata, name = (1, 8), True, "a member"

    def __init__(self, at_once=1, working=0, *, concurrent=True):
        self.reads_at_once, self.working_bytes, self.reads_concurrently = at_once, working, concurrent
        self.reads = 0

    def read(self, box):
        self.reads += 1
        return HOLED[:, *box.slices(BOX)]

    def valid(self, box, pixels):
        return pixels != 0

    def identity(self):
        return {"unknown": "it is made up"}


KINDS = {
    "mosaic": gp.Mosaic,
    "median": partial(gp.Mosaic, order="median"),
    "stack": gp.Stack,
    "bands": gp.BandStack,
}


@pytest.mark.parametrize("kind", KINDS)
class TestKinds:
    def test_as_many_reads_at_once_as_the_farthest_member_wants(self, kind):
        make = KINDS[kind]
        assert reads_at_once(make([Member(), Member(4)])) == 4
        assert reads_at_once(make([Member(), Member()])) == 1
        assert reads_at_once(make([Member(4), Member(concurrent=False)])) == 1

    @pytest.mark.parametrize("n_cores", [1, 2])
    def test_what_members_take_that_are_read_at_once_is_counted(self, kind, n_cores, monkeypatch):
        monkeypatch.setattr(composed, "usable_cores", lambda: n_cores)
        make = KINDS[kind]
        own = working_bytes(make([Member(), Member(), Member()]))
        taken = working_bytes(make([Member(working=5), Member(working=70), Member(working=1)]))
        assert taken == own + (75 if n_cores == 2 and kind in ("median", "stack") else 70)

    def test_where_pixels_hold_data_is_kept_for_who_asks_next_and_read_again_for_others(self, kind):
        members = [Member(), Member()]
        source = KINDS[kind](members)
        pixels = source.read(BOX)
        reads = sum(member.reads for member in members)
        first = source.valid(BOX, pixels)
        assert sum(member.reads for member in members) == reads
        again = source.valid(BOX, pixels.copy())
        assert sum(member.reads for member in members) > reads
        np.testing.assert_array_equal(first, again)
        np.testing.assert_array_equal(first, np.broadcast_to(HOLED != 0, first.shape))


def test_what_was_read_last_is_known_to_its_thread_once_and_does_not_travel():
    last, pixels, known = LastRead(), np.zeros((1, 2, 2)), np.ones((1, 2, 2), bool)
    last.keep(pixels, known)
    elsewhere = []
    thread = threading.Thread(target=lambda: elsewhere.append(last.take(pixels)))
    thread.start()
    thread.join()
    assert elsewhere == [None]
    assert pickle.loads(pickle.dumps(last)).take(pixels) is None  # noqa: S301 - our own
    assert last.take(pixels) is known
    assert last.take(pixels) is None


class Waiting(Member):
    """A member that is read when another is, too, or fails."""

    together = threading.Barrier(2)

    def read(self, box):
        self.together.wait(timeout=20)
        return super().read(box)


@pytest.mark.parametrize("kind", ["median", "stack"])
def test_members_are_read_on_all_cores_in_their_order(kind, monkeypatch):
    monkeypatch.setattr(composed, "usable_cores", lambda: 2)
    members = [Waiting() for _ in range(4)]
    source = KINDS[kind](members)
    pixels = source.read(BOX)
    assert [member.reads for member in members] == [1, 1, 1, 1]
    np.testing.assert_array_equal(pixels, np.broadcast_to(HOLED, pixels.shape))
    np.testing.assert_array_equal(source.valid(BOX, pixels), pixels != 0)


@pytest.mark.parametrize("n_cores", [1, 2])
def test_an_error_of_a_member_is_told(n_cores, monkeypatch):
    monkeypatch.setattr(composed, "usable_cores", lambda: n_cores)

    class Broken(Member):
        def read(self, box):
            raise gp.errors.SourceError("it is damaged")

    with pytest.raises(gp.errors.SourceError, match="it is damaged"):
        gp.Stack([Member(), Broken(), Member()]).read(BOX)
