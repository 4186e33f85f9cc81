"""Documents of a store in memory: what zarr makes there is what it makes in a folder."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from geopatcher.targets.documents import Documents
from stored import tree


def fill(store):
    group = zarr.create_group(store, zarr_format=3, attributes={"title": "one"})
    group.create_array("data", shape=(4, 6), dtype="uint8", chunks=(2, 3), attributes={"units": "m"})
    group.create_array("x", shape=(6,), dtype="float64", chunks=(6,))[:] = np.arange(6.0)
    group.create_group("1").create_array("data", shape=(2, 3), dtype="uint8", chunks=(2, 3))


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files(folder)}


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_made_in_memory_is_what_zarr_makes_in_a_folder(tmp_path):
    fill(tmp_path / "its.zarr")
    documents = Documents()
    fill(documents.store)
    assert documents.contents() == contents(tmp_path / "its.zarr")
    documents.make(tmp_path / "ours.zarr")
    assert contents(tmp_path / "ours.zarr") == contents(tmp_path / "its.zarr")
    assert tree(tmp_path / "ours.zarr") == tree(tmp_path / "its.zarr")


def test_a_part_of_them_is_written_by_itself(tmp_path):
    documents = Documents()
    fill(documents.store)
    documents.make(tmp_path, "1/")
    assert sorted(contents(tmp_path)) == ["1/data/zarr.json", "1/zarr.json"]


def test_those_of_a_store_that_is_there_are_read_and_changed(tmp_path):
    fill(tmp_path / "x.zarr")
    documents = Documents.of(tmp_path / "x.zarr")
    assert sorted(documents.contents()) == ["1/zarr.json", "data/zarr.json", "x/zarr.json", "zarr.json"]
    group = zarr.open_group(documents.store, mode="r+")
    assert sorted(name for name, _ in group.arrays()) == ["data", "x"]
    group["data"].attrs["units"] = "km"
    zarr.open_group(tmp_path / "x.zarr", mode="r+")["data"].attrs["units"] = "km"
    assert documents.content("data/zarr.json") == (tmp_path / "x.zarr/data/zarr.json").read_bytes()


def test_a_folder_that_was_taken_over_is_not_made_again(tmp_path):
    documents = Documents()
    fill(documents.store)
    with pytest.raises(FileNotFoundError):
        documents.make(tmp_path / "gone" / "x.zarr")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_store_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        Documents.of(tmp_path)
    (tmp_path / "file").touch()
    documents = Documents()
    fill(documents.store)
    with pytest.raises(OSError, match="file"):
        documents.make(tmp_path / "file" / "x.zarr")
