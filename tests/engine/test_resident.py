"""What a process takes, as the system says, and what a call adds to it."""

from __future__ import annotations

import mmap
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from geopatcher.engine import resident
from geopatcher.engine.resident import Meter, Taken, peak_rss_bytes, rss_bytes, unloaded_bytes

MIB = 1 << 20
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")


def taken_by(*calls):
    meter = Meter()
    for number, call in enumerate(calls, start=1):
        meter.measure(call, number)
    return meter


def fresh(n_bytes):
    """Return an array in memory no array before had: what allocators kept would not add to the process."""
    array = np.frombuffer(mmap.mmap(-1, n_bytes), np.uint8)
    array[:] = 1
    return array


@on_linux
def test_the_peak_is_this_process_s_own_and_not_inherited_from_its_parent():
    ballast = np.ones(200 * MIB // 8)
    child = "from geopatcher.engine.resident import peak_rss_bytes; print(peak_rss_bytes())"
    # Forked by this large process: what getrusage says of the child begins at what this one holds.
    ended = subprocess.run([sys.executable, "-c", child], stdout=subprocess.PIPE, check=True, close_fds=False)
    assert int(ended.stdout) < ballast.nbytes
    assert peak_rss_bytes() > ballast.nbytes


def test_without_proc_the_peak_is_what_getrusage_says(monkeypatch, tmp_path):
    monkeypatch.setattr(resident, "_STATUS", tmp_path / "status")
    monkeypatch.setattr(resident, "_PAGES", tmp_path / "statm")
    usage = resident.resource.getrusage(resident.resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    assert usage * unit <= peak_rss_bytes() <= usage * unit + 50 * MIB
    assert rss_bytes() >= usage * unit


@on_linux
def test_what_a_call_takes_and_gives_back_is_told_from_what_it_keeps():
    kept = []

    def gives_back():
        return float(fresh(100 * MIB)[0])

    def keeps():
        kept.append(fresh(60 * MIB))

    given_back = taken_by(gives_back).taken
    assert given_back.call_bytes == pytest.approx(100 * MIB, rel=0.1)
    assert given_back.kept_bytes < 20 * MIB
    stays = taken_by(keeps).taken
    assert stays.kept_bytes == pytest.approx(60 * MIB, rel=0.1)
    assert stays.call_bytes < 20 * MIB


@on_linux
def test_a_call_below_an_earlier_peak_is_seen_too():
    def call():
        block = fresh(80 * MIB)
        time.sleep(0.3)  # as long as an operator may take
        return float(block[0])

    _ = fresh(400 * MIB)
    del _
    assert taken_by(call).taken.call_bytes == pytest.approx(80 * MIB, rel=0.1)


@on_linux
def test_calls_are_measured_that_have_more_patches_than_those_before():
    def of(n_bytes):
        return lambda: float(fresh(n_bytes)[0])

    meter = Meter()
    meter.measure(of(40 * MIB), 0)  # of less than full size
    assert meter.wants(1)
    meter.measure(of(120 * MIB), 4)
    assert (meter.wants(1), meter.wants(4), meter.wants(5)) == (False, False, True)
    assert meter.taken.call_bytes == pytest.approx(120 * MIB, rel=0.1)


@on_linux
def test_what_grows_with_the_patches_is_told_from_what_the_first_call_has_loaded():
    kept = []

    def keeping(n_bytes):  # as the arena of a runtime, which never gives back
        return lambda: kept.append(fresh(n_bytes))

    meter = Meter()
    grown = []
    for number, n_bytes in enumerate([90 * MIB, 30 * MIB, 60 * MIB], start=1):
        meter.measure(keeping(n_bytes), number)
        grown.append(meter.grown)
    assert grown == pytest.approx([0, 30 * MIB, 90 * MIB], abs=10 * MIB)


def test_where_the_system_tells_nothing_nothing_is_measured(monkeypatch):
    assert not Meter(_told=False).wants(1)


def test_an_error_of_the_call_is_its_own_and_leaves_nothing_behind():
    meter = Meter()
    with pytest.raises(ZeroDivisionError):
        meter.measure(lambda: 1 / 0, 1)
    assert not [thread for thread in threading.enumerate() if thread.name == "geopatcher-lookout"]
    assert meter.beside(len)([1, 2]) == 2, "readers are not kept waiting"


def test_others_take_no_memory_while_a_call_is_measured():
    meter, order = Meter(), []
    begun = threading.Event()

    def call():
        begun.set()
        time.sleep(0.2)
        order.append("call")

    reader = threading.Thread(target=lambda: (begun.wait(), meter.beside(order.append)("read")))
    reader.start()
    meter.measure(call, 1)
    reader.join()
    assert order == ["call", "read"]


def test_the_larger_of_each_is_kept():
    assert Taken(1, 5, 3).or_more(Taken(2, 4, 9)) == Taken(2, 5, 9)


def test_libraries_count_until_they_are_loaded(monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    loaded = unloaded_bytes(("zarr",))
    monkeypatch.delitem(sys.modules, "zarr")
    assert (loaded, unloaded_bytes(("zarr",))) == (0, resident.LIBRARY_BYTES["zarr"])
