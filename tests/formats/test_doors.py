"""Who opens a file waits for those who read of it, and goes before those who want to."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from geopatcher.formats.doors import Doors, is_composed

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
    while not doors._wanting["a"]:
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
        assert doors._busy == {"a"}
    assert not doors._busy
    assert not doors._wanting
    with doors.reading("a"):
        assert doors._readers == {"a": 1}


NEAR = [
    ("https://h/a.tif", "b.vrt"),
    ("b.vrt", "https://h/a.tif"),
    ("a.vrt", "b.vrt"),
    ("/vsis3/b/a.tif", "b.vrt"),
]
FAR = [("https://h/a.tif", "https://h/b.tif"), ("a.tif", "b.vrt"), ("b.vrt", "a.tif"), ("a.tif", "b.tif")]


@pytest.mark.parametrize(
    ("read", "opened", "waits"), [(*pair, True) for pair in NEAR] + [(*pair, False) for pair in FAR]
)
def test_a_mosaic_may_read_of_whatever_is_elsewhere(read, opened, waits):
    """Tiles of a mosaic are read under their own names."""
    doors, inside, end, done = Doors(), threading.Event(), threading.Event(), threading.Event()

    def reads():
        with doors.reading(read):
            inside.set()
            end.wait(30)
            assert done.is_set() != waits

    def opens():
        inside.wait(30)
        with doors.opening(opened):
            done.set()

    errors = []
    threads = [started(kept(work, errors)) for work in (reads, opens)]
    assert done.wait(0.2 if waits else 30) != waits
    end.set()
    for thread in threads:
        thread.join(30)
    assert done.is_set()
    assert not errors


def kept(work, errors):
    """Return what does some work and keeps its error: a thread's own is lost."""

    def run():
        try:
            work()
        except AssertionError as error:
            errors.append(error)

    return run


def test_a_mosaic_is_known_by_its_name_or_by_what_is_in_it(tmp_path):
    (tmp_path / "list").write_text("<VRTDataset rasterXSize='1'>")
    (tmp_path / "pixels").write_bytes(b"II*\0")
    assert is_composed(str(tmp_path / "list"))
    assert not is_composed(str(tmp_path / "pixels"))
    assert not is_composed(str(tmp_path))
    assert not is_composed("x" * 5000)
    assert is_composed("tiles.gti.fgb")


PATHS = ("https://h/a.tif", "https://h/b.tif", "a.vrt", "b.vrt", "c.tif")


class Watched:
    """Who reads what just now, and whether anybody opens what meets it."""

    def __init__(self):
        self.lock, self.reads, self.wrong = threading.Lock(), {}, []

    def reading(self, path):
        with self.lock:
            self.reads[threading.get_ident()] = [*self.mine, path]

    @property
    def mine(self):
        return self.reads.get(threading.get_ident(), [])

    def rests(self):
        """Nothing is read while one waits; return what was."""
        with self.lock:
            return self.reads.pop(threading.get_ident(), [])

    def goes_on(self, paths):
        with self.lock:
            self.reads[threading.get_ident()] = paths

    def opened(self, path):
        elsewhere = {"https://h/a.tif", "https://h/b.tif", "a.vrt", "b.vrt"}
        with self.lock:
            for who, paths in self.reads.items():
                for other in paths:
                    both = {path, other} <= elsewhere and (path.endswith("vrt") or other.endswith("vrt"))
                    if who != threading.get_ident() and (both or path == other):
                        self.wrong.append((path, other))


@pytest.mark.parametrize("seed", range(5))
def test_nobody_reads_what_is_opened_and_nobody_waits_for_ever(seed):
    doors, watched, errors = Doors(), Watched(), []

    def work(number):
        chance = np.random.default_rng([seed, number])

        def go(depth):
            path, before = PATHS[chance.integers(len(PATHS))], watched.rests()
            if chance.random() < 0.4:
                with doors.opening(path):
                    for _ in range(3):
                        watched.opened(path)
                        time.sleep(0.0001)
                watched.goes_on(before)
                return
            with doors.reading(path):
                watched.goes_on([*before, path])
                time.sleep(0.0001)
                for _ in range(chance.integers(3) if depth else 0):
                    go(depth - 1)
                watched.goes_on(before)

        for _ in range(60):
            go(2)

    threads = [started(kept(lambda number=number: work(number), errors)) for number in range(6)]
    for thread in threads:
        thread.join(50)
    assert not any(thread.is_alive() for thread in threads)
    assert not errors
    assert not watched.wrong
    assert not doors._readers
    assert not doors._wanting
    assert not doors._busy
