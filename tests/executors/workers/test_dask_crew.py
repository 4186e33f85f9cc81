"""Tasks of one kind or another for the workers of a cluster: detections, which are no blocks of a raster."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.errors import OperatorError, TransportError, WorkerLostError
from geopatcher.executors import DaskExecutor, LocalExecutor
from geopatcher.executors.workers.dask_crew import DaskCrew
from geopatcher.executors.workers.region_task import Assignment
from objects import detect_each, detect_one, scene, truth_of

distributed = pytest.importorskip("distributed")

SIZES = {"size": 32, "step": 16, "progress": False}


@pytest.fixture(scope="module")
def client():
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options, silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def raster():
    return scene(11, 150, 130, 60, 10, classes=3)


@pytest.fixture(scope="module")
def alone(raster, tmp_path_factory):
    """What is found in this process."""
    made = gp.detect(raster, detect_one, tmp_path_factory.mktemp("alone") / "o.fgb", **SIZES)
    assert made.n == len(truth_of(raster))
    return made.path.read_bytes()


class Dies:
    """Ends the process of a worker the first time it sees a patch of bright cells; counts its calls."""

    def __init__(self, folder, times):
        self.folder, self.times = Path(folder), times

    def fingerprint(self):
        return "the same"

    def __call__(self, patch):
        with (self.folder / "calls").open("ab") as file:
            file.write(b".")
        deaths = len(list(self.folder.glob("death *")))
        if patch.max() > 0 and deaths < self.times:
            (self.folder / f"death {deaths}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return detect_one(patch)


class Fails:
    """Fails in a folder in which a file says so."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def fingerprint(self):
        return "the same"

    def __call__(self, patch):
        if (self.folder / "fail").exists() and patch.max() > 0 and int(patch.sum()) % 3 == 0:
            raise ArithmeticError("told to fail")
        return detect_one(patch)


@pytest.mark.parametrize("options", [{}, {"batch_size": 3}, {"merge": "wbf"}, {"memory_limit": "40MiB"}])
def test_what_workers_of_a_cluster_find_is_the_same_file(client, raster, tmp_path, options):
    detector = detect_each if "batch_size" in options else detect_one
    one, two = (tmp_path / name / "o.fgb" for name in ("one", "two"))
    one.parent.mkdir()
    two.parent.mkdir()
    gp.detect(raster, detect_one, one, merge=options.get("merge", "nms"), **SIZES)
    made = gp.detect(raster, detector, two, executor=DaskExecutor(client), **SIZES | options)
    assert two.read_bytes() == one.read_bytes()
    assert made.stats.patches == 72
    assert [path.name for path in two.parent.iterdir()] == ["o.fgb"]


def test_workers_that_are_killed_are_replaced(client, raster, alone, tmp_path):
    made = gp.detect(raster, Dies(tmp_path, 2), tmp_path / "o.fgb", executor=DaskExecutor(client), **SIZES)
    assert made.path.read_bytes() == alone
    assert len(list(tmp_path.glob("death *"))) == 2


def test_a_run_that_failed_goes_on_wherever_it_is_called_again(client, raster, alone, tmp_path):
    (tmp_path / "fail").touch()
    with pytest.raises(OperatorError, match="told to fail"):
        gp.detect(raster, Fails(tmp_path), tmp_path / "o.fgb", executor=DaskExecutor(client), **SIZES)
    assert not (tmp_path / "o.fgb").exists()
    (tmp_path / "fail").unlink()
    gp.detect(raster, Fails(tmp_path), tmp_path / "o.fgb", **SIZES)
    assert (tmp_path / "o.fgb").read_bytes() == alone


def test_patches_that_fail_are_left_out_and_told(client, raster, tmp_path):
    (tmp_path / "fail").touch()
    told = []
    for name, way in (("here", {}), ("there", {"executor": DaskExecutor(client)})):
        made = gp.detect(
            raster, Fails(tmp_path), tmp_path / f"{name}.fgb", on_error="skip", size=64, step=48, **way
        )
        told.append((made.n, sorted((error.anchor, error.message) for error in made.errors)))
    assert told[0] == told[1]
    assert told[0][1] != []


def test_what_is_out_of_reach_is_refused(client, raster, tmp_path, monkeypatch):
    executor = DaskExecutor(client)
    with pytest.raises(ValueError, match="workers=2 and an executor were both given"):
        gp.detect(raster, detect_one, tmp_path / "o.fgb", executor=executor, workers=2, **SIZES)
    with pytest.raises(TypeError, match="executor is a DaskExecutor, not a LocalExecutor"):
        gp.detect(raster, detect_one, tmp_path / "o.fgb", executor=LocalExecutor(), **SIZES)
    monkeypatch.setattr("geopatcher.executors.dask.SHARED_BYTES", 1000)
    with pytest.raises(TransportError, match="out of reach of Dask workers: write it to a file"):
        gp.detect(raster, detect_one, tmp_path / "o.fgb", executor=executor, **SIZES)
    assert list(tmp_path.iterdir()) == []


class Future:
    key, status = "one", "finished"

    def done(self):
        return True

    def result(self):
        raise OSError("no room")

    def add_done_callback(self, call):
        call(self)


class Gone:
    """A client of which only tasks come back that failed in Dask's own hands."""

    status = "running"

    def register_plugin(self, plugin, name):
        """Take it."""

    def unregister_worker_plugin(self, name):
        """Take it off."""

    def cancel(self, futures):
        """Withdraw nothing."""

    def map(self, call, regions, **_):
        assert regions == [(0, 2, 3, 5)]
        return [Future()]


def test_what_dask_cannot_have_done_is_told_with_its_rectangle():
    with DaskCrew(Gone(), b"", 2) as crew:
        assert (crew.room, crew.busy) == (2, False)
        crew.give([Assignment(Box(0, 2, 3, 5))])
        assert (crew.room, crew.busy) == (1, True)
        with pytest.raises(WorkerLostError, match=r"have rows 0:2, columns 3:5 done, in 4 tries: .*no room"):
            crew.wait(1)
    client = Gone()
    client.status = "closed"
    with pytest.raises(WorkerLostError, match="the Dask scheduler is gone"):
        DaskCrew(client, b"", 2).wait(0.01)
    assert np.array_equal(crew.wait(0.01), [])
