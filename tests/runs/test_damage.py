"""Files of a result that are not as they were written: mended, refused or done again, never returned."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import zarr

from doubling import Double, begun, names, run, run_folder, values
from geopatcher.errors import TargetError
from geopatcher.runs.ledger.lines import decode, encode
from geopatcher.targets import digests
from geopatcher.targets.storage import ZarrStorage
from stored import tree


@pytest.fixture(scope="module")
def truth():
    return values(run(None))


def flip(file, at=0.5):
    held = bytearray(file.read_bytes())
    held[int(len(held) * at)] ^= 0xFF
    file.write_bytes(held)


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


DAMAGES = {"deleted": os.unlink, "cut": cut, "emptied": lambda file: file.write_bytes(b"")}
CHUNK = "data/c/1/2/1"


# -- finished results -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"storage": ZarrStorage(shards=128)},
        {"storage": ZarrStorage(checksum=True)},
        {"layers": ("count",)},
    ],
    ids=str,
)
def test_a_block_that_is_lost_is_made_again_and_nothing_else(tmp_path, truth, how, options):
    target = tmp_path / "x.zarr"
    run(target, **options)
    whole = tree(target)
    file = target / ("data/c/1/1/1" if "shards=(" in str(options) else CHUNK)
    DAMAGES[how](file)
    operator = Double()
    result = run(target, operator, **options)
    assert 0 < operator.calls < result.plan.n_patches
    assert np.array_equal(values(result), truth)
    assert tree(target) == whole
    assert result.stats.notes[0].startswith(f"damaged since it was written, and mended ({file}")
    assert names(tmp_path) == ["x.zarr", "x.zarr.ledger.jsonl"]
    again = Double()
    assert run(target, again, **options).stats.notes[0].startswith("complete since")
    assert again.calls == 0


@pytest.mark.parametrize("codec", ["zstd", "blosc-lz4", "blosc-zstd-1", "gzip-1", "none"])
@pytest.mark.parametrize("at", [0.0, 0.3, 0.6, 0.95])
def test_a_flipped_byte_is_never_returned(tmp_path, truth, codec, at):
    target = tmp_path / "x.zarr"
    run(target, storage=ZarrStorage(codec))
    flip(target / CHUNK, at)
    damaged = tree(target)
    said = ""
    try:
        result = run(target, storage=ZarrStorage(codec))
    except TargetError as error:  # it can be read, so it might have been meant
        said = str(error)
    if said:
        assert f"{target} is not as its run wrote it: {target / CHUNK}" in said
        assert "overwrite=True (--overwrite)" in said
        assert tree(target) == damaged
        result = run(target, storage=ZarrStorage(codec), overwrite=True)
    assert np.array_equal(values(result), truth)


@pytest.mark.parametrize("at", [0.0, 0.3, 0.6, 0.99])
def test_with_checksums_a_flipped_byte_is_always_mended(tmp_path, truth, at):
    target = tmp_path / "x.zarr"
    run(target, storage=ZarrStorage("none", checksum=True))
    flip(target / CHUNK, at)
    result = run(target, storage=ZarrStorage("none", checksum=True))
    assert np.array_equal(values(result), truth)
    assert "mended" in result.stats.notes[0]


@pytest.mark.parametrize("where", ["data", "empty"])
def test_what_somebody_wrote_into_a_result_is_neither_returned_nor_lost(tmp_path, where):
    target = tmp_path / "x.zarr"

    class Half(Double):
        def __call__(self, patch):
            return (
                super().__call__(patch) * np.where(patch[0] > 0, 1, 1) if where == "data" else patch * np.nan
            )

    run(target, Half())
    zarr.open_group(target, mode="r+")["data"][0, 100:120, 10:20] = 77
    edited = tree(target)
    with pytest.raises(TargetError, match=r"x.zarr is not as its run wrote it: .*data/c/0/1/0.*rows 64:128"):
        run(target, Half())
    assert {name: held for name, held in tree(tmp_path).items() if name.startswith("x.zarr/")} == {
        f"x.zarr/{name}": held for name, held in edited.items()
    }


def test_another_store_of_the_same_shape_is_not_taken_for_the_result_and_not_replaced(tmp_path):
    run(tmp_path / "x.zarr")
    other = run(tmp_path / "y.zarr", Double(5, lambda: None), image=np.ones((2, 300, 200), "float32"))
    assert other.array.shape == (2, 300, 200)
    shutil.rmtree(tmp_path / "x.zarr")
    (tmp_path / "y.zarr").rename(tmp_path / "x.zarr")
    before = tree(tmp_path / "x.zarr")
    with pytest.raises(TargetError, match="is not as its run wrote it"):
        run(tmp_path / "x.zarr")
    assert tree(tmp_path / "x.zarr") == before


def test_attributes_that_a_person_adds_are_no_damage(tmp_path):
    run(tmp_path / "x.zarr")
    zarr.open_group(tmp_path / "x.zarr", mode="r+", use_consolidated=False).attrs["licence"] = "CC BY 4.0"
    operator = Double()
    run(tmp_path / "x.zarr", operator)
    assert operator.calls == 0
    assert zarr.open_group(tmp_path / "x.zarr", mode="r").attrs["licence"] == "CC BY 4.0"


@pytest.mark.parametrize("file", ["x/c/0", "1/data/c/0/1/0", "1/x/c/0", "2/zarr.json"])
@pytest.mark.parametrize("how", DAMAGES)
def test_levels_and_coordinates_are_made_again_without_the_operator(tmp_path, how, file):
    target, options = tmp_path / "x.zarr", {"storage": ZarrStorage(multiscales=True)}
    run(target, **options)
    whole = tree(target)
    if how != "deleted" and file.endswith("zarr.json"):
        return  # what a person may have changed is looked at by verify only
    DAMAGES[how](target / file)
    operator = Double()
    run(target, operator, **options)
    assert operator.calls == 0
    assert tree(target) == whole


@pytest.mark.parametrize("key", ["fill_value", "chunks"])
def test_metadata_that_says_something_else_is_refused(tmp_path, key):
    run(tmp_path / "x.zarr")
    file = tmp_path / "x.zarr/data/zarr.json"
    text = file.read_text()
    changed = (
        text.replace('"fill_value": "NaN"', '"fill_value": 1.0')
        if key == "fill_value"
        else text.replace("64", "50")
    )
    assert changed != text
    file.write_text(changed)
    with pytest.raises(TargetError, match="it was replaced"):
        run(tmp_path / "x.zarr")


@pytest.mark.parametrize("name", ["x.tif", "x.count.tif"])
@pytest.mark.parametrize("how", [*DAMAGES, "flipped"])
def test_a_geotiff_that_is_not_as_it_was_is_refused(tmp_path, truth, name, how):
    target, options = tmp_path / "x.tif", {"layers": ("count",)}
    run(target, **options)
    {**DAMAGES, "flipped": flip}[how](tmp_path / name)
    if (name, how) == ("x.tif", "deleted"):
        return
    before = tree(tmp_path)
    with pytest.raises(TargetError, match=name):
        run(target, **options)
    assert tree(tmp_path) == before
    result = run(target, **options, overwrite=True)
    assert np.array_equal(values(result), truth)


def test_a_geotiff_a_person_edited_is_refused_and_kept(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    run(tmp_path / "x.tif")
    with rasterio.open(tmp_path / "x.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.update_tags(licence="CC BY 4.0")
    before = (tmp_path / "x.tif").read_bytes()
    with pytest.raises(TargetError, match=r"x.tif is not as its run wrote it.*overwrite=True"):
        run(tmp_path / "x.tif")
    assert (tmp_path / "x.tif").read_bytes() == before


@pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
def test_a_copy_is_read_once_and_then_known(tmp_path, monkeypatch, truth, name):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    options = {"layers": ("count",)} | (
        {"storage": ZarrStorage(multiscales=True)} if name == "x.zarr" else {}
    )
    run(tmp_path / "a" / name, **options)
    for path in (tmp_path / "a").iterdir():
        if path.is_dir():
            shutil.copytree(path, tmp_path / "b" / path.name, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(path, tmp_path / "b" / path.name)
    read = []
    for one in ("record_of", "tiff_record_of"):
        real = getattr(digests, one)
        monkeypatch.setattr(
            digests, one, lambda file, *more, real=real: (read.append(file), real(file, *more))[1]
        )
    operator = Double()
    assert np.array_equal(values(run(tmp_path / "b" / name, operator, **options)), truth)
    assert len(read) >= (2 if name == "x.tif" else 40)
    read.clear()
    run(tmp_path / "b" / name, operator, **options)
    assert (operator.calls, read) == (0, [])
    file = tmp_path / "b" / (f"{name}/{CHUNK}" if name == "x.zarr" else name)
    cut(file)
    try:
        assert np.array_equal(values(run(tmp_path / "b" / name, **options)), truth)
    except TargetError:
        assert name == "x.tif"


# -- runs on their way ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
@pytest.mark.parametrize("how", [*DAMAGES, "flipped"])
def test_blocks_of_an_unfinished_run_that_changed_are_made_again(tmp_path, truth, name, how):
    begun(tmp_path / name)
    file = (
        run_folder(tmp_path / name)
        / {
            "x.zarr": "store.zarr/data/c/1/0/2",
            "x.tif": "tiles/data/c/0/0/2",  # of all bands
        }[name]
    )
    {**DAMAGES, "flipped": flip}[how](file)
    operator = Double()
    result = run(tmp_path / name, operator)
    assert np.array_equal(values(result), truth)
    assert operator.calls < result.plan.n_patches
    assert result.stats.notes[0].startswith("what was damaged since it was written is computed again: ")
    assert str(file.name) in result.stats.notes[0]


def test_a_run_that_mends_and_is_interrupted_goes_on(tmp_path, truth):
    target = tmp_path / "x.zarr"
    run(target)
    for row in range(4):
        (target / f"data/c/0/{row}/1").unlink()

    class Stopped(Double):
        def __call__(self, patch):
            if self.calls == 60:
                raise KeyboardInterrupt
            return super().__call__(patch)

    with pytest.raises(KeyboardInterrupt):
        run(target, Stopped())
    assert not (target / "data/c/0/0/1").exists(), "the result stays as it was until it is mended"
    operator = Double()
    result = run(target, operator)
    assert np.array_equal(values(result), truth)
    assert operator.calls < result.plan.n_patches
    assert names(tmp_path) == ["x.zarr", "x.zarr.ledger.jsonl"]


@pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
def test_a_ledger_of_other_files_is_refused(tmp_path, name):
    begun(tmp_path / name)
    ledger = run_folder(tmp_path / name) / "ledger.jsonl"
    lines = []
    for line in ledger.read_bytes().splitlines(keepends=True):
        record = decode(line)
        files = record.get("files", {})
        if files:  # of two bands, as if they lay together, or the other way round
            own = files["data"]
            record.pop("moments", None)
            files["data"] = own[: len(own) // 2] if name == "x.zarr" else own * 2
        lines.append(encode(record))
    ledger.write_bytes(b"".join(lines))
    with pytest.raises(
        TargetError, match=r"holds rows .* of 'data' in \(\d, 1, \d\) files, not the \(\d, 1, \d\)"
    ):
        run(tmp_path / name)
