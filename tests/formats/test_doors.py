"""Who opens a file waits for those who read of it, and goes before those who want to."""

from __future__ import annotations

import random
import threading
import time
from functools import partial

import pytest

from geopatcher.formats.doors import Doors

pytestmark = pytest.mark.timeout(60)


def started(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_it_is_opened_while_nobody_reads_and_before_who_wants_to():
    doors, said, first, end = Doors(), [], threading.Event(), threading.Event()

    def reads():
        with doors.reading("a"):
            first.set()
            end.wait(30)
            said.append("read")

    def opens():
        with doors.opening("a"):
            said.append("opened")

    def reads_later():
        with doors.reading("a"):
            said.append("read later")

    threads = [started(reads)]
    first.wait(30)
    threads.append(started(opens))
    while not doors._wanting:
        time.sleep(0.001)
    threads.append(started(reads_later))
    with doors.opening("b"), doors.reading("c"):  # others are not concerned
        time.sleep(0.05)
    assert said == []
    end.set()
    for thread in threads:
        thread.join(30)
    assert said == ["read", "opened", "read later"]


def test_two_that_read_may_both_open():
    doors, inside = Doors(), threading.Barrier(2, timeout=30)
    opened = []

    def work():
        with doors.reading("a"):
            inside.wait()
            with doors.opening("a"):
                opened.append(threading.active_count())
            with doors.reading("a"):
                pass

    threads = [started(work), started(work)]
    for thread in threads:
        thread.join(30)
    assert len(opened) == 2
    assert not doors._readers
    assert not doors._wanting
    assert not doors._busy


def test_readers_do_not_wait_for_each_other_and_nothing_is_left_behind():
    doors, together = Doors(), threading.Barrier(4, timeout=30)

    def work():
        with doors.reading("a"):
            together.wait()
        with pytest.raises(OSError, match="no"), doors.opening("a"):
            raise OSError("no")

    threads = [started(work) for _ in range(4)]
    for thread in threads:
        thread.join(30)
    assert not doors._readers
    assert not doors._wanting
    assert not doors._busy


def test_who_opens_it_may_open_it_again_and_read_of_it():
    doors = Doors()
    with doors.opening("a"), doors.reading("a"), doors.opening("a"):
        assert {file.path for file in doors._busy} == {"a"}
    assert not doors._busy
    assert not doors._wanting
    with doors.reading("a"):
        assert [file.path for file in doors._readers] == ["a"]


REMOTE, OTHER = "https://host/a.tif", "https://host/b.tif"
MOSAIC = "https://host/m.vrt"


def waits(doors, reads, opens):
    """Whether who opens one waits for who reads the other."""
    inside = threading.Event()

    def work():
        with doors.opening(opens):
            inside.set()

    with doors.reading(reads):
        thread = started(work)
        waited = not inside.wait(0.2)
    thread.join(30)
    assert inside.is_set()
    assert not {*doors._readers, *doors._wanting, *doors._busy}
    return waited


@pytest.mark.parametrize(
    ("reads", "opens", "waited"),
    [
        (REMOTE, OTHER, False),
        (REMOTE, MOSAIC, True),
        (MOSAIC, REMOTE, True),
        (MOSAIC, "https://host/n.vrt", True),
        ("<VRTDataset>", REMOTE, True),
        (REMOTE, f"/vsicurl/{REMOTE}", True),
        ("s3://bucket/a.tif", "/vsis3/bucket/a.tif", True),
        ("here.tif", MOSAIC, False),
        (MOSAIC, "here.tif", False),
    ],
)
def test_a_mosaic_may_read_of_every_file_elsewhere(reads, opens, waited):
    assert waits(Doors(), reads, opens) is waited


def test_a_mosaic_of_files_that_are_here_is_one_file(tmp_path):
    tile = "<SourceFilename relativeToVRT='1'>{}</SourceFilename>"
    (tmp_path / "here.vrt").write_text(tile.format("a.tif"))
    (tmp_path / "far.vrt").write_text(tile.format("/vsicurl/https://host/a.tif"))
    (tmp_path / "outer.vrt").write_text(tile.format("far.vrt"))
    assert not waits(Doors(), REMOTE, str(tmp_path / "here.vrt"))
    assert waits(Doors(), REMOTE, str(tmp_path / "far.vrt"))
    assert waits(Doors(), REMOTE, str(tmp_path / "outer.vrt"))


def test_many_that_read_and_open_within_each_other_all_come_to_an_end():
    doors, names = Doors(), [REMOTE, OTHER, MOSAIC, "here.tif"]
    inside, wrong, lock = {}, [], threading.Lock()

    def work(seed):
        rng = random.Random(seed)  # noqa: S311 - to be drawn again, not to be secret
        for _ in range(150):
            first, second, third = (rng.choice(names) for _ in range(3))
            with doors.reading(first), doors.opening(second):
                with lock:
                    wrong.extend(
                        (second, other) for other in inside if second == other or {second, other} in MEETING
                    )
                    inside[second] = inside.get(second, 0) + 1
                time.sleep(0)
                with lock:
                    inside[second] -= 1
                    if not inside[second]:
                        del inside[second]
            with doors.reading(first), doors.reading(third), doors.opening(second), doors.opening(third):
                pass

    threads = [started(partial(work, seed)) for seed in range(6)]
    for thread in threads:
        thread.join(50)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
    assert not {*doors._readers, *doors._wanting, *doors._busy}


#: Of the names above, those of which not both may be opened at once.
MEETING = ({REMOTE, MOSAIC}, {OTHER, MOSAIC})
