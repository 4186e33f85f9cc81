"""Which local files a source is made of."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import zarr

import geopatcher as gp
from geopatcher.api.subset import pick_bands
from geopatcher.core.protocols import FromFiles
from geopatcher.fields.open import as_field
from geopatcher.fields.source_files import files_behind, files_under, local_file, store_of
from small_rasters import tif, vrt


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("/data/a.tif", "/data/a.tif"),
        ("file:///data/a.tif", "/data/a.tif"),
        ("/vsigzip//data/a.tif.gz", "/data/a.tif.gz"),
        ("/vsisubfile/0_100,/data/a.tif", "/data/a.tif"),
        ("/vsizip/{/data/a.zip}/a.tif", "/data/a.zip"),
        ("vrt:///data/a.tif?bands=1", "/data/a.tif"),
        ("/vsicurl/https://host/a.tif", None),
        ("/vsizip//vsicurl/https://host/a.zip/a.tif", None),
        ("https://host/a.tif", None),
        ("s3://bucket/a.tif", None),
        ("<VRTDataset>", None),
    ],
)
def test_names_of_gdal(name, file):
    found = local_file(name)
    assert found == (None if file is None else Path(file))


def test_a_network_has_no_local_files():
    for name in ("/vsis3/bucket/a.tif", "/vsicurl/https://127.0.0.1:1/a.tif"):
        assert not [file for file in files_behind(name) if file.exists()]


def test_sidecars_and_whatever_a_vrt_is_made_of(tmp_path):
    for name in ("a.tif", "b.tif"):
        tif(tmp_path / name)
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset/>")
    inner = vrt(tmp_path / "inner.xml", "a.tif")
    assert inner.name in vrt(tmp_path / "outer.vrt", "inner.xml").read_text()
    found = {file.name for file in files_behind(str(tmp_path / "outer.vrt"))}
    assert {"outer.vrt", "inner.xml", "a.tif"} <= found
    assert "b.tif" not in found
    assert "a.tif.aux.xml" in {file.name for file in files_behind(str(tmp_path / "a.tif"))}


def test_a_vrt_that_names_itself_has_an_end(tmp_path):
    tif(tmp_path / "a.tif")
    vrt(tmp_path / "v.vrt", "w.vrt")
    vrt(tmp_path / "w.vrt", "v.vrt")
    assert {file.name for file in files_behind(str(tmp_path / "v.vrt"))} == {"v.vrt", "w.vrt"}


def test_the_outermost_folder_of_a_store(tmp_path):
    zarr.create_group(tmp_path / "s.zarr").create_array("deep/er", shape=(4, 4), dtype="u1")
    for node in ("s.zarr", "s.zarr/deep", "s.zarr/deep/er"):
        assert store_of(tmp_path / node) == tmp_path / "s.zarr"
    assert as_field(tmp_path / "s.zarr/deep/er").source.files() == (tmp_path / "s.zarr",)


def test_arrays_in_memory_have_no_files_and_views_of_a_map_have_one(tmp_path):
    mapped = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", "float32", (3, 20, 30))
    assert files_under(np.zeros((3, 20, 30))) == ()
    for view in (mapped, mapped[1:, ::2], mapped.view(np.ndarray)[0], mapped.T, np.asarray(mapped)[:2]):
        assert files_under(view) == (tmp_path / "a.npy",)
    assert files_under(mapped + 1) == ()


def test_every_kind_of_source_can_tell(tmp_path):
    xarray = pytest.importorskip("xarray")
    dask = pytest.importorskip("dask.array")
    store = gp.export(np.ones((2, 40, 50)), tmp_path / "s.zarr", chunks=20)
    path = tif(tmp_path / "a.tif")
    mapped = np.memmap(tmp_path / "m.bin", "float32", "w+", shape=(20, 30))
    wanted = {
        "a path": (path, path),
        "a store": (store, store),
        "a zarr array": (zarr.open(store / "data", mode="r"), store),
        "a map in xarray": (xarray.DataArray(mapped, dims=("y", "x")), tmp_path / "m.bin"),
        "a store in xarray": (xarray.open_zarr(store, chunks={})["data"], store),
        "an array": (np.ones((9, 9)), None),
        "an array in xarray": (xarray.DataArray(np.ones((9, 9)), dims=("y", "x")), None),
        "a dask array": (dask.ones((9, 9), chunks=3), None),
    }
    for name, (given, file) in wanted.items():
        source = as_field(given).source
        assert isinstance(source, FromFiles), name
        assert source.files() == (() if file is None else (file,)), name
    some = pick_bands(as_field(store).source, [2])
    assert some.files() == (store,)


def test_relative_names_are_of_where_the_process_is(tmp_path, monkeypatch):
    tif(tmp_path / "a.tif")
    monkeypatch.chdir(tmp_path)
    (file,) = files_behind("a.tif")
    assert os.path.samefile(file, tmp_path / "a.tif")  # noqa: PTH121 - by name, from here
