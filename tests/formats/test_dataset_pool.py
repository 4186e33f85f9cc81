"""Open datasets: lent to one at a time, kept warm, bounded, never stale."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random
import threading
import time
import warnings

import numpy as np
import pytest
import rasterio

from geopatcher.errors import SourceError
from geopatcher.formats.dataset_pool import POOL, HandlePool

pytestmark = pytest.mark.timeout(60)


def write(path, value, size=8):
    profile = {"driver": "GTiff", "height": size, "width": size, "count": 1, "dtype": "uint8"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile) as dataset:
            dataset.write(np.full((1, size, size), value, "uint8"))
    return str(path)


@pytest.fixture
def pool():
    made = HandlePool(max_idle=3)
    yield made
    made.close()


def idle(pool):
    return [version.path for version, _ in pool._idle.values()]


def test_a_handle_is_kept_and_lent_again(pool, tmp_path):
    path = write(tmp_path / "a.tif", 1)
    with pool.borrow(path) as first:
        pass
    with pool.borrow(path) as second:
        assert second is first
        with pool.borrow(path) as third:
            assert third is not second
    assert idle(pool) == [path, path]


def test_idle_handles_are_bounded_and_the_oldest_is_closed_first(pool, tmp_path):
    paths = [write(tmp_path / f"{number}.tif", number) for number in range(5)]
    handles = []
    for path in paths:
        with pool.borrow(path) as dataset:
            handles.append(dataset)
    assert idle(pool) == paths[2:]
    assert [handle.closed for handle in handles] == [True, True, False, False, False]
    with pool.borrow(paths[2]):
        pass
    with pool.borrow(paths[0]):
        pass
    assert idle(pool) == [paths[4], paths[2], paths[0]]
    pool.close()
    assert idle(pool) == []
    assert all(handle.closed for handle in handles)


def test_a_rewritten_file_is_opened_anew(pool, tmp_path):
    path = write(tmp_path / "a.tif", 1)
    with pool.borrow(path) as old:
        assert old.read().max() == 1
    time.sleep(0.02)
    write(path, 2)
    with pool.borrow(path) as dataset:
        assert dataset is not old
        assert dataset.read().max() == 2
    assert idle(pool) == [path]
    assert old.closed


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError, ValueError),
        (rasterio.errors.RasterioIOError, SourceError),
        (KeyboardInterrupt, KeyboardInterrupt),
    ],
)
def test_a_handle_is_closed_after_an_error(pool, tmp_path, error, told):
    path = write(tmp_path / "a.tif", 1)
    with pytest.raises(told), pool.borrow(path) as dataset:
        raise error
    assert dataset.closed
    assert idle(pool) == []


@pytest.mark.parametrize("content", [None, b"", b"II*\0nonsense", b"<html>not found</html>"])
def test_what_is_no_raster_is_named(pool, tmp_path, content):
    path = tmp_path / "it is bad.tif"
    if content is not None:
        path.write_bytes(content)
    with (
        pytest.raises(SourceError, match=r"cannot open .*it is bad\.tif as a raster: "),
        pool.borrow(str(path)),
    ):
        pass


def test_no_handle_is_ever_in_two_hands(pool, tmp_path):
    paths = [write(tmp_path / f"{number}.tif", number, size=64) for number in range(3)]
    held, wrong, lock = set(), [], threading.Lock()

    def work(seed):
        choose = random.Random(seed)  # noqa: S311 - no secret
        for _ in range(60):
            number = choose.randrange(3)
            with pool.borrow(paths[number]) as dataset:
                with lock:
                    if id(dataset) in held:
                        wrong.append("shared")
                    held.add(id(dataset))
                if dataset.read(1).max() != number:
                    wrong.append("another file")
                with lock:
                    held.discard(id(dataset))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(idle(pool)) <= 3


def test_a_pool_pickles_empty(pool, tmp_path):
    with pool.borrow(write(tmp_path / "a.tif", 1)):
        pass
    copy = pickle.loads(pickle.dumps(pool))  # noqa: S301 - our own bytes
    assert idle(copy) == []
    assert copy._max_idle == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking while threads run
def test_a_forked_child_starts_with_an_empty_pool(tmp_path):
    path = write(tmp_path / "a.tif", 7)
    with POOL.borrow(path):
        pass
    assert path in idle(POOL)
    parent, child = multiprocessing.get_context("fork").Pipe()

    def work():
        before = idle(POOL)
        with POOL.borrow(path) as dataset:
            child.send((before, int(dataset.read().max())))

    process = multiprocessing.get_context("fork").Process(target=work)
    with POOL._lock:  # held by another thread at the wrong moment
        process.start()
    process.join(20)
    assert parent.poll(1)
    assert parent.recv() == ([], 7)


def test_opening_a_raster_without_a_georeference_does_not_warn(pool, tmp_path):
    path = write(tmp_path / "a.tif", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pool.borrow(path):
            pass
        with pytest.raises(rasterio.errors.NotGeoreferencedWarning):
            rasterio.open(path)  # the user's own warnings stay
