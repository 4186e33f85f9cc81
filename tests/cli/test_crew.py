"""Processes of this machine, or the workers of a cluster, by options of commands."""

from __future__ import annotations

import click
import distributed
import pytest
from click.testing import CliRunner

from geopatcher.cli import main
from geopatcher.cli.crew import cluster, require_one_crew
from geopatcher.executors import DaskExecutor
from geotiffs import write_geotiff
from objects import scene

FINDER = """
import os
from pathlib import Path

import numpy as np

def find(patch):
    Path(__file__).with_name(f"{os.getpid()}.pid").touch()
    rows, cols = np.nonzero(patch[0])
    if not len(rows):
        return np.zeros((0, 6))
    return [[cols.min(), rows.min(), cols.max() + 1, rows.max() + 1, 0.9, 1]]

find.names = ["buoy", "ship"]
"""


@pytest.fixture(scope="module")
def address():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as local:
        yield local.scheduler_address


def test_one_of_them_is_enough():
    require_one_crew(None, None)
    require_one_crew(2, None)
    with pytest.raises(click.UsageError, match="either --workers or --dask: a cluster has its own workers"):
        require_one_crew(2, "tcp://nowhere:1")


def test_without_an_address_nobody_is_asked():
    with cluster(None) as executor:
        assert executor is None


def test_the_connection_ends_with_the_context(address):
    with cluster(address) as executor:
        assert isinstance(executor, DaskExecutor)
        assert executor.client.status == "running"
    assert executor.client.status == "closed"


def test_detections_of_a_cluster_are_those_of_one_process(address, tmp_path):
    """The function is imported by name where it is called, from a file that no worker has beside it."""
    elsewhere = tmp_path / "functions"
    elsewhere.mkdir()
    (elsewhere / "finder.py").write_text(FINDER)
    write_geotiff(tmp_path / "scene.tif", scene(5, 96, 96, 12, 6))
    made, callers = {}, {}
    finds = ["--detector", f"{elsewhere}/finder.py:find", "--size", "24", "--no-progress"]
    for name, more in {"one": [], "two": ["--workers", "2"], "dask": ["--dask", address]}.items():
        out = tmp_path / name / "ships.fgb"
        out.parent.mkdir()
        given = [str(tmp_path / "scene.tif"), str(out), *finds, *more]
        done = CliRunner().invoke(main, ["detect", *given])
        assert done.exit_code == 0, done.output
        assert "(ship " in done.output
        made[name] = out.read_bytes()
        callers[name] = {file.name for file in elsewhere.glob("*.pid")}
        for file in elsewhere.glob("*.pid"):
            file.unlink()
    assert made["one"] == made["two"] == made["dask"]
    assert not callers["one"] & (callers["two"] | callers["dask"])


def test_detect_takes_one_of_them(tmp_path):
    write_geotiff(tmp_path / "scene.tif", scene(5, 32, 32, 3, 6))
    given = [str(tmp_path / "scene.tif"), str(tmp_path / "o.fgb"), "--detector", "math:sqrt"]
    done = CliRunner().invoke(main, ["detect", *given, "--workers", "2", "--dask", "tcp://nowhere:1"])
    assert done.exit_code == 2
    assert "either --workers or --dask" in done.output
