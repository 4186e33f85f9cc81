"""The file beside a GeoTIFF that says of each band which cells hold data."""

from __future__ import annotations

import os
import pickle
import shutil

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from faulty import Faulty
from gappy import gappy
from geopatcher.core.box import Box
from geopatcher.core.gaps import TAG, TAG_NAMESPACE
from geopatcher.errors import SourceAccessError, SourceError, TargetError
from geopatcher.fields.file_identity import SourceFiles
from geopatcher.fields.mask_beside import files_of, mask_beside, path_beside
from geopatcher.fields.raster_record import Record
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.fields.source_files import files_behind
from geopatcher.inspect.levels import raster_of
from geopatcher.report.tiles import Layer

WHOLE = Box(0, 90, 0, 110)


@pytest.fixture
def made(tmp_path):
    """The path, its cells, and where they hold data; the mask is beside it, and really needed."""
    cells, held = gappy(tmp_path / "a.tif")
    assert (tmp_path / "a.valid.tif").exists()
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert not np.array_equal(dataset.read_masks() > 0, held)
    return tmp_path / "a.tif", cells, held


def check(result, cells, held):
    np.testing.assert_array_equal(result.valid[...], held)
    np.testing.assert_array_equal(np.asarray(result.array[...])[held], cells[held])


def test_a_run_over_it_has_its_gaps(made):
    path, cells, held = made
    check(gp.reconstruct(path, np.copy, size=32), cells, held)
    check(gp.reconstruct(path, np.copy, size=32, bands=[2]), cells[1:], held[1:])
    part = gp.reconstruct(path, np.copy, size=32, region=Box(10, 50, 20, 90), crop=True)
    check(part, cells[:, 10:50, 20:90], held[:, 10:50, 20:90])


@pytest.mark.parametrize("name", ["b.zarr", "b.tif"])
def test_a_copy_of_it_has_its_gaps_and_a_copy_of_that(made, tmp_path, name):
    path, cells, held = made
    first = gp.export(path, tmp_path / name)
    check(gp.reconstruct(first, np.copy, size=64), cells, held)
    second = gp.export(first, tmp_path / "c.tif", bands=[2, 1])
    check(gp.reconstruct(second, np.copy, size=64), cells[::-1], held[::-1])
    only = gp.export(path, tmp_path / "one.tif", bands=[1])  # one band: its mask lies in the file
    check(gp.reconstruct(only, np.copy, size=64), cells[:1], held[:1])
    assert not (tmp_path / "one.valid.tif").exists()


def test_it_is_read_among_others(made, tmp_path):
    path, cells, held = made
    other = tmp_path / "other.tif"
    cells2, held2 = gappy(other, seed=1)
    both = gp.reconstruct(gp.Mosaic([path, other]), np.copy, size=64)
    check(both, np.where(held, cells, cells2), held | held2)
    stack = gp.reconstruct(gp.Stack([path, other]), np.copy, size=64)
    check(stack, np.stack([cells, cells2]), np.stack([held, held2]))
    named = gp.reconstruct({"one": path, "two": other}, lambda patch: patch["two"], size=64)
    seen = np.stack([(held & held2).all(axis=0)] * 2)  # what is made of integers is missing where one is
    check(named, cells2, seen)


def test_it_is_shown_with_its_gaps(made):
    path, cells, held = made
    raster = raster_of(RasterioSource(str(path)))
    np.testing.assert_array_equal(np.isnan(raster.read(WHOLE, [0, 1])), ~held)
    wanted = [
        int(cell) if known else None for cell, known in zip(cells[:, 40, 50], held[:, 40, 50], strict=True)
    ]
    assert raster.exact(40, 50) == wanted
    layer = Layer.of("a", raster)
    np.testing.assert_array_equal(np.isnan(layer.cells(layer.max_zoom, 0, 0, (0, 1))), ~held)


def test_a_part_of_it_and_a_pickle_have_their_part_of_the_mask(made):
    path, cells, held = made
    made_of = RasterioSource(str(path)).select_bands([1]).cut(Box(5, 40, 7, 100))
    part = pickle.loads(pickle.dumps(made_of))  # noqa: S301 - made here
    box = Box(0, 35, 0, 93)
    pixels = part.read(box)
    known = held[1:, 5:40, 7:100]
    np.testing.assert_array_equal(pixels[known], cells[1:, 5:40, 7:100][known])
    np.testing.assert_array_equal(part.valid(box, pixels), known)


def test_a_file_that_has_lost_its_mask_is_refused(made, tmp_path):
    path, cells, held = made
    shutil.copy(path, tmp_path / "moved.tif")
    with pytest.raises(SourceError, match=r"moved\.tif says that .*moved\.valid\.tif beside it says which"):
        gp.reconstruct(tmp_path / "moved.tif", np.copy, size=64)
    shutil.copy(tmp_path / "a.valid.tif", tmp_path / "moved.valid.tif")
    check(gp.reconstruct(tmp_path / "moved.tif", np.copy, size=64), cells, held)


def test_a_mask_of_another_raster_is_refused(made, tmp_path):
    path, *_ = made
    gappy(tmp_path / "b.tif", (2, 60, 110))
    shutil.copy(tmp_path / "b.valid.tif", tmp_path / "a.valid.tif")
    with pytest.raises(
        SourceError, match=r"a\.valid\.tif is not the mask of .*a\.tif, .* uint8 of \(2, 60, 110\)"
    ):
        RasterioSource(str(path))


def test_a_file_of_that_name_beside_a_raster_that_does_not_speak_of_it_is_nothing(tmp_path):
    cells, _ = gappy(tmp_path / "a.tif")
    with rasterio.open(
        tmp_path / "b.tif", "w", driver="GTiff", count=2, height=90, width=110, dtype="uint8"
    ) as out:
        out.write(cells)
    shutil.copy(tmp_path / "a.valid.tif", tmp_path / "b.valid.tif")
    source = RasterioSource(str(tmp_path / "b.tif"))
    assert (source.beside, source.has_nodata) == (None, False)


def test_what_a_run_makes_of_it_does_not_speak_of_a_mask_that_it_has_not(made, tmp_path):
    path, *_ = made
    gp.reconstruct(path, lambda x: x * 0.5, tmp_path / "half.tif", size=64)
    with rasterio.open(tmp_path / "half.tif") as dataset:
        assert TAG_NAMESPACE not in dataset.tag_namespaces()
    assert TAG not in str(gp.RasterField(path).domain.metadata)


def test_it_belongs_to_the_files_of_the_source(made, tmp_path):
    path, *_ = made
    mask = tmp_path / "a.valid.tif"
    assert set(files_behind(str(path))) == {path, mask} == set(RasterioSource(str(path)).files())
    assert SourceFiles.of(str(path)).names == (str(path), str(mask))
    with pytest.raises(TargetError, match="a.valid.tif"):
        gp.reconstruct(path, np.copy, mask, size=64, overwrite=True)
    before = RasterioSource(str(path))
    known, version = before.identity(), before.version()
    os.utime(mask, (1, 1))
    assert before.version() != version
    assert RasterioSource(str(path)).identity() != known


def test_names_of_masks_and_of_files(made, tmp_path):
    path, *_ = made
    with rasterio.open(path) as dataset:
        assert mask_beside(str(path), dataset) == path_beside(str(path)) == str(tmp_path / "a.valid.tif")
        assert files_of(str(path), dataset) == [str(path), str(tmp_path / "a.valid.tif")]
    assert Record.of(str(path), None, None).beside == str(tmp_path / "a.valid.tif")
    assert path_beside("a") == "a.valid"


def test_one_on_a_server_is_read_and_no_raster_without_asks_for_one(made, tmp_path):
    path, cells, held = made
    gp.export(path, tmp_path / "plain.tif", bands=[1])
    with Faulty(tmp_path) as server:
        check(gp.reconstruct(f"{server.url}/a.tif", np.copy, size=64), cells, held)
        check(gp.reconstruct(f"{server.url}/plain.tif", np.copy, size=64), cells[:1], held[:1])
        assert server.asked("a.valid.tif")
        assert not server.asked("plain.valid.tif")
        (tmp_path / "a.valid.tif").unlink()
        with pytest.raises(SourceAccessError, match="says that .*a.valid.tif beside it"):
            RasterioSource(f"{server.url}/a.tif?anew=1")


def test_it_is_refused_where_it_is_not_read(made):
    pytest.importorskip("async_geotiff")
    path, *_ = made
    with pytest.raises(SourceError, match=r"a\.tif has a mask of each band in a file beside it"):
        gp.ObstoreCogField.from_url(path)
