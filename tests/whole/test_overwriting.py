"""What is never written over: the source in all its disguises, and folders of other things."""

from __future__ import annotations

import os
import shutil
import zipfile

import numpy as np
import pytest
import rasterio
import zarr

import geopatcher as gp
from doubling import names
from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.fields.array_source import ArraySource
from stored import tree

SIDE = 64
VRT = (
    f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}"><VRTRasterBand dataType="Float32" band="1">'
    '<SimpleSource><SourceFilename relativeToVRT="{relative}">{name}</SourceFilename>'
    "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
)
OVERWRITE = pytest.mark.parametrize("overwrite", [False, True])


def tif(path):
    profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "dtype": "float32"}
    transform = rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)
    with rasterio.open(path, "w", **profile, crs="EPSG:32633", transform=transform) as file:
        file.write(np.arange(SIDE * SIDE, dtype="float32").reshape(1, SIDE, SIDE))
    return path


def store(path):
    gp.reconstruct(np.ones((SIDE, SIDE), "float32"), np.copy, path, size=32, chunks=32)
    path.with_name(f"{path.name}.ledger.jsonl").unlink()
    return path


def vrt(path, name, relative=1):
    path.write_text(VRT.format(name=name, relative=relative))
    return path


def nested(folder):
    tif(folder / "a.tif")
    vrt(folder / "inner.vrt", "a.tif")
    return vrt(folder / "outer.vrt", "inner.vrt")


def zipped(folder):
    with zipfile.ZipFile(folder / "a.tif", "w") as archive:  # an archive may have any name
        archive.write(tif(folder / "b.tif"), "inner/b.tif")
    return f"/vsizip/{{{folder}/a.tif}}/inner/b.tif"


def linked(folder):
    os.link(tif(folder / "a.tif"), folder / "b.tif")
    return folder / "b.tif"


def symbolic(folder):
    (folder / "b.tif").symlink_to(tif(folder / "a.tif"))
    return folder / "b.tif"


def through_a_folder(folder):
    tif(folder / "a.tif")
    (folder / "elsewhere").symlink_to(folder, target_is_directory=True)
    return folder / "elsewhere" / "a.tif"


def mapped(folder):
    cells = np.memmap(folder / "a.tif", "float32", "w+", shape=(1, SIDE, SIDE))
    return cells[:, ::-1][..., ::-1]


def field_of(folder):
    class Mine:
        domain = gp.RasterField(tif(folder / "a.tif")).domain

        def files(self):
            return [folder / "a.tif"]

        def select(self, indexer):
            return np.zeros((1, indexer.height, indexer.width), "float32")

        def with_data(self, array):
            return array

    return Mine()


def dataarray(folder):
    rioxarray = pytest.importorskip("rioxarray")
    return rioxarray.open_rasterio(tif(folder / "a.tif"), chunks={"x": 32, "y": 32})


def georeader(folder):
    reader = pytest.importorskip("georeader.rasterio_reader")
    return reader.RasterioReader(str(tif(folder / "a.tif")))


SOURCES = {
    "itself": lambda folder: tif(folder / "a.tif"),
    "relative": lambda folder: os.path.relpath(tif(folder / "a.tif")),
    "a URI": lambda folder: f"file://{tif(folder / 'a.tif')}",
    "hard link": linked,
    "symbolic link": symbolic,
    "linked folder": through_a_folder,
    "VRT": lambda folder: (tif(folder / "a.tif"), vrt(folder / "v.vrt", "a.tif"))[1],
    "absolute VRT": lambda folder: vrt(folder / "v.vrt", tif(folder / "a.tif"), relative=0),
    "nested VRT": nested,
    "VRT that waits for its file": lambda folder: vrt(folder / "v.vrt", "a.tif"),
    "VRT by vrt://": lambda folder: f"vrt://{tif(folder / 'a.tif')}?bands=1",
    "one directory of a TIFF": lambda folder: f"GTIFF_DIR:1:{tif(folder / 'a.tif')}",
    "archive": zipped,
    "part of a file": lambda folder: f"/vsisubfile/0_9999999,{tif(folder / 'a.tif')}",
    "memory map": mapped,
    "masked memory map": lambda folder: np.ma.masked_less(mapped(folder), 3, copy=False),
    "memory map in a field": lambda folder: gp.RasterField(ArraySource.of(mapped(folder))),
    "a field of a user": field_of,
    "xarray": dataarray,
    "georeader": georeader,
}


@OVERWRITE
@pytest.mark.parametrize("name", SOURCES)
def test_the_file_pixels_come_from_is_never_written_over(tmp_path, name, overwrite):
    try:
        source = SOURCES[name](tmp_path)
    except rasterio.errors.RasterioIOError as error:
        pytest.fail(str(error))
    before = tree(tmp_path)
    for call in (
        lambda: gp.reconstruct(source, np.copy, tmp_path / "a.tif", size=32, overwrite=overwrite),
        lambda: gp.export(source, tmp_path / "a.tif", overwrite=overwrite, bands=None),
    ):
        with pytest.raises(TargetError, match=r"/a\.tif would be written over.* overwrite does not allow"):
            call()
        assert tree(tmp_path) == before


@OVERWRITE
@pytest.mark.parametrize(
    ("where", "target"),
    [
        ("s.zarr", "s.zarr"),
        ("s.zarr", "s.zarr/t.zarr"),
        ("s.zarr", "s.zarr/data/t.tif"),
        ("s.zarr/data", "s.zarr"),
        ("s.zarr/data", "s.zarr/other.zarr"),
    ],
)
@pytest.mark.parametrize("kind", ["path", "array", "xarray", "xarray with dask", "computed by dask"])
def test_a_store_is_not_written_over_and_not_written_into(tmp_path, where, target, kind, overwrite):
    store(tmp_path / "s.zarr")
    source = tmp_path / where
    if kind == "array":
        source = zarr.open(tmp_path / "s.zarr/data", mode="r")
    elif kind != "path":  # of xarray, lazily
        xarray = pytest.importorskip("xarray")
        lazy = {} if "dask" in kind else None
        source = xarray.open_zarr(tmp_path / "s.zarr", chunks=lazy)["data"]
        source = source + 1 if kind == "computed by dask" else source
    before = tree(tmp_path)
    for verb in (
        gp.export,
        lambda *arguments, **keywords: gp.reconstruct(
            arguments[0], np.copy, *arguments[1:], size=32, **keywords
        ),
    ):
        with pytest.raises(TargetError, match=r"s\.zarr.* would be written over"):
            verb(source, tmp_path / target, overwrite=overwrite)
        assert tree(tmp_path) == before


@OVERWRITE
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("t.zarr/a.tif", "t.zarr"),
        ("t.zarr/deep/er/a.tif", "t.zarr"),
        ("t.zarr.partial/a.tif", "t.zarr"),
        ("t.tif.partial/run-0123456789abcdef/a.tif", "t.tif"),
        ("t.zarr.lock", "t.zarr"),
        ("t.zarr.ledger.jsonl", "t.zarr"),
        ("t.weight.tif", "t.tif"),
    ],
)
def test_a_source_in_what_a_run_replaces_or_removes(tmp_path, source, target, overwrite):
    path = tmp_path / source
    path.parent.mkdir(parents=True, exist_ok=True)
    tif(path)
    if ".partial" in source:
        (tmp_path / f"{target}.partial" / ".geopatcher").touch()
    before = tree(tmp_path)
    with pytest.raises(TargetError, match="would be written over"):
        gp.reconstruct(path, np.copy, tmp_path / target, size=32, overwrite=overwrite, layers=("weight",))
    assert tree(tmp_path) == before


def test_a_source_in_the_working_folder_of_another_target_is_safe(tmp_path):
    (tmp_path / "other.zarr.partial").mkdir()
    (tmp_path / "other.zarr.partial" / ".geopatcher").touch()
    source = tif(tmp_path / "other.zarr.partial" / "a.tif")
    gp.reconstruct(source, np.copy, tmp_path / "t.zarr", size=32)
    gp.reconstruct(np.ones((64, 64)), np.copy, tmp_path / "other.zarr", size=32)
    assert source.is_file()
    assert names(tmp_path / "other.zarr.partial") == [".geopatcher", "a.tif"]


@pytest.mark.parametrize("target", [None, "t.zarr"])
def test_a_log_is_not_written_into_the_source(tmp_path, target):
    source = tif(tmp_path / "a.tif")
    before = tree(tmp_path)
    with pytest.raises(TargetError, match="a.tif would be written over"):
        gp.reconstruct(source, np.copy, target and tmp_path / target, size=32, log_json=tmp_path / "a.tif")
    assert tree(tmp_path) == before


def test_both_are_named(tmp_path):
    source = symbolic(tmp_path)
    with pytest.raises(TargetError) as caught:
        gp.reconstruct(source, np.copy, tmp_path / "a.tif", size=32)
    assert str(caught.value) == (
        f"{tmp_path / 'a.tif'} would be written over, and it is the same as {source}, from where the pixels "
        f"of {source} are read: choose another target; overwrite does not allow this"
    )


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
