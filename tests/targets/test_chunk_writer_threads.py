"""Chunks that cannot be written, chunks two threads write, and the threads there are."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr

from chunk_stores import by_us, files, numbers, spec
from geopatcher.core.box import Box
from geopatcher.errors import TargetError
from geopatcher.targets import chunk_writer
from geopatcher.targets.chunk_writer import ChunkWriter, run_all, zarr_threads
from geopatcher.targets.files import FolderFiles
from geopatcher.targets.zarr_store import ZarrSink, create_store

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr"),
]


def written_once(place):
    """A store with numbers in it, and its files."""
    create_store(place, spec())
    by_us(place, numbers((2, 21, 29), "int16"))
    return files(place)


BLOCK = Box(8, 16, 0, 29)


@pytest.mark.parametrize("error", [ValueError("no"), MemoryError(), KeyboardInterrupt(), OSError(28, "full")])
def test_a_chunk_that_cannot_be_encoded_leaves_the_one_before(tmp_path, error):
    before = written_once(tmp_path / "x")

    def encode(cells):
        raise error

    array = zarr.open_group(tmp_path / "x", mode="r+")["data"]
    writer = ChunkWriter(array, FolderFiles(tmp_path / "x" / "data"), encode)
    with pytest.raises(type(error)):
        run_all(writer.tasks(BLOCK, numbers((2, 8, 29), "int16", 1)), zarr_threads())
    assert files(tmp_path / "x") == before


@pytest.mark.parametrize("fails", ["write_bytes", "replace"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_disk_that_fails_leaves_no_half_of_a_file(tmp_path, monkeypatch, fails, threads):
    before = written_once(tmp_path / "x")
    sink = ZarrSink(tmp_path / "x")

    def fail(path, given):
        if fails == "write_bytes":
            with path.open("wb") as file:
                file.write(bytes(given)[:5])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken, zarr.config.set({"threading.max_workers": threads}):
        broken.setattr(Path, fails, fail)
        with pytest.raises(TargetError, match=r"cannot write rows 8:16, columns 0:29 of .*data.*No space"):
            sink.write([(BLOCK, {"data": numbers((2, 8, 29), "int16", 1)})])
    assert files(tmp_path / "x") == before
    after = numbers((2, 8, 29), "int16", 1)
    sink.write([(BLOCK, {"data": after})])
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "x", mode="r")["data"][:, 8:16], after)


def test_one_chunk_that_fails_is_heard_of_among_many_that_do_not(tmp_path, monkeypatch):
    before = written_once(tmp_path / "x")
    replace = Path.replace

    def fail(path, target):
        if Path(target).name == "2":
            raise OSError(5, "Input/output error")
        return replace(path, target)

    with monkeypatch.context() as broken, zarr.config.set({"threading.max_workers": 4}):
        broken.setattr(Path, "replace", fail)
        with pytest.raises(TargetError, match="Input/output error"):
            ZarrSink(tmp_path / "x").write([(BLOCK, {"data": numbers((2, 8, 29), "int16", 1)})])
    after = files(tmp_path / "x")
    assert sorted(after) == sorted(before)
    assert {name for name in after if name.endswith("/1/2")} == {"data/c/0/1/2", "data/c/1/1/2"}
    assert all(after[name] == before[name] for name in after if not name.startswith("data/c/"))
    assert all(after[name] == before[name] for name in after if name.endswith("/1/2"))


def test_a_file_is_never_there_by_half(tmp_path, monkeypatch):
    before = written_once(tmp_path / "x")
    write_bytes, seen = Path.write_bytes, []

    def watch(path, given):
        written = write_bytes(path, given)
        seen.append(path.name.endswith(".partial"))
        assert {name: held for name, held in files(tmp_path / "x").items() if name in before} == before
        return written

    with monkeypatch.context() as watched, zarr.config.set({"threading.max_workers": 1}):
        watched.setattr(Path, "write_bytes", watch)
        watched.setattr(Path, "replace", lambda path, target: path.unlink())
        ZarrSink(tmp_path / "x").write([(BLOCK, {"data": numbers((2, 8, 29), "int16", 1)})])
    assert seen == [True] * 8


def test_two_threads_in_one_chunk_leave_one_whole_file(tmp_path):
    create_store(tmp_path / "x", spec((1, 8, 8), "float64", 0, "none"))
    array = zarr.open_group(tmp_path / "x", mode="r+")["data"]
    both = threading.Barrier(2)

    def encode(cells):
        both.wait(30)
        return cells.tobytes()

    writer = ChunkWriter(array, FolderFiles(tmp_path / "x" / "data"), encode)
    for turn in range(20):
        versions = [numbers((1, 8, 8), "float64", 2 * turn + which) for which in (0, 1)]
        with ThreadPoolExecutor(2) as pool:
            tasks = [task for cells in versions for task in writer.tasks(Box(0, 8, 0, 8), cells)]
            list(pool.map(lambda task: task(), tasks))
        chunks = {name: held for name, held in files(tmp_path / "x").items() if name.startswith("data/c/")}
        assert list(chunks) == ["data/c/0/0/0"]
        assert chunks["data/c/0/0/0"] in [each.tobytes() for each in versions]


def test_one_thread_and_another_that_empties_the_chunk_do_not_hurt_each_other(tmp_path):
    create_store(tmp_path / "x", spec((1, 8, 8), "float64", 0, "none"))
    sink, values = ZarrSink(tmp_path / "x"), numbers((1, 8, 8), "float64")
    failed = []

    def write(block):
        try:
            for _ in range(50):
                sink.write([(Box(0, 8, 0, 8), {"data": block})])
        except TargetError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(block,)) for block in (values, np.zeros_like(values))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    chunks = {name: held for name, held in files(tmp_path / "x").items() if name.startswith("data/c/")}
    assert chunks in ({}, {"data/c/0/0/0": values.tobytes()})


def encoded_in(tmp_path, n_chunks):
    """Names of the threads in which chunks are encoded."""
    create_store(tmp_path / "x", spec((1, 8, 8 * n_chunks)))
    array = zarr.open_group(tmp_path / "x", mode="r+")["data"]
    names = []

    def encode(cells):
        names.append(threading.current_thread().name)
        return cells.tobytes()

    block = Box(0, 8, 0, 8 * n_chunks)
    writer = ChunkWriter(array, FolderFiles(tmp_path / "x" / "data"), encode)
    run_all(writer.tasks(block, np.ones((1, *block.shape), "int16")), zarr_threads())
    assert len(names) == n_chunks
    return set(names)


def no_pool(*arguments):
    raise AssertionError("a pool of threads was made")


def test_no_thread_is_started_where_zarr_may_have_one_only(tmp_path, monkeypatch):
    monkeypatch.setattr(chunk_writer, "ThreadPoolExecutor", no_pool)
    with zarr.config.set({"threading.max_workers": 1}):
        assert encoded_in(tmp_path, 6) == {threading.current_thread().name}


def test_no_thread_is_started_for_one_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr(chunk_writer, "ThreadPoolExecutor", no_pool)
    with zarr.config.set({"threading.max_workers": 4}):
        assert encoded_in(tmp_path, 1) == {threading.current_thread().name}


def test_there_are_no_more_threads_than_zarr_may_have_and_none_stays(tmp_path):
    before = set(threading.enumerate())
    with zarr.config.set({"threading.max_workers": 2}):
        names = encoded_in(tmp_path, 12)
    assert 1 <= len(names) <= 2
    assert threading.current_thread().name not in names
    assert not [thread for thread in set(threading.enumerate()) - before if "encode" in thread.name]


@pytest.mark.parametrize("cores", [1, 3])
def test_without_a_setting_there_are_as_many_threads_as_cores(tmp_path, monkeypatch, cores):
    pools = []

    class Pool(chunk_writer.ThreadPoolExecutor):
        def __init__(self, n_threads, name):
            pools.append(n_threads)
            super().__init__(n_threads, name)

    monkeypatch.setattr(chunk_writer, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(chunk_writer, "usable_cores", lambda: cores)
    with zarr.config.set({"threading.max_workers": None}):
        encoded_in(tmp_path, 6)
    assert pools == ([] if cores == 1 else [cores])
