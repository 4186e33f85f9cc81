"""Targets that are not of this machine are named, before anything is made."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import geopatcher as gp
from geopatcher.cli import main
from geopatcher.errors import TargetError, UnsupportedTargetError
from geopatcher.targets.places import BucketUrl, bucket_url, check_place, local_place, require_apart

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
#: Where runs and copies write.
IN_BUCKETS = ("s3://bucket/x.zarr", "gs://bucket/x.tif", "az://container/x.zarr")


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


@pytest.mark.parametrize(
    ("how", "target"),
    [
        pytest.param(how, target, id=f"{how} {target}")
        for how in ("reconstruct", "export", "two_pass", "merge", "cache")
        for target in ELSEWHERE
        if how not in ("reconstruct", "export") or target not in IN_BUCKETS
    ],
)
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
        ["run", "a.tif", "/vsis3/bucket/x.tif", "--expr", "b1"],
        ["export", "a.tif", "http://host/x.tif"],
        ["demo", "--out", "s3://bucket/demo"],
    ):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 1
        assert arguments[2].rpartition("/")[2] in done.output
        assert "is not on this machine" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize("path", ["s3://bucket/maps/x.tif", "/vsis3/bucket/maps/x.tif", "s3://bucket/maps"])
def test_where_pixels_come_from_is_not_written_over(path):
    with pytest.raises(
        TargetError, match=r"would be written over, and pixels are read from s3://bucket/maps"
    ):
        require_apart(BucketUrl("s3://bucket/maps/x.tif"), {"path": path, "n": 3})
    for other in ("s3://bucket/maps/x.tiff", "gs://bucket/maps/x.tif", "/data/bucket/maps/x.tif"):
        require_apart(BucketUrl("s3://bucket/maps/x.tif"), {"path": other})


@pytest.mark.parametrize("address", ["s3://usr:hunter2@bucket/x.zarr", "s3://bucket/x.zarr?sig=hunter2"])
def test_an_address_with_credentials_in_it_is_refused_without_showing_them(address):
    with pytest.raises(UnsupportedTargetError, match="credentials are taken from the environment") as caught:
        gp.reconstruct(IMAGE, never, address, size=32)
    assert "hunter2" not in str(caught.value)


def test_an_address_in_a_bucket_has_the_parts_of_a_path_and_travels():
    url = BucketUrl("s3://bucket/maps/x.zarr", "mine:give")
    again = pickle.loads(pickle.dumps(url))  # noqa: S301 - our own
    assert (again, again.credentials, (again / "data").credentials) == (url, "mine:give", "mine:give")
    assert (url.root, url.key, url.name, url.suffix) == ("s3://bucket", "maps/x.zarr", "x.zarr", ".zarr")
    assert bucket_url("s3:/bucket/x.zarr") is None


def test_what_is_not_made_in_a_bucket_is_refused_before_anything_is_read():
    with pytest.raises(ValueError, match="is for a .tif"):
        gp.reconstruct(IMAGE, never, "s3://bucket/x.zarr", size=32, storage=gp.CogStorage())
    with pytest.raises(ValueError, match="are for a result in a bucket, and x.zarr is none"):
        gp.reconstruct(IMAGE, never, "x.zarr", size=32, storage=gp.ZarrStorage(credentials="a:b"))


def test_a_file_address_is_answered_with_its_path():
    with pytest.raises(
        UnsupportedTargetError, match=r"file:///data/x\.zarr is an address: give the path, /data/x\.zarr"
    ):
        check_place("file:///data/x.zarr")


@pytest.mark.parametrize("path", ["x.zarr", "/data/a:b/x.tif", "C:/x.tif", "a/vsis3/x.tif", "s3/x.zarr"])
def test_paths_are_paths(path):
    assert local_place(path) == Path(path)
    check_place(None)
