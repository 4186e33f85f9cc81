"""What a result must be apart from, and what it may replace."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
import zarr
from rasterio.transform import from_origin

import geopatcher as gp
from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.targets.replacing import require_apart, require_replaceable

VRT = (
    '<VRTDataset rasterXSize="64" rasterYSize="64"><VRTRasterBand dataType="Float32" band="1"><SimpleSource>'
    '<SourceFilename relativeToVRT="1">{}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
    "</VRTRasterBand></VRTDataset>"
)


def tiff(path):
    profile = {"driver": "GTiff", "height": 64, "width": 64, "count": 1, "dtype": "float32"}
    with rasterio.open(
        path, "w", crs="EPSG:32633", transform=from_origin(5e5, 5e6, 10, 10), **profile
    ) as file:
        file.write(np.arange(64 * 64, dtype="float32").reshape(1, 64, 64))
    return path


def contents(path):
    path = Path(path)
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def onto_itself(folder):
    return tiff(folder / "a.tif"), folder / "a.tif", {}


def onto_a_symbolic_link(folder):
    (folder / "l.tif").symlink_to(tiff(folder / "a.tif"))
    return folder / "a.tif", folder / "l.tif", {}


def onto_a_hard_link(folder):
    os.link(tiff(folder / "a.tif"), folder / "h.tif")
    return folder / "a.tif", folder / "h.tif", {}


def onto_a_layer(folder):
    return tiff(folder / "r.weight.tif"), folder / "r.tif", {"layers": ["weight"]}


def onto_a_log(folder):
    return tiff(folder / "a.tif"), folder / "r.tif", {"log_json": folder / "a.tif"}


def onto_a_store(folder):
    gp.reconstruct(np.ones((64, 64), "float32"), np.copy, folder / "s.zarr", size=32)
    return folder / "s.zarr", folder / "s.zarr", {"resume": False}


def into_a_store(folder):
    source, _, _ = onto_a_store(folder)
    return source, source / "t.zarr", {}


def onto_an_array_of_a_store(folder):
    source, _, _ = onto_a_store(folder)
    return source / "data", source, {}


def around_the_source(folder):
    (folder / "t.zarr").mkdir()
    return tiff(folder / "t.zarr" / "a.tif"), folder / "t.zarr", {}


def around_it_in_a_work_folder(folder):
    (folder / "t.zarr.partial").mkdir()
    (folder / "t.zarr.partial" / ".geopatcher").touch()
    return tiff(folder / "t.zarr.partial" / "a.tif"), folder / "t.zarr", {}


def behind_a_mosaic(folder):
    tiff(folder / "a.tif")
    (folder / "v.vrt").write_text(VRT.format("a.tif"))
    return folder / "v.vrt", folder / "a.tif", {}


def behind_a_mosaic_of_mosaics(folder):
    behind_a_mosaic(folder)
    (folder / "w.vrt").write_text(VRT.format("v.vrt"))
    return folder / "w.vrt", folder / "a.tif", {}


CASES = [
    *(
        onto_itself,
        onto_a_symbolic_link,
        onto_a_hard_link,
        onto_a_layer,
        onto_a_log,
        onto_a_store,
        into_a_store,
    ),
    *(onto_an_array_of_a_store, around_the_source, around_it_in_a_work_folder, behind_a_mosaic),
    behind_a_mosaic_of_mosaics,
]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_what_the_pixels_come_from_is_never_written_over(tmp_path, case, overwrite):
    source, target, options = case(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(TargetError, match="choose another target"):
        gp.reconstruct(source, lambda x: x * 0, target, size=32, overwrite=overwrite, **options)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("case", [onto_itself, onto_a_hard_link, into_a_store, behind_a_mosaic])
def test_export_refuses_alike(tmp_path, case):
    source, target, _ = case(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(TargetError, match="from where the pixels of .* are read"):
        gp.export(source, target, overwrite=True)
    assert contents(tmp_path) == before


def test_a_memory_map_is_a_source_too(tmp_path):
    np.save(tmp_path / "x.tif", np.ones((64, 64), "float32"))
    (tmp_path / "x.tif.npy").rename(tmp_path / "x.tif")
    mapped = np.load(tmp_path / "x.tif", mmap_mode="r")
    before = contents(tmp_path)
    with pytest.raises(TargetError, match=r"x\.tif would be written over"):
        gp.reconstruct(mapped[:, :40], np.copy, tmp_path / "x.tif", size=32, overwrite=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["photos.zarr", "photos.tif"])
def test_a_folder_of_other_things_is_never_removed(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "precious.txt").write_text("x")
    with pytest.raises(TargetExistsError, match="choose another target"):
        gp.reconstruct(tiff(tmp_path / "a.tif"), np.copy, folder, size=32, overwrite=True)
    assert (folder / "precious.txt").read_text() == "x"


def test_a_store_is_replaced_unless_something_else_is_in_it(tmp_path):
    source = tiff(tmp_path / "a.tif")
    place = tmp_path / "s.zarr"
    zarr.create_array(place, shape=(8, 8), chunks=(4, 4), dtype="uint8", zarr_format=2)[:] = 1
    require_replaceable(place)
    gp.reconstruct(
        source,
        np.copy,
        place,
        size=32,
        overwrite=True,
        layers=["weight"],
        storage=gp.ZarrStorage(multiscales=True),
    )
    gp.reconstruct(source, np.copy, place, size=16, overwrite=True)
    (place / "data" / "notes.txt").write_text("mine")
    with pytest.raises(TargetExistsError, match=r"data/notes\.txt in it is not of a zarr store"):
        gp.reconstruct(source, np.copy, place, size=8, overwrite=True)
    assert (place / "data" / "notes.txt").exists()


@pytest.mark.parametrize("on_error", ["skip", "mask"])
@pytest.mark.parametrize("target", [None, "x.zarr", "x.tif"])
def test_a_run_of_which_every_patch_failed_has_no_result(tmp_path, on_error, target):
    def fail(patch):
        raise KeyError("b9")

    place = None if target is None else tmp_path / target
    with pytest.raises(
        gp.OperatorError, match=r"all 9 patches of .* failed, the first: fail at \(0, 0\) with"
    ):
        gp.reconstruct(np.ones((64, 64), "float32"), fail, place, size=32, on_error=on_error)
    assert list(tmp_path.iterdir()) == []


def test_files_are_not_listed_where_nothing_is_written(tmp_path, monkeypatch):
    source = gp.RasterField(tiff(tmp_path / "a.tif")).source
    asked = []
    monkeypatch.setattr(type(source), "files", lambda self: asked.append(self) or (tmp_path / "a.tif",))
    require_apart(source, [])
    assert asked == []
    with pytest.raises(TargetError, match="choose another target"):
        require_apart(source, [tmp_path / "a.tif"])
    assert len(asked) == 1
