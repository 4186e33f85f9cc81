"""What is never written over: the source in all its disguises."""

from __future__ import annotations

import os
import zipfile

import numpy as np
import pytest
import rasterio
import zarr

import geopatcher as gp
from doubling import names
from geopatcher.errors import TargetError
from geopatcher.fields.array_source import ArraySource
from small_rasters import SIDE, store, tif, vrt
from stored import tree

OVERWRITE = pytest.mark.parametrize("overwrite", [False, True])


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
