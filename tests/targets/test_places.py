"""Targets that are not of this machine are named, before anything is made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import geopatcher as gp
from geopatcher.cli import main
from geopatcher.errors import UnsupportedTargetError
from geopatcher.targets.places import check_place, local_place

IMAGE = np.ones((64, 64), "float32")
ELSEWHERE = [
    "s3://bucket/x.zarr",
    "gs://bucket/x.tif",
    "az://container/x.zarr",
    "https://usr:hunter2@host/x.tif?sig=s3cr3t",
    "/vsis3/bucket/x.tif",
    Path("s3://bucket/x.zarr"),
    "s3:/bucket/x.zarr",
    "memory://x.zarr",
]


def make(how, target):
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(32), gp.SpatialRegularStride(32), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    if how == "reconstruct":
        gp.reconstruct(IMAGE, never, target, size=32)
    elif how == "export":
        gp.export(IMAGE, target)
    elif how == "two_pass":
        patcher.two_pass(IMAGE, reduce_with=gp.SpatialMeanStd(), apply=never, target=target)
    elif how == "merge":
        kind = "cog" if str(target).endswith("tif") else "zarr"
        gp.SpatialOverlapAdd(streaming=True, target_path=target, writer=kind)
    else:
        gp.PatchCache(target)


def never(*_):
    raise AssertionError("nothing is computed")


@pytest.mark.parametrize("how", ["reconstruct", "export", "two_pass", "merge", "cache"])
@pytest.mark.parametrize("target", ELSEWHERE, ids=str)
def test_an_address_is_refused_by_name_and_nothing_is_made(tmp_path, monkeypatch, how, target):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UnsupportedTargetError, match=r"x\.(zarr|tif) is not on this machine, and results go to"
    ) as caught:
        make(how, target)
    assert "hunter2" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert "upload that when it is complete" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_refuses_it_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gp.export(IMAGE, "a.tif")
    for arguments in (
        ["run", "a.tif", "s3://bucket/x.zarr", "--expr", "b1"],
        ["export", "a.tif", "s3://bucket/x.zarr"],
        ["demo", "--out", "s3://bucket/demo"],
    ):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 1
        assert "s3:/" in done.output
        assert "is not on this machine" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_a_file_address_is_answered_with_its_path():
    with pytest.raises(
        UnsupportedTargetError, match=r"file:///data/x\.zarr is an address: give the path, /data/x\.zarr"
    ):
        check_place("file:///data/x.zarr")


@pytest.mark.parametrize("path", ["x.zarr", "/data/a:b/x.tif", "C:/x.tif", "a/vsis3/x.tif", "s3/x.zarr"])
def test_paths_are_paths(path):
    assert local_place(path) == Path(path)
    check_place(None)
