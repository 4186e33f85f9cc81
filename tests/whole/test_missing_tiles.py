"""A tile that cannot be opened is an error, each time, whatever else is open and whoever asks."""

from __future__ import annotations

import os
import sys
import threading
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray

import geopatcher
from geopatcher.errors import SourceError, UnsupportedTargetError
from geopatcher.formats.gdal_environment import PINNED

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
]
IMAGE = np.arange(1, 128 * 128 + 1, dtype="uint16").reshape(1, 128, 128)
ASKED = {"size": 64, "step": 64, "progress": False}


def mosaic(*tiles):
    """A VRT of tiles of 128 x 128 pixels, one below the other."""
    sources = b"".join(
        b'<SimpleSource><SourceFilename relativeToVRT="1">%s</SourceFilename><SourceBand>1</SourceBand>'
        b'<SrcRect xOff="0" yOff="0" xSize="128" ySize="128"/>'
        b'<DstRect xOff="0" yOff="%d" xSize="128" ySize="128"/></SimpleSource>'
        % (os.fsencode(tile), 128 * row)
        for row, tile in enumerate(tiles)
    )
    return (
        b'<VRTDataset rasterXSize="128" rasterYSize="%d"><VRTRasterBand dataType="UInt16" band="1">%s'
        b"</VRTRasterBand></VRTDataset>" % (128 * len(tiles), sources)
    )


@pytest.fixture
def folder(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(
            tmp_path / "a.tif", "w", driver="GTiff", height=128, width=128, count=1, dtype="uint16"
        ) as file:
            file.write(IMAGE)
    (tmp_path / "damaged.tif").write_bytes(b"II*\0 no tiff")
    (tmp_path / "folder.tif").mkdir()
    for name, tiles in {
        "good": ["a.tif", "a.tif"],
        "around_good": ["good.vrt"],
        "missing": ["a.tif", "gone.tif"],
        "damaged": ["a.tif", "damaged.tif"],
        "folder": ["a.tif", "folder.tif"],
        "inner": ["gone.tif"],
        "nested": ["inner.vrt"],
        "nested too": ["inner.vrt", "a.tif"],
    }.items():
        (tmp_path / f"{name}.vrt").write_bytes(mosaic(*tiles))
    return tmp_path


def run(path, **options):
    return geopatcher.reconstruct(path, lambda patch: patch * 1.0, **ASKED, **options).array


@pytest.mark.parametrize("name", ["missing", "damaged", "folder", "nested", "nested too"])
@pytest.mark.parametrize("before", ["good", "around_good"])
def test_a_tile_that_cannot_be_opened_is_an_error_each_time(folder, name, before):
    for _ in range(6):
        assert (run(folder / f"{before}.vrt") > 0).all()  # and stays open
        with pytest.raises(SourceError, match=r"cannot read .*\.vrt, rows"):
            run(folder / f"{name}.vrt")


def test_neither_are_tries_again_another_mosaic_and_one_of_another_owner(folder):
    with rasterio.Env(**PINNED), rasterio.open(folder / "around_good.vrt") as theirs:
        theirs.read()
        for _ in range(5):
            with pytest.raises(SourceError, match="cannot read"):
                run(folder / "nested.vrt", on_error="retry", max_retries=3)
            with pytest.raises(SourceError, match="cannot read"):
                run(folder / "nested too.vrt")


def test_what_lies_beside_a_missing_tile_is_left_out_and_nothing_more(folder):
    run(folder / "around_good.vrt")
    for _ in range(5):
        found = run(folder / "missing.vrt", on_error="skip")
        assert np.array_equal(found[0, :128], IMAGE[0])
        assert np.isnan(found[0, 128:]).all()


def test_readers_side_by_side_never_see_a_tile_as_missing(folder):
    wrong, errors = [], []

    def read(name, times):
        for _ in range(times):
            try:
                pixels = run(folder / f"{name}.vrt")
            except SourceError:
                errors.append(name)
            else:
                wrong.extend([] if (pixels > 0).all() else [name])

    names = ["nested", "good", "nested too", "around_good", "nested"]
    threads = [threading.Thread(target=read, args=(name, 8)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sorted(errors) == ["nested"] * 16 + ["nested too"] * 8


def test_mosaics_read_by_others_for_us_are_errors_each_time(folder):
    for _ in range(4):
        with rasterio.Env(**PINNED), xarray.open_dataarray(folder / "nested.vrt", engine="rasterio") as array:
            run(folder / "around_good.vrt")
            with pytest.raises(SourceError, match="cannot read a DataArray"):
                run(array)


@pytest.fixture
def undecodable(folder):
    """A zip with a mosaic of a tile whose name is no UTF-8, and which is not there."""
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("m.vrt", mosaic(b"gone\xe9.tif"))
    return f"/vsizip/{folder}/a.zip/m.vrt"


def test_errors_that_are_no_utf8_are_not_lost(folder, undecodable, capfd):
    hooks = sys.unraisablehook, sys.excepthook
    run(folder / "around_good.vrt")
    (folder / "outer.vrt").write_bytes(mosaic(undecodable))
    for _ in range(3):
        with pytest.raises(SourceError, match=r"cannot read .*m\.vrt, rows 0:128.*gone\\xe9.tif"):
            run(undecodable)
        with pytest.raises(SourceError, match=r"cannot read .*outer\.vrt, rows 0:128.*gone\\xe9.tif"):
            run(folder / "outer.vrt")
    assert (sys.unraisablehook, sys.excepthook) == hooks
    assert "Traceback" not in capfd.readouterr().err


def test_a_mosaic_around_one_whose_tiles_have_names_that_are_no_utf8_is_refused(folder):
    (folder / "a.tif").rename(os.fsdecode(os.fsencode(folder) + b"/\xe9.tif"))
    (folder / "in.vrt").write_bytes(mosaic(b"\xe9.tif"))
    (folder / "out.vrt").write_bytes(mosaic("in.vrt"))
    for name in ("in.vrt", "out.vrt"):
        with pytest.raises(SourceError, match=r"cannot open .*\.vrt as a raster: .* no UTF-8.*rename that"):
            run(folder / name)


def test_files_and_texts_that_are_no_utf8_are_named(folder):
    name = os.fsdecode(os.fsencode(folder) + b"/\xe9.tif")
    (folder / "a.tif").rename(name)
    for call in (run, geopatcher.plan):
        with pytest.raises(SourceError, match=r"its name is no UTF-8.*rename it.*\\udce9.tif"):
            call(name, **({} if call is run else {"size": 32}))
    with pytest.raises(SourceError, match=r"its name is no UTF-8"):
        geopatcher.export(name, folder / "out.tif")
    text = folder / "text.tif"
    with rasterio.open(text, "w", driver="GTiff", height=128, width=128, count=1, dtype="uint16") as file:
        file.write(IMAGE)
        file.set_band_description(1, "caf..")
    text.write_bytes(text.read_bytes().replace(b"caf..", b"caf\xe9\xff"))
    with pytest.raises(SourceError, match=r"text\.tif: a text in it .* is no UTF-8: 'caf.*gdal_edit"):
        run(text)


@pytest.mark.parametrize("place", [b"t\xe9.tif", b"f\xe9/t.tif"])
def test_a_geotiff_of_a_name_that_is_no_utf8_is_refused_before_a_pixel_is_read(folder, place):
    target = os.fsdecode(os.fsencode(folder) + b"/" + place)
    Path(target).parent.mkdir(exist_ok=True)
    before = sorted(folder.rglob("*"))
    calls = []
    with pytest.raises(UnsupportedTargetError, match=r"is no UTF-8.*or a \.zarr"):
        geopatcher.reconstruct(IMAGE, calls.append, target, **ASKED)
    with pytest.raises(UnsupportedTargetError, match=r"no UTF-8"):
        geopatcher.export(folder / "a.tif", target)
    assert calls == []
    assert sorted(folder.rglob("*")) == before
    result = geopatcher.reconstruct(IMAGE, lambda patch: patch, target.replace(".tif", ".zarr"), **ASKED)
    assert np.array_equal(result.array[:], IMAGE)
