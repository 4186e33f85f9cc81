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
from geopatcher.engine.job import Job
from geopatcher.errors import OperatorError, SourceError, TargetExistsError
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.runs import source_watch
from geopatcher.runs.ledger.book import read_ledger
from geopatcher.runs.source_watch import Glance, SourceWatch

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


# -- the watch --------------------------------------------------------------------------------------


class Talker:
    """A source that answers what it is told, or not."""

    name, domain = "talker", geopatcher.RasterDomain((4, 4))

    def __init__(self):
        self.says, self.state, self.asked = "1", {"etag": "1"}, 0

    def identity(self):
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    def version(self):
        self.asked += 1
        if self.says is None:
            raise SourceError("no answer")
        return self.says


@pytest.fixture
def talker(monkeypatch):
    monkeypatch.setattr(source_watch, "PAUSE_S", 0.0)
    return Talker()


def watching(source, identity=None):
    job = Job(None, source, np.copy, None, None)
    watch = SourceWatch(job)
    watch.begin()
    watch.expect(source_watch.identity_of_source(job) if identity is None else identity)
    return watch


def test_rows_pass_while_nothing_changes(talker):
    watch = watching(talker)
    assert next(watch.passed(row) for row in "abc") == ["a"]
    talker.says, talker.state = "2", {"etag": "2"}
    watch._next_at = 0.0
    with pytest.raises(SourceError, match=r"talker changed while it was read \(source.etag was 1 and is 2\)"):
        watch.passed("d")


def test_rows_wait_for_a_slow_answer_and_for_one_at_all(talker, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(source_watch.time, "monotonic", lambda: now[0])
    watch = watching(talker)
    version = talker.version

    def slow():
        now[0] += 0.2
        return version()

    monkeypatch.setattr(talker, "version", slow)
    assert watch.passed("a") == ["a"]
    now[0] += 19.0
    assert watch.passed("b") == []
    talker.says = None
    now[0] += 1.5
    assert watch.passed("c") == []
    talker.says = "1"
    now[0] += 30.0
    assert watch.passed("d") == ["b", "c", "d"]
    assert talker.asked == 4


def test_what_is_far_is_asked_for_the_last_time_when_all_is_read(talker):
    talker.reads_at_once = 4
    for watch in (watching(talker), SourceWatch(Job(None, talker, np.copy, None, None))):
        watch.begin()
        watch.all_read()
        (watch._last or watch._all).result()
        asked, (says, state) = talker.asked, (talker.says, talker.state)
        talker.says, talker.state = "2", {"etag": "2"}  # and no pixel of that was read
        watch.require_same() if watch._all is None else watch.finish()
        assert talker.asked == asked
        talker.says, talker.state = says, state


def test_what_was_another_when_all_was_read_is_an_error(talker):
    talker.reads_at_once = 4
    watch = watching(talker)
    talker.says, talker.state = "2", {"etag": "2"}
    watch.all_read()
    with pytest.raises(SourceError, match=r"talker changed while it was read \(source.etag was 1 and is 2\)"):
        watch.finish()


def test_what_is_here_may_change_until_the_end(talker):
    watch = watching(talker)
    watch.all_read()
    talker.state = {"etag": "2"}
    with pytest.raises(SourceError, match="talker changed while it was read"):
        watch.finish()


def test_a_server_that_is_silent_at_the_end_is_asked_again_and_then_an_error(talker):
    watch = watching(talker)
    talker.state = {"unknown": "its server answered 503"}
    watch._held = ["a"]
    with pytest.raises(
        SourceError, match="whether talker has changed while it was read cannot be known: its server"
    ):
        watch.finish()
    talker.state = {"etag": "1"}
    assert watch.finish() == ["a"]


def test_what_was_unknown_at_the_beginning_is_no_change_at_the_end(talker):
    talker.state, talker.says = {"unknown": "its server answered 503"}, None
    watch = watching(talker)
    talker.state, talker.says = {"etag": "1"}, "1"
    assert watch.passed("a") == ["a"]
    assert watch.finish() == []


def test_a_source_that_cannot_be_opened_any_more_is_said_to_have_changed(talker):
    watch = watching(talker)
    talker.says, talker.state = "2", SourceError("cannot open talker")
    with pytest.raises(SourceError, match=r"talker changed while it was read \(cannot open talker\)"):
        watch.passed("a")


def test_a_change_that_was_undone_is_one(talker):
    watch = watching(talker)
    talker.says = "2"
    with pytest.raises(SourceError, match="its files were replaced, or changed and changed back"):
        watch.require_same()


def test_what_is_kept_of_a_run_that_ends_early(talker):
    watch = watching(talker)
    watch._held = ["a"]
    assert watch.leave() == (True, ["a"])
    watch._held = ["b"]
    talker.says, talker.state = "2", {"etag": "2"}
    assert watch.leave() == (True, [])  # rows that were written down had been looked after
    talker.says = "1"
    assert watch.leave() == (False, [])  # nobody noticed
    talker.state = SourceError("cannot open")
    assert watch.leave() == (True, [])


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


class TestGlance:
    def test_another_version_is_found_once(self, tmp_path, monkeypatch):
        monkeypatch.setattr(source_watch, "PATIENCE", 0)
        path = tiff(tmp_path / "a.tif")
        glance = Glance(RasterioSource(str(path)))
        assert [glance.finds_another() for _ in range(3)] == [True, False, False]
        os.utime(path, ns=(0, 7))
        assert [glance.finds_another() for _ in range(2)] == [True, False]

    def test_it_is_not_asked_all_the_time_and_no_answer_is_no_change(self, monkeypatch):
        class Source:
            calls, answer = 0, "one"

            def version(self):
                self.calls += 1
                if self.answer is None:
                    raise SourceError("no answer")
                return self.answer

        source = Source()
        monkeypatch.setattr(source_watch, "PATIENCE", 10**12)
        glance = Glance(source)
        assert [glance.finds_another() for _ in range(5)] == [True] + [False] * 4
        assert source.calls == 1
        monkeypatch.setattr(source_watch, "PATIENCE", 0)
        glance = Glance(source)
        assert glance.finds_another()
        source.answer = None
        assert not glance.finds_another()
        source.answer = "two"
        assert glance.finds_another()
