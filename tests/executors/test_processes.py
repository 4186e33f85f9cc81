"""Regions on processes of this machine: real ones, that are killed, interrupted and left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import far
import geopatcher as gp
from doubling import begun_ledger, rows_in
from geopatcher.cli import main
from geopatcher.errors import MemoryLimitError, OperatorError, TransportError, WorkerLostError
from geopatcher.executors import LocalExecutor, ProcessExecutor
from geopatcher.runs.ledger.book import read_ledger
from geotiffs import write_geotiff
from orphans import wait_for
from places import CHILD_PATH
from stored import digest

IMAGE = np.random.default_rng(5).random((2, 400, 300), dtype="float32")
SIZES = {"size": 32, "step": 16, "chunks": 64}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    return write_geotiff(path, IMAGE, tiled=True, blockxsize=64, blockysize=64)


@pytest.fixture(scope="module")
def reference():
    return gp.reconstruct(IMAGE, far.bend, **SIZES).array


@pytest.mark.parametrize("ending", ["zarr", "tif"])
def test_files_are_the_same_bytes(scene, tmp_path, ending):
    one, two = tmp_path / f"one.{ending}", tmp_path / f"two.{ending}"
    gp.reconstruct(scene, far.bend, one, layers=["count"], **SIZES)
    result = gp.reconstruct(scene, far.bend, two, layers=["count"], workers=2, **SIZES)
    assert digest(one) == digest(two)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert [name.replace("one", "two") for name in left if "one" in name] == [n for n in left if "two" in n]
    assert not [name for name in left if "partial" in name or "lock" in name]
    assert result.stats.patches >= result.plan.n_patches
    assert result.stats.seconds["operate"] > 0


def test_memory_is_the_same_bytes_and_progress_comes_along(reference):
    offset = np.float32(0.0)
    seen = []
    result = gp.reconstruct(IMAGE, lambda x: far.bend(x) + offset, workers=2, progress=seen.append, **SIZES)
    assert isinstance(result.array, np.ndarray)
    assert result.array.tobytes() == reference.tobytes()
    assert sum(seen) == result.stats.patches


def test_a_script_without_a_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np, geopatcher\n"
        "class Scale:\n"
        "    def __init__(self, by): self.by = by\n"
        "    def __call__(self, x): return x * self.by\n"
        "image = np.ones((200, 200), 'float32')\n"
        "result = geopatcher.reconstruct(image, Scale(3), size=32, chunks=64, workers=2)\n"
        "print(result.array.round(3).min(), result.array.round(3).max())\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("3.0 3.0\n", 0), done.stderr


def test_workers_that_kill_themselves_are_replaced(tmp_path, reference):
    values = [IMAGE[0, 30, 30], IMAGE[1, 390, 290]]
    result = gp.reconstruct(IMAGE, far.Dies(tmp_path, values), tmp_path / "x.zarr", workers=2, **SIZES)
    assert result.array[:].tobytes() == reference.tobytes()
    assert len(list(tmp_path.glob("death *"))) == 2
    assert sum("signal 9 (SIGKILL)" in note for note in result.stats.notes) == 2
    assert not list((tmp_path / "x.zarr").rglob("*.partial"))


def test_an_operator_that_always_kills_ends_the_run_and_what_is_finished_stays(tmp_path):
    class Always(far.Dies):
        def first(self, number):
            return True

    values = [IMAGE[0, 399, 0]]
    ended = r"4 workers ended over rows .*SIGKILL.* see what Always does"
    with pytest.raises(WorkerLostError, match=ended) as info:
        gp.reconstruct(IMAGE, Always(tmp_path, values), tmp_path / "x.zarr", workers=2, **SIZES)
    assert "finished rows of blocks are kept" in info.value.__notes__[0]
    assert read_ledger(begun_ledger(tmp_path / "x.zarr")).rows > 2


def test_errors_are_those_of_one_process():
    with pytest.raises(OperatorError) as here:
        gp.reconstruct(IMAGE[:, :64], far.fails_on_a_minimum, **SIZES)
    with pytest.raises(OperatorError) as there:
        gp.reconstruct(IMAGE[:, :64], far.fails_on_a_minimum, executor=ProcessExecutor(1), **SIZES)
    assert str(here.value) == str(there.value)


def test_a_module_that_workers_cannot_import_is_told(tmp_path, monkeypatch):
    module = type(sys)("only_here")
    exec("def predict(x): return x", vars(module))  # noqa: S102 - a module that no file holds
    monkeypatch.setitem(sys.modules, "only_here", module)
    with pytest.raises(TransportError, match="No module named 'only_here'"):
        gp.reconstruct(IMAGE, module.predict, workers=2, **SIZES)


def test_the_memory_limit_is_shared_by_the_workers():
    with pytest.raises(MemoryLimitError, match=r"64 workers have 16.0 MiB each"):
        gp.reconstruct(IMAGE, far.bend, workers=64, **SIZES)


def test_large_arrays_are_mapped_and_not_copied(reference):
    image = np.random.default_rng(6).random((1, 2200, 2000), dtype="float32")
    keywords = {"size": 200, "step": 200, "chunks": 500, "window": "boxcar"}
    here = gp.reconstruct(image, far.bend, **keywords)
    there = gp.reconstruct(image, far.bend, workers=2, **keywords)
    assert here.array.tobytes() == there.array.tobytes()


def test_one_worker_is_this_process(monkeypatch):
    def refuse(self, run, regions):
        raise AssertionError("no process is needed for one worker")

    monkeypatch.setattr(ProcessExecutor, "compute", refuse)
    assert gp.reconstruct(IMAGE, far.bend, workers=1, **SIZES).array.shape == IMAGE.shape
    assert LocalExecutor().memory_for(gp.plan(IMAGE, **SIZES)) == 1 << 30


@pytest.mark.parametrize("n_workers", [0, -1])
def test_fewer_than_one_worker(n_workers):
    with pytest.raises(ValueError, match="workers must be 1 or more"):
        gp.reconstruct(IMAGE, far.bend, workers=n_workers, **SIZES)


SLOW = """
import sys, numpy as np, geopatcher, far
image = np.random.default_rng(5).random((2, 400, 300), dtype="float32")
operator = far.Slow(sys.argv[2], 0.01)
geopatcher.reconstruct(image, operator, sys.argv[1], size=32, step=16, chunks=64, workers=2)
"""


def started(target, calls):
    path = CHILD_PATH
    command = [sys.executable, "-c", SLOW, str(target), str(calls)]
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def children_of(process):
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [Path("/proc", child) for child in children]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_the_whole_run_is_stopped_and_goes_on(tmp_path, reference, how):
    target, calls = tmp_path / "x.zarr", tmp_path / "calls"
    run = started(target, calls)
    wait_for(lambda: rows_in(target) >= 2)
    workers = children_of(run)
    assert len(workers) == 2
    run.send_signal(how)
    _, said = run.communicate(timeout=60)
    if how != signal.SIGKILL:
        assert f"stopped by {how.name}" in said
        assert "rows of blocks are kept" in said
    wait_for(lambda: not any(worker.exists() for worker in workers))
    rows, before = rows_in(target), calls.stat().st_size
    result = gp.reconstruct(IMAGE, far.Slow(calls, 0.0), target, workers=2, **SIZES)
    assert result.array[:].tobytes() == reference.tobytes()
    assert rows >= 2
    assert calls.stat().st_size - before < result.plan.n_patches, "what was recorded is not done again"


def test_the_command_line(scene, tmp_path):
    options = ["--size", "32", "--chunks", "64", "--no-progress"]
    one, two = tmp_path / "one.tif", tmp_path / "two.tif"
    for target, more in ((one, []), (two, ["--workers", "2"])):
        done = CliRunner().invoke(
            main, ["run", str(scene), str(target), "--expr", "b1 / b2", *options, *more]
        )
        assert done.exit_code == 0, done.output
    assert digest(one) == digest(two)
    both = ["run", str(scene), str(two), "--expr", "b1", "--workers", "2", "--dask", "tcp://nowhere:1"]
    assert "either --workers or --dask" in CliRunner().invoke(main, both).output


def test_the_command_line_names_operators_to_workers(scene, tmp_path):
    target = tmp_path / "x.zarr"
    command = ["run", str(scene), str(target), "--operator", "far:bend", "--workers", "2", "--no-progress"]
    done = CliRunner().invoke(main, [*command, "--size", "32", "--chunks", "64"])
    assert done.exit_code == 0, done.output
    header = json.loads((tmp_path / "x.zarr.ledger.jsonl").read_text().splitlines()[0])
    assert header["fingerprint"]["operator"] == "bend"


def test_the_command_line_plans_for_workers(scene):
    done = CliRunner().invoke(main, ["plan", str(scene), "--size", "32", "--chunks", "64", "--workers", "2"])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1].startswith("tasks      2 tasks of up to ")
