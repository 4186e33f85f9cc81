"""Files of blocks, whatever is in them."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from geopatcher.core.box import Box
from geopatcher.core.cpu import usable_cores
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.errors import TargetError
from geopatcher.targets.cog.tile_store import create_tiles
from geopatcher.targets.cog.work import arrays_of
from geopatcher.targets.digests import files_in, look_at
from geopatcher.targets.folders import remove
from geopatcher.targets.storage import CogStorage
from geopatcher.targets.zarr_store import ZarrSink, create_store

SPEC = ResultSpec(RasterDomain((2, 40, 50), dtype=np.dtype("uint8")), (16, 16), 0)
TOP = Box(0, 16, 0, 50)
VALUES = np.random.default_rng(0).integers(1, 9, (2, 16, 50)).astype("uint8")


def zarr_files(path):
    create_store(path, SPEC)
    return ZarrSink(path)


def tile_files(path):
    return create_tiles(path, arrays_of(SPEC, CogStorage()))


KINDS = pytest.mark.parametrize("made", [zarr_files, tile_files], ids=["zarr", "tif"])


@KINDS
def test_what_is_told_of_files_is_what_is_in_them(tmp_path, made):
    files = made(tmp_path / "x")
    assert files.write([(TOP, {"data": VALUES})]) == VALUES.nbytes
    told = files.take(TOP)
    assert files_in(files.read_records(TOP)["data"]) == files_in(told["data"])
    assert not files.read_records(Box(16, 40, 0, 50))["data"].any()
    files.sync(TOP)
    (record,) = files_in(told["data"][:1, :1, 3:4])
    assert not look_at(tmp_path / "x/data/c/0/0/3", record, "all").wrong


def test_tiles_are_encoded_by_as_many_threads_as_cores_whatever_zarr_may_have(tmp_path):
    with zarr.config.set({"threading.max_workers": 77}):
        assert zarr_files(tmp_path / "x").n_threads == 77
        assert tile_files(tmp_path / "y").n_threads == usable_cores()


@KINDS
def test_rows_are_linked_to_another_place(tmp_path, made):
    files, other = made(tmp_path / "x"), made(tmp_path / "y")
    files.write([(TOP, {"data": VALUES}), (Box(16, 32, 0, 50), {"data": VALUES})])
    other.link(tmp_path / "x", [TOP])
    found = other.read_records(Box(0, 40, 0, 50))["data"]
    np.testing.assert_array_equal(found[:, :1], files.read_records(TOP)["data"])
    assert not found[:, 1:].any()


@KINDS
def test_a_folder_that_is_gone_is_never_made_again(tmp_path, made):
    files = made(tmp_path / "x")
    remove(tmp_path / "x")
    with pytest.raises(TargetError, match=r"cannot write rows 0:16.* its folder is gone, so another run has"):
        files.write([(TOP, {"data": VALUES})])
    assert list(tmp_path.iterdir()) == []
