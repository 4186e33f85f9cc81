"""Rasters on a server: what is asked for, how often, and how many requests are on their way at once."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections import Counter
from contextlib import ExitStack

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling
from rasterio.windows import Window

import geopatcher as gp
from faulty import Faulty
from geopatcher.errors import SourceError
from geopatcher.fields import noticed
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.formats.dataset_pool import POOL
from geopatcher.formats.side_by_side import IN_FLIGHT, MOST_PIECES, READS_AT_ONCE
from healthy import server

__all__ = ["server"]  # a fixture

pytestmark = [pytest.mark.once, pytest.mark.timeout(120)]

SHAPE = (2, 1100, 2100)
PIXELS = np.random.default_rng(0).integers(1, 4000, SHAPE).astype("uint16")
#: Three strips more than are read at once.
TALL = np.random.default_rng(1).integers(1, 4000, (1, 256 * (READS_AT_ONCE + 3), 600)).astype("uint16")
#: A scene, so many of which lie side by side, and the columns that two of them share.
SIDE, SIDES, OVER = np.random.default_rng(2).integers(1, 4000, (250, 250)).astype("uint16"), 5, 30
TILED = {"tiled": True, "blockxsize": 128, "blockysize": 128}
KINDS = {
    "tiled": TILED,
    "bands": {
        **TILED,
        "interleave": "band",
        "compress": "deflate",
    },
    "strips": {"blockysize": 16, "compress": "lzw"},
    "rows": {"blockysize": 1},
}


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    known = {"driver": "GTiff", "count": 2, "height": SHAPE[1], "width": SHAPE[2], "dtype": "uint16"}
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
    for name, profile in KINDS.items():
        with rasterio.open(folder / f"{name}.tif", "w", **known, **place, **profile) as dataset:
            dataset.write(PIXELS)
    rasterio.shutil.copy(
        folder / "tiled.tif", folder / "cog.tif", driver="COG", compress="deflate", blocksize=128
    )
    tall = {**known, "count": 1, "height": TALL.shape[1], "width": TALL.shape[2]}
    with rasterio.open(folder / "tall.tif", "w", **tall, **place, **KINDS["tiled"]) as dataset:
        dataset.write(TALL)
    side = {**tall, "height": SIDE.shape[0], "width": SIDE.shape[1], "crs": "EPSG:32633"}
    for number in range(SIDES):
        at = rasterio.Affine(10, 0, 5e5 + number * 10 * (SIDE.shape[1] - OVER), 0, -10, 5e6)
        with rasterio.open(
            folder / f"side{number}.tif", "w", **side, transform=at, **KINDS["tiled"]
        ) as dataset:
            dataset.write(SIDE, 1)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False),
        rasterio.open(folder / "masked.tif", "w", **known, **place) as dataset,
    ):
        dataset.write(PIXELS)
        dataset.write_mask(PIXELS[0] > 1000)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            folder / "spread.tif", "w", **known, **place, **KINDS["tiled"], compress="deflate"
        ) as dataset,
    ):
        dataset.write(PIXELS)
        dataset.write_mask(PIXELS[0] > 0)
    with rasterio.open(folder / "spread.tif", "r+") as dataset:
        dataset.build_overviews([2, 4], Resampling.nearest)
    with rasterio.open(folder / "beside.tif", "w", **known, **place) as dataset:
        dataset.write(PIXELS)
    (folder / "beside.tif.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='1'><NoDataValue>33</NoDataValue></PAMRasterBand>"
        "<PAMRasterBand band='2'><NoDataValue>33</NoDataValue></PAMRasterBand></PAMDataset>"
    )
    with Faulty(folder) as server:
        yield server


def copied(source, **how):
    return np.asarray(gp.reconstruct(source, np.copy, size=128, step=128, window="boxcar", **how).array)


@pytest.mark.parametrize("name", [*KINDS, "cog"])
@pytest.mark.parametrize("query", ["", "?sig=1"])
def test_pixels_are_those_of_the_file(server, name, query):
    np.testing.assert_array_equal(copied(f"{server.url}/{name}.tif{query}"), PIXELS)


def test_a_window_and_some_bands_are_those_of_the_file(server):
    source = gp.RasterField(gp.RasterField(f"{server.url}/cog.tif").source.select_bands([1]))
    found = gp.reconstruct(
        source, np.copy, size=128, step=128, window="boxcar", region=gp.Box(300, 400, 200, 900)
    )
    rows, cols = slice(0, 512), slice(0, 1024)
    np.testing.assert_array_equal(
        np.asarray(found.array)[..., rows, cols].reshape(512, 1024), PIXELS[1, rows, cols]
    )


@pytest.mark.parametrize("name", ["cog", "bands"])
def test_several_requests_are_on_their_way_and_no_byte_comes_twice(server, name):
    path = f"{server.url}/{name}.tif"
    gp.plan(path)
    server.fails(latency=0.05)
    np.testing.assert_array_equal(copied(path), PIXELS)
    assert 4 <= server.most() <= 4 * IN_FLIGHT  # of a piece that is several spans GDAL asks for some at once
    spans = [(first, last) for first, last in server.spans() if first > 0]
    asked = sum(last + 1 - first for first, last in spans)
    seen = np.zeros(max(last for _, last in spans) + 1, np.uint8)
    for first, last in spans:
        seen[first : last + 1] += 1
    # Of what is fetched again there are the rests of pages of 16 KiB where pieces meet.
    assert asked <= 1.25 * np.count_nonzero(seen)


def test_opening_is_two_answers_after_one_another_and_six_in_all(server):
    source = RasterioSource(f"{server.url}/cog.tif")
    version = source.version()
    asked = Counter(server.paths())
    assert asked == {"/cog.tif": 3, "/cog.tif.aux.xml": 1, "/cog.tif.msk": 1, "/cog.tif.MSK": 1}
    assert [span for span in server.spans() if span[0] == 0] == [(0, (32 << 10) - 1)]
    assert Counter(server.asked("cog.tif")) == {("HEAD", "none"): 5, ("GET", "none"): 1}
    assert source.version() == version
    assert len(server.paths()) == 7  # further on it is asked anew


def test_what_was_said_at_the_opening_is_not_what_it_says_later(server, monkeypatch):
    shutil.copy(server.folder / "cog.tif", server.folder / "late.tif")
    source = RasterioSource(f"{server.url}/late.tif")
    monkeypatch.setattr(noticed, "FRESH_S", -1.0)
    before = RasterioSource(f"{server.url}/late.tif").version()
    os.utime(server.folder / "late.tif", ns=(1, 1))
    assert source.version() != before


def test_datasets_are_opened_before_anybody_reads(server):
    path = f"{server.url}/cog.tif"
    POOL.prepare(path, 6)
    server.fails()
    with ExitStack() as lent:
        assert len({id(lent.enter_context(POOL.borrow(path))) for _ in range(6)}) == 6
        assert server.paths() == []
    POOL.prepare(path, 12)
    assert sum(held.path == path for held, _ in POOL._idle.values()) == 6  # it was read of since


def test_who_comes_when_datasets_are_open_does_not_wait_for_those_who_read(server):
    path = f"{server.url}/cog.tif"
    POOL.prepare(path, 2)
    with POOL.borrow(path):
        coming = threading.Thread(target=POOL.prepare, args=(path, 2), daemon=True)
        coming.start()
        coming.join(30)
        assert not coming.is_alive()


def test_a_strip_that_is_late_stops_no_other(server):
    """Rows of it do not come before the next strip is asked for."""
    late = 2 * (READS_AT_ONCE + 1) + 1
    with rasterio.open(server.folder / "tall.tif") as dataset:
        held, until = (
            int(dataset.get_tag_item(f"BLOCK_OFFSET_0_{row}", "TIFF", bidx=1)) for row in (late, late + 1)
        )
    server.fails(held=held, until=until)
    np.testing.assert_array_equal(copied(f"{server.url}/tall.tif"), TALL)
    assert server.asked("late") == []


@pytest.mark.parametrize("kind", [gp.Mosaic, gp.Stack, gp.BandStack])
def test_files_are_opened_at_the_same_time(server, kind):
    names = ("cog", "tiled", "bands", "strips", "rows", "spread")
    server.fails(together=(0, 0, len(names)))
    kind([f"{server.url}/{name}.tif" for name in names])
    assert server.asked("late") == []


def test_a_file_that_is_given_twice_is_asked_for_once(server):
    path = f"{server.url}/cog.tif"
    made = gp.Mosaic([path, f"{server.url}/tiled.tif", path])
    assert [scene.source.name for scene in made.scenes] == [path, f"{server.url}/tiled.tif", path]
    assert server.paths().count("/cog.tif.msk") == 1
    assert len([span for span in server.spans() if span[0] == 0]) == 2


def test_the_first_file_that_cannot_be_opened_is_named(server):
    names = ("tiled", "none", "cog", "nothing")
    with pytest.raises(SourceError, match=r"none\.tif"):
        gp.Mosaic([f"{server.url}/{name}.tif" for name in names])


def test_scenes_of_a_strip_are_read_together_where_none_depends_on_another(server):
    """They hide what is below, so that what is wanted of each is known before any is read."""
    paths = [f"{server.url}/side{number}.tif" for number in range(SIDES)]
    source = gp.Mosaic(paths)
    server.fails(together=(16 << 10, 1 << 40, SIDES))
    found = np.asarray(gp.reconstruct(source, np.copy, size=128, step=128, window="boxcar").array)
    assert server.asked("late") == []
    wanted = np.empty_like(found[0])
    for number in reversed(range(SIDES)):
        at = number * (SIDE.shape[1] - OVER)
        wanted[:, at : at + SIDE.shape[1]] = SIDE
    np.testing.assert_array_equal(found[0], wanted)


def test_a_dataset_knows_where_its_blocks_are(server):
    """What the beginning of a file says is in GDAL's memory only for a while."""
    path = f"{server.url}/cog.tif"
    with POOL.borrow(path) as dataset:
        POOL._forget_bytes(path)
        server.fails()
        np.testing.assert_array_equal(
            dataset.read(window=Window(1900, 1000, 100, 50)), PIXELS[:, 1000:1050, 1900:2000]
        )
        assert server.spans()
        assert min(first for first, _ in server.spans()) >= 16 << 10


KINDS_OF_SOURCES = {
    "first": lambda one, other: gp.Mosaic([one, other]),
    "median": lambda one, other: gp.Mosaic([one, other], order="median"),
    "stack": lambda one, other: gp.Stack([one, other]),
    "bands": lambda one, other: gp.BandStack([one, other]),
    "dict": lambda one, other: {"one": one, "other": other},
}


@pytest.mark.parametrize("kind", KINDS_OF_SOURCES)
def test_several_strips_of_what_is_put_together_are_on_their_way_at_once(server, kind):
    source = KINDS_OF_SOURCES[kind](f"{server.url}/cog.tif", f"{server.url}/tiled.tif")
    plan = gp.plan(source, size=128)
    assert plan.model.ahead == READS_AT_ONCE
    operator = (lambda patch: patch["other"]) if kind == "dict" else np.copy
    server.fails(latency=0.4)
    made = gp.reconstruct(source, operator, size=128, step=128, window="boxcar")
    found = np.asarray(made.array).reshape(-1, *SHAPE)
    for each in found:
        np.testing.assert_array_equal(each, PIXELS)
    assert MOST_PIECES < server.most() <= 4 * IN_FLIGHT  # one strip alone is no more than that many


@pytest.mark.parametrize("name", ["spread", "masked", "cog", "beside"])
def test_what_a_file_is_is_asked_while_it_is_opened(server, name):
    """A read asks for masks and nodata values with Python held, while others fetch what it may wait for."""
    with POOL.borrow(f"{server.url}/{name}.tif") as dataset:
        asked = len(server.paths())
        assert asked > 0
        assert len(dataset.mask_flag_enums) == len(dataset.nodatavals) == SHAPE[0]
        assert len(server.paths()) == asked


def test_what_does_not_fit_into_memory_is_not_read_ahead(server):
    source = gp.Mosaic([f"{server.url}/cog.tif", f"{server.url}/tiled.tif"], order="median")
    wide, narrow = gp.plan(source, size=128), gp.plan(source, size=128, memory_limit="100MiB")
    assert wide.model.working_bytes == narrow.model.working_bytes > 0
    assert narrow.model.ahead < wide.model.ahead == READS_AT_ONCE
    assert wide.memory_bytes - narrow.memory_bytes > wide.model.working_bytes


def test_of_files_beside_it_only_the_mask_and_metadata_are_asked_for_and_not_by_every_handle(server):
    copied(f"{server.url}/cog.tif")
    beside = [path for path in server.paths() if path != "/cog.tif"]
    asked = {path.lower() for path in beside}
    assert {"/cog.tif.aux.xml", "/cog.tif.msk"} <= asked
    assert asked <= {"/cog.tif.aux.xml", "/cog.tif.msk", "/cog.tif.vat.dbf"}  # the last by GDAL 3.12
    assert len(beside) <= 8
    assert len([path for path in server.paths() if path == "/cog.tif"]) > 20


def test_a_mask_and_a_nodata_value_beside_it_are_found(server):
    made = gp.reconstruct(f"{server.url}/masked.tif", np.copy, size=128, step=128, window="boxcar")
    np.testing.assert_array_equal(np.asarray(made.valid), np.broadcast_to(PIXELS[0] > 1000, SHAPE))
    assert gp.RasterField(f"{server.url}/beside.tif").domain.nodata == 33


MASKED = PIXELS[0] > 1000


@pytest.mark.parametrize(("name", "most"), [("masked", 130), ("beside", 90)])
def test_what_lies_beside_a_file_is_asked_for_by_the_first_handles_only(server, name, most):
    server.fails(latency=0.05)  # so that all handles are in use at once
    made = gp.reconstruct(f"{server.url}/{name}.tif", np.copy, size=128, step=128, window="boxcar")
    valid = np.broadcast_to(MASKED, SHAPE) if name == "masked" else PIXELS != 33
    np.testing.assert_array_equal(np.asarray(made.valid), valid)
    np.testing.assert_array_equal(np.asarray(made.array)[valid], PIXELS[valid])
    asked = server.paths()
    assert len(asked) <= most
    absent = [
        path
        for path in asked
        if path not in {"/masked.tif", "/masked.tif.msk", "/beside.tif", "/beside.tif.aux.xml"}
    ]
    assert len(absent) <= 10


@pytest.mark.parametrize("kind", KINDS_OF_SOURCES)
def test_masks_of_what_is_put_together_are_those_of_its_members(server, kind):
    source = KINDS_OF_SOURCES[kind](f"{server.url}/masked.tif", f"{server.url}/cog.tif")
    operator = (lambda patch: patch["other"]) if kind == "dict" else np.copy
    made = gp.reconstruct(source, operator, size=128, step=128, window="boxcar")
    own = np.broadcast_to(MASKED, SHAPE)
    wanted = {"dict": own, "stack": np.stack([own, own | True]), "bands": np.concatenate([own, own | True])}
    np.testing.assert_array_equal(np.asarray(made.valid), wanted.get(kind, own | True))


@pytest.mark.parametrize("after", [0, 3, 6, 9, 14, 20])
@pytest.mark.parametrize("fault", ["503", "404"])
def test_a_mask_is_never_lost_where_it_fails_for_a_while(server, gdal_variables, fault, after):
    gdal_variables(GDAL_HTTP_MAX_RETRY="0", GDAL_HTTP_RETRY_DELAY="0.05")
    path = f"{server.url}/masked.tif"
    gp.plan(path)  # which has found it
    server.fails(fault, after=after, count=3, only=".msk")
    try:
        made = gp.reconstruct(path, np.copy, size=128, step=128, window="boxcar")
    except gp.SourceError:
        return
    np.testing.assert_array_equal(np.asarray(made.valid), np.broadcast_to(MASKED, SHAPE))


@pytest.mark.parametrize("after", range(6))
def test_a_mask_that_failed_once_is_not_taken_for_missing_the_next_time(server, gdal_variables, after):
    gdal_variables(GDAL_HTTP_MAX_RETRY="0", GDAL_HTTP_RETRY_DELAY="0.05")
    path = f"{server.url}/masked.tif"
    server.fails("503", after=after, count=2, only=".msk")
    with contextlib.suppress(gp.SourceError):
        assert RasterioSource(path).has_nodata
    server.fails()
    assert RasterioSource(path).has_nodata


def test_what_lies_beside_a_file_is_read_anew_when_it_has_changed(server):
    folder, pixels = server.folder, PIXELS[:, :200, :300]
    known = {"driver": "GTiff", "count": 2, "height": 200, "width": 300, "dtype": "uint16"}
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
    address, other = f"{server.url}/new.tif", f"{server.url}/other.tif"

    def check(least):
        valid = np.asarray(gp.reconstruct(address, np.copy, size=64).valid)
        np.testing.assert_array_equal(valid, np.broadcast_to(pixels[0] > least, pixels.shape))

    def write(least, nodata):
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False),
            rasterio.open(folder / "new.tif", "w", **place, **known) as out,
        ):
            out.write(pixels)
            out.write_mask(pixels[0] > least)
        (folder / "other.tif").write_bytes((folder / "new.tif").read_bytes())
        says = f"'><NoDataValue>{nodata}</NoDataValue></PAMRasterBand>"
        both = f"<PAMRasterBand band='1{says}<PAMRasterBand band='2{says}"
        (folder / "other.tif.aux.xml").write_text(f"<PAMDataset>{both}</PAMDataset>")

    for least, nodata in ((500, 7), (2000, 8), (3000, 9)):
        write(least, nodata)
        POOL.close()
        check(least)
        assert gp.RasterField(other).domain.nodata == nodata
    write(100, 10)
    POOL.drop(address)
    check(100)


@pytest.mark.timeout(900)  # each piece on its way opens the file again to ask why, one after the other
@pytest.mark.parametrize("fault", ["503", "reset", "truncate"])
def test_a_piece_that_fails_for_good_is_an_error_that_names_it(server, gdal_variables, fault):
    gdal_variables(GDAL_HTTP_MAX_RETRY="0", GDAL_HTTP_RETRY_DELAY="0.05")
    path = f"{server.url}/cog.tif"
    gp.plan(path)
    server.fails(fault, after=6, least=30_000)
    with pytest.raises(gp.SourceError, match=r"cannot (read|open) .*cog\.tif"):
        copied(path)


def test_some_failures_are_waited_out(server, gdal_variables):
    gdal_variables(GDAL_HTTP_RETRY_DELAY="0.05")
    server.fails("503", after=9, count=5)
    np.testing.assert_array_equal(copied(f"{server.url}/cog.tif"), PIXELS)
