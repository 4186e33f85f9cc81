"""A GeoTIFF is the same, byte by byte, however its blocks came to be."""

from __future__ import annotations

import errno

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from geopatcher.targets.cog import levels

IMAGE = np.random.default_rng(0).integers(0, 250, (2, 200, 300)).astype("uint8")
IMAGE[:, 40:120, 50:250] = 0
OPTIONS = {
    "size": 32,
    "chunks": 32,
    "layers": ("weight",),
    "storage": gp.CogStorage("ZSTD", 1),
    "progress": False,
}


class Copy:
    """Copies patches, until it is to stop or to fail."""

    def __init__(self):
        self.calls, self.stop_at, self.fails_at = 0, 0, ()

    def __call__(self, patch):
        self.calls += 1
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        if self.calls in self.fails_at:
            raise ValueError(self.calls)
        return patch

    def fingerprint(self):
        return "copy"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "scene.tif"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES"):
        profile = {"driver": "GTiff", "height": 200, "width": 300, "count": 2, "dtype": "uint8"}
        with rasterio.open(path, "w", crs="EPSG:32633", **profile) as dataset:
            dataset.write(IMAGE)
            dataset.write_mask(np.where(IMAGE[0] > 30, 255, 0).astype("uint8"))
    return path


@pytest.fixture(scope="module")
def wanted(source, tmp_path_factory):
    return contents(source, tmp_path_factory.mktemp("wanted"), Copy())


def contents(source, folder, operator, **more):
    gp.reconstruct(str(source), operator, folder / "x.tif", **OPTIONS, **more)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["x.tif", "x.tif.ledger.jsonl", "x.weight.tif"]
    return [(folder / name).read_bytes() for name in ("x.tif", "x.weight.tif")]


def test_by_two_workers(source, wanted, tmp_path):
    assert contents(source, tmp_path, Copy(), workers=2) == wanted


def test_after_an_interruption(source, wanted, tmp_path):
    operator = Copy()
    operator.stop_at = 140
    with pytest.raises(KeyboardInterrupt):
        contents(source, tmp_path, operator)
    assert list((tmp_path / "x.tif.partial").glob("run-*/tiles/data/c/0/0/*"))
    (level,) = (tmp_path / "x.tif.partial").glob("run-*/levels.data/1")
    for file in level.rglob("[0-9]"):  # what is left of levels counts for nothing
        if file.is_file():
            file.write_bytes(b"torn")
    found = contents(source, tmp_path, operator)
    assert found == wanted
    plan = gp.plan(str(source), **{key: OPTIONS[key] for key in ("size", "chunks")})
    assert operator.calls < 140 + plan.n_patches  # what was finished is not done again


def test_after_a_disk_that_was_full_when_a_level_was_made(source, wanted, tmp_path, monkeypatch):
    read, asked = levels.PackageReader, []

    def full(file):
        asked.append(file)
        if len(asked) == 30:
            raise OSError(errno.ENOSPC, "No space left on device")
        return read(file)

    monkeypatch.setattr(levels, "PackageReader", full)
    said = (
        r"cannot write overview levels of .*No space left on device; [1-9] finished rows of blocks are kept"
    )
    with pytest.raises(gp.errors.TargetError, match=said):
        contents(source, tmp_path, Copy())
    assert contents(source, tmp_path, Copy()) == wanted


def test_when_patches_that_failed_are_tried_again(source, wanted, tmp_path):
    operator = Copy()
    operator.fails_at = (40, 41)
    result = gp.reconstruct(str(source), operator, tmp_path / "x.tif", on_error="skip", **OPTIONS)
    assert len(result.errors) == 2
    assert (tmp_path / "x.tif.partial").is_dir()
    assert contents(source, tmp_path, operator, on_error="skip") == wanted
