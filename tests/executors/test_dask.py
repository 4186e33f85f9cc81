"""Regions as tasks of a Dask cluster: real workers, that are killed, and real clients, that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import numpy as np
import pytest
from click.testing import CliRunner

import far
import geopatcher as gp
import orphans
from doubling import names, rows_in
from geopatcher._optional import load
from geopatcher.cli import main
from geopatcher.errors import OperatorError, TransportError, WorkerLostError
from geopatcher.executors import DaskExecutor
from geopatcher.executors.workers.pickling import pack
from geopatcher.planning.tasks import Tasks
from geopatcher.runs.ledger.book import read_ledger
from geotiffs import write_geotiff
from orphans import wait_for
from places import CHILD_PATH
from stored import digest

distributed = pytest.importorskip("distributed")

IMAGE = np.random.default_rng(5).random((2, 400, 300), dtype="float32")
SIZES = {"size": 32, "step": 16, "chunks": 64}


class Cut(DaskExecutor):
    """Cuts a small raster into as many tasks as a large one would have."""

    shape = (7, 2)

    def cut(self, job):
        return Tasks(job.plan, *self.shape)


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    with distributed.Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    return write_geotiff(path, IMAGE, tiled=True, blockxsize=64, blockysize=64)


@pytest.fixture(scope="module")
def reference():
    return gp.reconstruct(IMAGE, far.bend, **SIZES).array


@pytest.mark.parametrize("ending", ["zarr", "tif"])
def test_files_are_the_same_bytes(client, scene, tmp_path, ending):
    one, two = tmp_path / f"one.{ending}", tmp_path / f"two.{ending}"
    gp.reconstruct(scene, far.bend, one, **SIZES)
    seen = []
    result = gp.reconstruct(scene, far.bend, two, executor=Cut(client), progress=seen.append, **SIZES)
    assert digest(one) == digest(two)
    assert sum(seen) == result.stats.patches > result.plan.n_patches
    account = read_ledger(tmp_path / f"two.{ending}.ledger.jsonl")
    assert account.rows == 14, "one small record per region"
    # Of which attributes are a part: what is known of all cells is the same, to the last bit.
    assert ending == "tif" or "STATISTICS_MEAN" in (two / "data/zarr.json").read_text()


def test_workers_that_kill_themselves_twice(client, tmp_path, reference):
    values = [IMAGE[0, 150, 30], IMAGE[1, 390, 290]]
    before = set(client.scheduler_info()["workers"])
    operator = far.Dies(tmp_path, values)
    result = gp.reconstruct(IMAGE, operator, tmp_path / "x.zarr", executor=Cut(client), **SIZES)
    assert result.array[:].tobytes() == reference.tobytes()
    assert len(list(tmp_path.glob("death *"))) == 2
    assert set(client.scheduler_info()["workers"]) != before
    assert not list((tmp_path / "x.zarr").rglob("*.partial"))


def test_little_goes_through_the_scheduler(client, scene, tmp_path, monkeypatch):
    submitted = []
    real = client.map

    def count(call, regions, /, **keywords):
        submitted.append([pack((call, region)) for region in regions])
        return real(call, regions, **keywords)

    monkeypatch.setattr(client, "map", count)
    weights = np.random.default_rng(0).random(50_000)
    gp.reconstruct(scene, lambda x: x + weights[0], tmp_path / "x.zarr", executor=Cut(client), **SIZES)
    sizes = [len(task) for batch in submitted for task in batch]
    assert len(sizes) >= 14
    assert max(sizes) < 1000, "a task is a rectangle: no array, no patch, no operator"


def test_errors_are_those_of_one_process_and_are_not_tried_again(client, tmp_path):
    calls = tmp_path / "calls"

    def fail(pixels):
        with calls.open("a") as file:
            file.write(".")
        return far.fails_on_a_minimum(pixels)

    with pytest.raises(OperatorError, match=r"fail failed on rows .* ArithmeticError: too low") as info:
        gp.reconstruct(np.zeros((8, 8)), fail, tmp_path / "x.zarr", executor=DaskExecutor(client), size=8)
    assert calls.read_text() == "."
    assert "too low" in str(info.value.__cause__)


def test_what_workers_find_is_told_here_once(client, tmp_path):
    def predict(pixels):
        return np.full(pixels.shape, 4 * int(pixels.mean() > 0.5), "uint8")

    with pytest.warns(RuntimeWarning, match="predict gave uint8 values that differ where patches") as heard:
        result = gp.reconstruct(IMAGE, predict, tmp_path / "x.zarr", executor=Cut(client), **SIZES)
    assert len([one for one in heard if "predict" in str(one.message)]) == 1
    assert any("were averaged" in note for note in result.stats.notes)
    with pytest.raises(OperatorError, match=r"chose 290 at row \d+, column \d+ .* dtype='int16'"):
        gp.reconstruct(
            IMAGE,
            lambda x: np.full(x.shape, 290, "int16"),
            tmp_path / "y.zarr",
            executor=Cut(client),
            aggregation="mode",
            dtype="uint8",
            **SIZES,
        )


def test_errors_under_a_policy_and_hooks(client, tmp_path):
    class Counts:
        done = failed = 0

        def on_patch_done(self, anchor, seconds, nbytes):
            self.done += 1

        def on_error(self, anchor, exc):
            assert isinstance(exc, ArithmeticError)
            self.failed += 1

    hook = Counts()
    keywords = SIZES | {"on_error": "skip"}
    here = gp.reconstruct(IMAGE, far.fails_on_a_minimum, **keywords)
    there = gp.reconstruct(
        IMAGE, far.fails_on_a_minimum, tmp_path / "x.zarr", executor=Cut(client), hooks=hook, **keywords
    )
    assert here.array.tobytes() == there.array[:].tobytes()
    assert {error.anchor for error in here.errors} == {error.anchor for error in there.errors}
    assert hook.failed >= len(there.errors) > 0
    assert hook.done + hook.failed == there.stats.patches


CLIENT = """
import sys, numpy as np, geopatcher, far
from tests.executors.test_dask import Cut, IMAGE, SIZES
if __name__ == "__main__":
    executor = Cut(sys.argv[3])
    geopatcher.reconstruct(IMAGE, far.Slow(sys.argv[2], 0.02), sys.argv[1], executor=executor, **SIZES)
"""


def test_a_client_dies_and_a_new_one_goes_on(client, cluster, tmp_path, reference):
    target, calls = tmp_path / "x.zarr", tmp_path / "calls"
    path = CHILD_PATH
    command = [sys.executable, "-c", CLIENT, str(target), str(calls), cluster.scheduler_address]
    dying = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path})
    wait_for(lambda: rows_in(target) >= 2)
    dying.send_signal(signal.SIGKILL)
    assert dying.wait() == -signal.SIGKILL
    quiet = []

    def tasks_have_ended():
        quiet.append(calls.stat().st_size)
        time.sleep(0.2)
        return len(quiet) > 2 and quiet[-1] == quiet[-3]

    wait_for(tasks_have_ended)
    rows, before = rows_in(target), calls.stat().st_size
    result = gp.reconstruct(IMAGE, far.Slow(calls, 0.0), target, executor=Cut(client), **SIZES)
    assert result.array[:].tobytes() == reference.tobytes()
    assert 2 <= rows < 14, "tasks whose client is gone end, and record nothing"
    boxes = sorted(result.plan.restrict(box).n_patches for box in Tasks(result.plan, 7, 2))
    assert calls.stat().st_size - before <= sum(boxes[rows:]), "only regions that were not finished are done"


def test_memory_of_this_process_is_out_of_reach(client, tmp_path, monkeypatch):
    with pytest.raises(TransportError, match=r"give a target they all reach, x\.zarr or x\.tif"):
        gp.reconstruct(IMAGE, far.bend, executor=DaskExecutor(client), **SIZES)
    monkeypatch.setattr("geopatcher.executors.dask.SHARED_BYTES", 1000)
    with pytest.raises(TransportError, match="out of reach of Dask workers: write it to a file"):
        gp.reconstruct(IMAGE, far.bend, tmp_path / "x.zarr", executor=DaskExecutor(client), **SIZES)


def test_regions_keep_to_a_worker_and_its_memory(client):
    plan = gp.plan(np.broadcast_to(np.uint8(0), (100_000, 100_000)), memory_limit="100GiB")
    executor = DaskExecutor(client)
    limits = [worker["memory_limit"] for worker in client.scheduler_info()["workers"].values()]
    assert executor.memory_for(plan) == int(0.6 * min(limits))
    small = gp.plan(IMAGE, memory_limit="200MiB", **SIZES)
    assert executor.memory_for(small) == 200 << 20


def test_wrong_arguments(quick_to_give_up):
    with pytest.raises(ValueError, match="retries must be 0 or more, not -1"):
        DaskExecutor("tcp://127.0.0.1:1", retries=-1)
    with pytest.raises(WorkerLostError, match=r"no Dask scheduler at tcp://127\.0\.0\.1:1: .*dask scheduler"):
        DaskExecutor("tcp://127.0.0.1:1")


@pytest.fixture
def quick_to_give_up():
    with load("dask").config.set({"distributed.comm.timeouts.connect": "1s"}):
        yield


CLUSTER = """
import sys, time
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None,
                      protocol="tcp://") as cluster:
        print(cluster.scheduler_address, flush=True)
        time.sleep(100)
"""


def test_a_scheduler_that_is_lost_costs_what_is_not_finished(quick_to_give_up, tmp_path, reference):
    target, calls = tmp_path / "x.zarr", tmp_path / "calls"
    path = CHILD_PATH
    cluster = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )

    def end_later():
        wait_for(lambda: rows_in(target) >= 2)
        cluster.kill()

    address = cluster.stdout.readline().strip()
    with closing(Cut(address)) as executor:
        ending = threading.Thread(target=end_later)
        ending.start()
        with pytest.raises(
            WorkerLostError, match="the Dask scheduler .* run the same again to go on"
        ) as info:
            gp.reconstruct(IMAGE, far.Slow(calls, 0.01), target, executor=executor, **SIZES)
        ending.join()
    cluster.communicate()
    assert "finished rows of blocks are kept" in info.value.__notes__[0]
    before = calls.stat().st_size
    result = gp.reconstruct(IMAGE, far.Slow(calls, 0.0), target, **SIZES)
    assert result.array[:].tobytes() == reference.tobytes()
    assert calls.stat().st_size - before < result.plan.n_patches


def test_the_command_line(cluster, scene, tmp_path):
    one, two = tmp_path / "one.tif", tmp_path / "two.tif"
    options = ["--expr", "b1 / b2", "--size", "32", "--chunks", "64", "--no-progress"]
    for target, more in ((one, []), (two, ["--dask", cluster.scheduler_address])):
        done = CliRunner().invoke(main, ["run", str(scene), str(target), *options, *more])
        assert done.exit_code == 0, done.output
    assert digest(one) == digest(two)


ORPHANING = """
import sys, geopatcher, orphans
from tests.executors.test_dask import Cut, IMAGE, SIZES
if __name__ == "__main__":
    geopatcher.reconstruct(IMAGE, orphans.Waits(sys.argv[2]), sys.argv[1], executor=Cut(sys.argv[3]), **SIZES)
"""


@pytest.mark.parametrize("ending", ["zarr", "tif"])
@pytest.mark.parametrize("when", ["during", "after"])
def test_workers_whose_client_was_killed_write_nothing_into_the_next_run(
    client, cluster, tmp_path, reference, ending, when
):
    target, notes = tmp_path / f"x.{ending}", tmp_path / "notes"
    notes.mkdir()
    path = CHILD_PATH
    command = [sys.executable, "-c", ORPHANING, str(target), str(notes), cluster.scheduler_address]
    dying = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path})
    wait_for(lambda: len(orphans.waiting(notes)) == 2)
    dying.send_signal(signal.SIGKILL)
    assert dying.wait() == -signal.SIGKILL

    def let_go():
        assert sum(client.run(busy_threads).values()) == 2, "they outlive their client"
        (notes / "gate").touch()
        wait_for(lambda: sum(client.run(busy_threads).values()) == 0)

    class Bends:
        calls = 0

        def fingerprint(self):
            return "bends"

        def __call__(self, patch):
            self.calls += 1
            if self.calls == 100 and when == "during":
                let_go()
            return far.bend(patch)

    result = gp.reconstruct(IMAGE, Bends(), target, overwrite=True, **SIZES)
    before = digest(target)
    if when == "after":
        let_go()
    assert digest(target) == before
    assert result.array[...].tobytes() == reference.tobytes()
    assert names(tmp_path) == ["notes", target.name, f"{target.name}.ledger.jsonl"]
    assert gp.verify(target).is_intact


def busy_threads(dask_worker):
    return len(dask_worker.active_threads)
