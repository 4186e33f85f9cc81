"""Folders of other things, and layers beside a result: what is not ours is never replaced."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import rasterio
import zarr

import geopatcher as gp
from doubling import names
from geopatcher.errors import TargetError, TargetExistsError
from small_rasters import SIDE, store, tif
from stored import tree

OVERWRITE = pytest.mark.parametrize("overwrite", [False, True])


# -- folders of other things ----------------------------------------------------------------------


def photos(folder):
    folder.mkdir()
    (folder / "precious.txt").write_text("x")


def deep(folder):
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "precious.txt").write_text("x")


def notes_in_a_store(folder):
    store(folder)
    (folder / "notes.txt").write_text("x")


def notes_in_an_array(folder):
    store(folder)
    (folder / "data" / "notes.txt").write_text("x")


def notes_among_chunks(folder):
    store(folder)
    (folder / "data" / "c" / "0" / "notes.txt").write_text("x")


def a_link_in_a_store(folder):
    store(folder)
    (folder / "c").symlink_to(folder.parent)


def a_folder_of_numbers(folder):
    (folder / "2024" / "06").mkdir(parents=True)
    (folder / "2024" / "06" / "01").write_text("a diary")


FOREIGN = [
    photos,
    deep,
    notes_in_a_store,
    notes_in_an_array,
    notes_among_chunks,
    a_link_in_a_store,
    a_folder_of_numbers,
]


@OVERWRITE
@pytest.mark.parametrize("make", FOREIGN)
def test_a_folder_of_other_things_is_never_replaced(tmp_path, make, overwrite):
    make(tmp_path / "t.zarr")
    before = tree(tmp_path)
    for call in (
        lambda: gp.reconstruct(np.ones((64, 64)), np.copy, tmp_path / "t.zarr", size=32, overwrite=overwrite),
        lambda: gp.export(np.ones((64, 64)), tmp_path / "t.zarr", overwrite=overwrite),
    ):
        with pytest.raises(TargetExistsError, match=r"t.zarr exists, and .* is not of a zarr store"):
            call()
        assert tree(tmp_path) == before
        assert names(tmp_path) == ["t.zarr"]


@OVERWRITE
def test_a_folder_is_never_replaced_by_a_geotiff(tmp_path, overwrite):
    store(tmp_path / "t.tif.zarr").rename(tmp_path / "t.tif")
    before = tree(tmp_path)
    with pytest.raises(TargetExistsError, match=r"t.tif exists"):
        gp.reconstruct(np.ones((64, 64)), np.copy, tmp_path / "t.tif", size=32, overwrite=overwrite)
    assert tree(tmp_path) == before
    (tmp_path / "t.tif").rename(tmp_path / "u.weight.tif")
    with pytest.raises(
        TargetExistsError, match=r"u.weight.tif, where the layer 'weight' goes, exists: choose"
    ):
        gp.reconstruct(
            np.ones((64, 64)), np.copy, tmp_path / "u.tif", size=32, overwrite=overwrite, layers=("weight",)
        )
    assert names(tmp_path) == ["u.weight.tif"]


STORES = {
    "ours": store,
    "with levels": lambda folder: gp.export(
        np.ones((99, 99)), folder, chunks=32, storage=gp.ZarrStorage(multiscales=True)
    ),
    "format 2": lambda folder: zarr.create_array(
        folder, shape=(9, 9), chunks=(4, 4), dtype="u1", zarr_format=2
    ),
    "format 2, a group": lambda folder: zarr.create_group(folder, zarr_format=2).create_array(
        "deep/er", shape=(9, 9), chunks=(4, 4), dtype="u1"
    ),
    "nested chunks": lambda folder: zarr.create_array(
        folder,
        shape=(9, 9),
        chunks=(4, 4),
        dtype="u1",
        zarr_format=2,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    ),
    "dotted chunks": lambda folder: zarr.create_array(
        folder,
        shape=(9, 9),
        chunks=(4, 4),
        dtype="u1",
        chunk_key_encoding={"name": "default", "separator": "."},
    ),
    "a scalar": lambda folder: zarr.create_array(folder, shape=(), dtype="u1"),
    "an empty folder": lambda folder: folder.mkdir(),
}


@pytest.mark.parametrize("name", STORES)
def test_any_zarr_store_can_be_replaced(tmp_path, name):
    STORES[name](tmp_path / "t.zarr")
    if name != "an empty folder":
        node = zarr.open(tmp_path / "t.zarr", mode="r+")
        for array in (
            [node]
            if isinstance(node, zarr.Array)
            else [member for _, member in node.members(max_depth=None) if isinstance(member, zarr.Array)]
        ):
            array[...] = 1
        (tmp_path / "t.zarr" / "zarr.0123456789abcdef0123456789abcdef.partial").write_text(
            "a killed writer's"
        )
    result = gp.reconstruct(np.ones((64, 64)), np.copy, tmp_path / "t.zarr", size=32, overwrite=True)
    assert (result.array[...] == 1).all()
    assert names(tmp_path) == ["t.zarr", "t.zarr.ledger.jsonl"]


def test_what_appears_while_a_run_is_under_way_is_not_replaced(tmp_path):
    def operator(patch):
        if not (tmp_path / "t.zarr").exists():
            photos(tmp_path / "t.zarr")
        return patch

    with pytest.raises(TargetExistsError, match="is not of a zarr store"):
        gp.reconstruct(np.ones((64, 64)), operator, tmp_path / "t.zarr", size=32, overwrite=True)
    assert tree(tmp_path / "t.zarr") == {"precious.txt": b"x"}
    shutil.rmtree(tmp_path / "t.zarr")

    def another(patch):
        if not (tmp_path / "u.tif").exists():
            tif(tmp_path / "u.tif")
        return patch

    with pytest.raises(TargetExistsError, match="was not there when the run began, and is now"):
        gp.reconstruct(np.ones((64, 64)), another, tmp_path / "u.tif", size=32)
    with rasterio.open(tmp_path / "u.tif") as file:
        assert file.read(1)[1, 1] == SIDE + 1
    (tmp_path / "u.tif").unlink()
    again = gp.reconstruct(np.ones((64, 64)), another, tmp_path / "u.tif", size=32)
    assert again.stats.notes[0].startswith("complete since")


@pytest.mark.parametrize("ending", ["lock", "ledger.jsonl"])
def test_a_file_that_only_has_the_name_of_ours_is_not_written_over(tmp_path, ending):
    (tmp_path / f"t.zarr.{ending}").write_text("precious")
    with pytest.raises(TargetError, match=ending):
        gp.reconstruct(np.ones((64, 64)), np.copy, tmp_path / "t.zarr", size=32)
    assert tree(tmp_path) == {f"t.zarr.{ending}": b"precious"}


# -- layers of the result before ------------------------------------------------------------------


def layered(folder, layers, factor=1, **keywords):
    return gp.reconstruct(
        np.ones((256, 256), "float32"),
        lambda x: x * factor,
        folder / "r.tif",
        size=64,
        layers=layers,
        **keywords,
    )


@pytest.mark.parametrize("by", ["a run", "a copy"])
def test_layer_files_of_a_replaced_result_go_and_others_stay(tmp_path, by):
    layered(tmp_path, ("weight", "count"))
    tif(tmp_path / "r.mine.tif")
    if by == "a run":
        layered(tmp_path, ("count",), 3, overwrite=True)
        assert names(tmp_path) == ["r.count.tif", "r.mine.tif", "r.tif", "r.tif.ledger.jsonl"]
    else:
        gp.export(np.ones((64, 64)), tmp_path / "r.tif", overwrite=True)
        assert names(tmp_path) == ["r.mine.tif", "r.tif"]


def test_a_layer_file_that_is_not_as_it_was_written_is_somebody_elses(tmp_path):
    layered(tmp_path, ("weight", "count"))
    tif(tmp_path / "r.weight.tif")
    layered(tmp_path, (), 3, overwrite=True)
    assert names(tmp_path) == ["r.tif", "r.tif.ledger.jsonl", "r.weight.tif"]
