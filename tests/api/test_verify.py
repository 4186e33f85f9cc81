"""`verify` names what is damaged, and the pixels in it."""

from __future__ import annotations

import os

import numpy as np
import pytest
import rasterio
import zarr
from click.testing import CliRunner

import geopatcher as gp
from doubling import Picky, run
from geopatcher.cli import main
from geopatcher.errors import SourceError
from tests.runs.test_damage import CHUNK, cut, flip

HOW = {"deleted": os.unlink, "cut": cut, "flipped": flip}


def keeping_time(how, file):
    """Damage a file behind the back of who looks at times only."""
    status = file.stat()
    how(file)
    if file.exists():
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def invoke(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"storage": gp.ZarrStorage(shards=128)},
        {"storage": gp.ZarrStorage(multiscales=True), "layers": ("count",)},
    ],
    ids=str,
)
def test_an_intact_store(tmp_path, options):
    result = run(tmp_path / "x.zarr", **options)
    found = gp.verify(result)
    assert (found.is_intact, found.compared, found.damages) == (True, True, ())
    files = [file for file in (tmp_path / "x.zarr").rglob("*") if file.is_file()]
    assert found.n_files == len(files)
    assert found.n_bytes == sum(file.stat().st_size for file in files)
    out = invoke("verify", tmp_path / "x.zarr")
    assert (out.exit_code, out.output.splitlines()[-1]) == (0, "nothing is damaged")


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    ("file", "box", "level"),
    [
        (CHUNK, gp.Box(128, 192, 64, 128), 0),
        ("data/c/0/4/3", gp.Box(256, 300, 192, 200), 0),
        ("count/c/0/0", gp.Box(0, 64, 0, 64), 0),
        ("1/data/c/0/1/1", gp.Box(64, 128, 64, 100), 1),
        ("x/c/0", None, 0),
        ("zarr.json", None, 0),
        ("1/count/zarr.json", None, 0),
    ],
)
def test_each_damaged_file_is_named_with_its_pixels(tmp_path, how, file, box, level):
    run(tmp_path / "x.zarr", storage=gp.ZarrStorage(multiscales=True), layers=("count",))
    keeping_time(HOW[how], tmp_path / "x.zarr" / file)
    damages = [
        damage
        for damage in gp.verify(tmp_path / "x.zarr").damages
        if damage.file.is_relative_to(tmp_path / "x.zarr" / file)
    ]
    assert [(damage.box, damage.level) for damage in damages] == [(box, level)]
    out = invoke("verify", tmp_path / "x.zarr")
    assert out.exit_code == 1
    assert f"damaged    {tmp_path / 'x.zarr' / file}" in out.output
    if box is not None:
        assert str(box) in out.output


def test_a_chunk_where_there_was_none(tmp_path):
    image = np.ones((128, 128), "float32")
    image[:64, :64] = np.nan
    gp.reconstruct(image, np.copy, tmp_path / "x.zarr", size=32, chunks=64)
    assert not (tmp_path / "x.zarr/data/c/0/0").exists()
    zarr.open_group(tmp_path / "x.zarr", mode="r+")["data"][:3, :3] = 5
    (damage,) = gp.verify(tmp_path / "x.zarr").damages
    assert (damage.file, damage.box) == (tmp_path / "x.zarr/data/c/0/0", gp.Box(0, 64, 0, 64))
    assert "should not be there" in damage.what


@pytest.mark.parametrize("name", ["x.tif", "x.count.tif"])
@pytest.mark.parametrize("how", HOW)
def test_geotiffs(tmp_path, name, how):
    run(tmp_path / "x.tif", layers=("count",))
    assert gp.verify(tmp_path / "x.tif").n_files == 2
    keeping_time(HOW[how], tmp_path / name)
    if (name, how) == ("x.tif", "deleted"):
        with pytest.raises(SourceError, match="there is no result"):
            gp.verify(tmp_path / "x.tif")
        return
    (damage,) = gp.verify(tmp_path / "x.tif").damages
    assert damage.file == tmp_path / name
    assert invoke("verify", tmp_path / "x.tif").exit_code == 1


def test_damaged_bytes_of_a_geotiff_are_said_in_pixels(tmp_path):
    image = np.random.default_rng(0).random((3, 1024, 1024), dtype="float32")
    gp.reconstruct(image, np.copy, tmp_path / "x.tif", size=256, step=256, window="boxcar", chunks=256)
    with rasterio.open(tmp_path / "x.tif") as dataset:
        side = dataset.block_shapes[0][0]
        at = int(dataset.get_tag_item("BLOCK_OFFSET_1_1", "TIFF", bidx=1))
    held = bytearray((tmp_path / "x.tif").read_bytes())
    held[at + 1000] ^= 1
    (tmp_path / "x.tif").write_bytes(held)
    (damage,) = gp.verify(tmp_path / "x.tif").damages
    assert damage.box.row0 <= side < 2 * side <= damage.box.row1
    assert damage.box.n_pixels < 1024 * 1024
    assert "holds other bytes than were written, in bytes " in damage.what


@pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
def test_without_a_ledger_everything_is_read(tmp_path, name):
    run(tmp_path / name)
    (tmp_path / f"{name}.ledger.jsonl").unlink()
    found = gp.verify(tmp_path / name)
    assert (found.is_intact, found.compared) == (True, False)
    out = invoke("verify", tmp_path / name)
    assert (out.exit_code, out.output.splitlines()[-1]) == (0, "everything can be read")
    assert "has no ledger to compare with: it was only read" in out.output
    cut(tmp_path / ("x.zarr/data/c/1/2/1" if name == "x.zarr" else name))
    found = gp.verify(tmp_path / name)
    assert not found.is_intact
    assert "cannot be read" in str(found)
    if name == "x.zarr":
        assert found.damages[0].box.contains(gp.Box(128, 192, 64, 128))
    assert invoke("verify", tmp_path / name).exit_code == 1


def test_any_raster_can_be_read_through(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", shape=(50, 60), chunks=(20, 20), dtype="int16", zarr_format=2)[
        ...
    ] = 3
    assert gp.verify(tmp_path / "a.zarr").is_intact
    cut(tmp_path / "a.zarr/1.2")
    (damage,) = gp.verify(tmp_path / "a.zarr").damages
    assert damage.box.contains(gp.Box(20, 40, 40, 60))


def test_a_ledger_that_cannot_be_used_is_damage(tmp_path):
    run(tmp_path / "x.zarr")
    ledger = tmp_path / "x.zarr.ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes()[5:])
    (damage,) = gp.verify(tmp_path / "x.zarr").damages
    assert damage.file == ledger
    assert "its ledger cannot be used" in invoke("info", tmp_path / "x.zarr").output


def test_patches_that_failed_are_told(tmp_path):
    run(tmp_path / "x.zarr", Picky((64, 64)), on_error="skip")
    found = gp.verify(tmp_path / "x.zarr")
    assert found.is_intact
    assert found.n_failed == 1
    assert "1 patches failed when it was made" in str(found)


def test_what_cannot_be_verified(tmp_path):
    with pytest.raises(ValueError, match="the result is in memory"):
        gp.verify(run(None))
    with pytest.raises(SourceError, match="there is no result"):
        gp.verify(tmp_path / "x.zarr")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceError, match="is a folder, but not a zarr store"):
        gp.verify(tmp_path / "folder")
    assert invoke("verify", tmp_path / "x.zarr").exit_code == 2
    assert invoke("verify").exit_code == 2


@pytest.mark.parametrize(("name", "file"), [("x.zarr", CHUNK), ("x.tif", "")])
@pytest.mark.parametrize("how", HOW)
def test_info_tells_what_it_can_see(tmp_path, name, file, how):
    run(tmp_path / name)
    assert "damaged" not in invoke("info", tmp_path / name).output
    if (name, how) == ("x.tif", "deleted"):
        return
    HOW[how](tmp_path / name / file)
    out = invoke("info", tmp_path / name)
    if out.exit_code:  # GDAL cannot open what is left of the file
        assert (name, how) == ("x.tif", "cut")
        return
    assert "damaged    " in out.output
    assert "geopatcher verify" in out.output
