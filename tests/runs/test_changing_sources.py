# ruff: noqa: E501 - messages and markup on one line
"""A source that changes while it is read ends the run: nothing is made of two versions of it."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import rasterio
import xarray
import zarr

import far
import geopatcher
from doubling import IMAGE, TARGETS, begun_ledger, names, values
from geopatcher.errors import OperatorError, SourceError, TargetExistsError
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.runs.ledger.book import read_ledger

SIZES = {"size": 32, "step": 16, "chunks": 64}


class Acting:
    """Doubles, and does something at one of its calls."""

    def __init__(self, at, act):
        self.at, self.act, self.calls = at, act, 0

    def fingerprint(self):
        return "doubles"

    def __call__(self, x):
        self.calls += 1
        if self.calls == self.at:
            self.act()
        return x * 2


def fail():
    raise ArithmeticError("stopped here")


def run(source, target, at=None, act=None, **keywords):
    return geopatcher.reconstruct(source, Acting(at, act), target, **{**SIZES, **keywords})


def tiff(path, image=IMAGE):
    kind = {
        "driver": "GTiff",
        "count": 2,
        "height": 300,
        "width": 200,
        "dtype": "float32",
        "crs": "EPSG:32633",
    }
    tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    with rasterio.open(
        path, "w", **kind, **tiles, transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)
    ) as file:
        file.write(image)
    return path


def mosaic(path):
    tiff(path.with_name("tile.tif"))
    band = (
        '<VRTRasterBand dataType="Float32" band="{0}"><SimpleSource><SourceFilename relativeToVRT="1">tile.tif'
        "</SourceFilename><SourceBand>{0}</SourceBand></SimpleSource></VRTRasterBand>"
    )
    bands = band.format(1) + band.format(2)
    path.write_text(f'<VRTDataset rasterXSize="200" rasterYSize="300">{bands}</VRTDataset>')
    return path


def store(path):
    array = zarr.create_array(path, shape=IMAGE.shape, chunks=(1, 64, 64), dtype="float32", overwrite=True)
    array[:] = IMAGE
    return path


#: A source on disk, and an edit of it: both are given the folder.
ON_DISK = {
    "a file": (lambda folder: tiff(folder / "s.tif"), lambda folder: tiff(folder / "s.tif", IMAGE + 1)),
    "a file that is replaced": (
        lambda folder: tiff(folder / "s.tif"),
        lambda folder: tiff(folder / "new.tif", IMAGE + 1).replace(folder / "s.tif"),
    ),
    "a tile of a VRT": (
        lambda folder: mosaic(folder / "s.vrt"),
        lambda folder: tiff(folder / "new.tif", IMAGE + 1).replace(folder / "tile.tif"),
    ),
    "a chunk of a zarr store": (
        lambda folder: store(folder / "s.zarr"),
        lambda folder: (
            zarr.open_array(folder / "s.zarr")[:].shape
            and zarr.open_array(folder / "s.zarr", mode="r+").__setitem__((0, 5, 5), 99)
        ),
    ),
    "a chunk of a zarr store is gone": (
        lambda folder: store(folder / "s.zarr"),
        lambda folder: (folder / "s.zarr" / "c" / "1" / "4" / "0").unlink(),
    ),
}


@pytest.mark.parametrize("target", ["x.zarr", "x.tif", None])
@pytest.mark.parametrize("kind", ON_DISK)
def test_a_source_that_changes_while_it_is_read_ends_the_run(tmp_path, kind, target):
    make, edit = ON_DISK[kind]
    place = None if target is None else tmp_path / target
    source = make(tmp_path)
    with pytest.raises(SourceError, match=r"s\.\w+ changed while it was read \(.+\): a result would mix two"):
        run(source, place, 60, lambda: edit(tmp_path))
    assert not any(name in ("x.zarr", "x.tif") for name in names(tmp_path))


@pytest.mark.parametrize("kind", ON_DISK)
def test_what_was_finished_before_holds_if_the_source_is_put_back(tmp_path, kind):
    make, edit = ON_DISK[kind]
    source, aside = make(tmp_path), tmp_path / "aside"
    shutil.copytree(tmp_path, aside)  # with the times of the files
    with pytest.raises(SourceError, match="changed while it was read"):
        run(source, tmp_path / "x.zarr", 160, lambda: edit(tmp_path))
    left = read_ledger(begun_ledger(tmp_path / "x.zarr"))
    assert left.rows > 0
    with pytest.raises(TargetExistsError, match=r"begun by another run, not yet complete: source\.\w+ was"):
        run(source, tmp_path / "x.zarr")
    shutil.rmtree(source) if source.is_dir() else source.unlink()
    shutil.copytree(aside, tmp_path, dirs_exist_ok=True)
    result = run(source, tmp_path / "x.zarr")
    assert result.stats.notes[0].startswith("goes on where an earlier run stopped")
    assert np.array_equal(values(result), IMAGE * 2)


def test_workers_report_to_who_looks(tmp_path):
    source = tiff(tmp_path / "s.tif")
    seen = []

    class Touching:
        def on_patch_done(self, anchor, seconds, nbytes):
            seen.append(anchor)
            if len(seen) == 40:
                os.utime(source, ns=(1, 1))

    with pytest.raises(
        SourceError, match=r"s.tif changed while it was read \(source.mtime_ns was \d+ and is 1\)"
    ):
        geopatcher.reconstruct(source, far.bend, tmp_path / "x.zarr", workers=2, hooks=Touching(), **SIZES)
    assert "x.zarr" not in names(tmp_path)


def test_a_touched_file_is_named_by_what_differs(tmp_path):
    source = tiff(tmp_path / "s.tif")
    with pytest.raises(
        SourceError, match=r"source.mtime_ns was \d+ and is 1\).*overwrite=True \(--overwrite\).*put it back"
    ) as caught:
        run(source, tmp_path / "x.zarr", 200, lambda: os.utime(source, ns=(1, 1)))
    assert "finished rows of blocks are kept" in caught.value.__notes__[0]


def test_a_file_that_is_gone_ends_the_run(tmp_path):
    source = tiff(tmp_path / "s.tif")
    with pytest.raises((SourceError, OperatorError)):
        run(source, tmp_path / "x.zarr", 60, source.unlink)
    assert "x.zarr" not in names(tmp_path)


# -- arrays in memory: looked at when all is done ----------------------------------------------------


def in_memory(cells):
    return {
        "an array": cells,
        "a field": geopatcher.RasterField.from_array(cells, nodata=-1),
        "a DataArray": xarray.DataArray(cells, dims=("band", "y", "x")),
        "a masked array": np.ma.array(cells, mask=cells > 1.9),
    }


@TARGETS
@pytest.mark.parametrize("kind", in_memory(IMAGE))
def test_an_array_that_changes_while_it_is_read_ends_the_run(tmp_path, name, kind):
    cells = IMAGE.copy()

    def edit():
        cells[1, 250, 150] = 7  # below what has been read, or above: it does not matter

    with pytest.raises(SourceError, match=r"changed while it was read \(source.cells was \w+ and is \w+\)"):
        run(in_memory(cells)[kind], tmp_path / name, 150, edit)
    assert names(tmp_path) == [], "which rows are of which version nobody knows"


def test_rows_of_an_array_that_changed_are_not_kept_when_the_run_fails(tmp_path):
    cells = IMAGE.copy()

    def edit_and_fail():
        cells[0, 0, 0] = 7
        fail()

    with pytest.raises(OperatorError):
        run(cells, tmp_path / "x.zarr", 150, edit_and_fail)
    assert names(tmp_path) == []
    with pytest.raises(OperatorError):
        run(cells, tmp_path / "x.zarr", 150, fail)
    assert names(tmp_path) == ["x.zarr.partial"]


@pytest.mark.parametrize("name", ["copy.zarr", "copy.tif"])
def test_a_source_that_changes_while_it_is_copied_makes_no_copy(tmp_path, monkeypatch, name):
    source = tiff(tmp_path / "s.tif")
    read = RasterioSource.read

    def edited(self, box):
        pixels = read(self, box)
        os.utime(source, ns=(1, 1))
        return pixels

    monkeypatch.setattr(RasterioSource, "read", edited)
    with pytest.raises(SourceError, match=r"s\.tif changed while it was copied"):
        geopatcher.export(source, tmp_path / name, chunks=64)
    assert names(tmp_path) == ["s.tif"]


@pytest.mark.parametrize("target", [None, "x.zarr"])
def test_a_source_that_changes_between_two_passes_is_an_error(tmp_path, target):
    source = tiff(tmp_path / "s.tif")

    def apply(data, found):
        if found["max"][0] != -1:
            os.utime(source, ns=(1, 1))
        return data

    patcher = geopatcher.SpatialPatcher(
        geopatcher.SpatialRectangular(32),
        geopatcher.SpatialRegularStride(32),
        geopatcher.SpatialBoxcar(),
        geopatcher.SpatialOverlapAdd(),
    )
    place = None if target is None else tmp_path / target
    with pytest.raises(SourceError, match=r"s\.tif changed while it was read"):
        patcher.two_pass(source, reduce_with=geopatcher.SpatialMinMax(), apply=apply, target=place)
